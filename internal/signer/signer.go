// Package signer holds a log's checkpoint key and remembers, durably, the last head that it signed. It signs only what
// is proven to extend that head: whoever may call it can append to the log and never rewrite it.
//
// In production it is a process of its own (writ signer) behind Handler, and the control plane holds a Client; with
// --dev both are in one process. Either way the store sees a ledger.Signer.
package signer

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/ledger"
)

// state is what the file holds.
type state struct {
	V    int         `json:"v"`
	Key  string      `json:"key"`  // vkey: a state belongs to one key of one log
	Head ledger.Head `json:"head"` // last signed; size 0 before the first
}

// A Signer is a ledger.Signer with its key at hand. It is safe for concurrent use.
type Signer struct {
	key      crypto.Signer
	others   []crypto.Signer // sign beside it
	verifier ledger.Verifier
	lock     io.Closer

	mu     sync.Mutex
	cell   *durable.Cell
	head   ledger.Head
	note   []byte // of head, if it was signed since the start
	broken error  // a failed write: what is on disk is not known
}

// Create makes the state file of a new log that has signed nothing yet. It refuses to replace one: a signer that
// forgets can be made to sign a second history.
func Create(path, origin string, key crypto.Signer) error {
	v, err := verifier(origin, key)
	if err != nil {
		return err
	}
	b, err := canon.Marshal(state{writ.FormatVersion, v.String(), ledger.Head{Root: ledger.EmptyRoot()}})
	if err != nil {
		return err
	}
	if err := durable.CreateCell(path, b); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%w: signer: %s exists; it is the memory of a log and is never made anew", writ.ErrConflict, path)
		}
		return fmt.Errorf("%w: signer: %w", writ.ErrUnavailable, err)
	}
	return nil
}

// Open opens the state file made by Create and locks it against a second process. A missing, torn or foreign file is
// an error: restore it, or start from the newest checkpoint that anybody holds; never from nothing.
//
// While the log's key is being replaced, others are its next key and the one before: they sign every head beside key. The
// memory of one of them is taken up as key's own, durably, before anything is signed: so a head is forgotten at no step.
func Open(path, origin string, key crypto.Signer, others ...crypto.Signer) (*Signer, error) {
	v, err := verifier(origin, key)
	if err != nil {
		return nil, err
	}
	lock, err := durable.Lock(path + ".lock")
	if err != nil {
		if errors.Is(err, durable.ErrLocked) {
			return nil, fmt.Errorf("%w: signer: %s is in use by another process", writ.ErrConflict, path)
		}
		return nil, fmt.Errorf("%w: signer: %w", writ.ErrUnavailable, err)
	}
	cell, b, err := durable.OpenCell(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: signer: %w", writ.ErrUnavailable, err), lock.Close())
	}
	fail := func(err error) (*Signer, error) { return nil, errors.Join(err, cell.Close(), lock.Close()) }
	mine := []string{v.String()}
	for _, other := range others {
		o, err := verifier(origin, other)
		if err != nil {
			return fail(err)
		}
		mine = append(mine, o.String())
	}
	var st state
	if err := canon.Parse(b, &st); err != nil || st.V != writ.FormatVersion || !slices.Contains(mine, st.Key) || st.Head.Size < 0 {
		return fail(fmt.Errorf("%w: signer: %s is not the state of the key %s: %w", writ.ErrInvalid, path, v, errors.Join(err, writ.ErrInvalid)))
	}
	s := &Signer{key: key, others: others, verifier: v, lock: lock, cell: cell, head: st.Head}
	if st.Key != v.String() {
		if err := s.remember(st.Head); err != nil {
			return fail(err)
		}
	}
	return s, nil
}

func verifier(origin string, key crypto.Signer) (ledger.Verifier, error) {
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return ledger.Verifier{}, fmt.Errorf("%w: signer: the key is not Ed25519", writ.ErrInvalid)
	}
	vkey, err := ledger.VKey(origin, pub)
	if err != nil {
		return ledger.Verifier{}, err
	}
	return ledger.ParseVerifier(vkey)
}

// Close ends the signer.
func (s *Signer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf("%w: the signer is closed", writ.ErrUnavailable)
	}
	return errors.Join(s.cell.Close(), s.lock.Close())
}

// Verifier returns the public side of the key.
func (s *Signer) Verifier() ledger.Verifier { return s.verifier }

// Head returns the last head that was signed; size 0 before the first.
func (s *Signer) Head(context.Context) (ledger.Head, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head, s.broken
}

// Sign signs r.Next if it is the last head, or is proven to extend it; see ledger.Signer.
func (s *Signer) Sign(_ context.Context, r ledger.SignRequest) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return nil, s.broken
	case r.Origin != s.verifier.Origin():
		return nil, fmt.Errorf("%w: signer: this key signs the log %q", writ.ErrInvalid, s.verifier.Origin())
	case r.Next.Size <= 0 || r.Next.Size > ledger.MaxSize || r.Next.Root.IsZero():
		return nil, fmt.Errorf("%w: signer: a head has a size and a root", writ.ErrInvalid)
	case r.Next.Equal(s.head):
		return s.release()
	case r.Next.Size < s.head.Size:
		return nil, writ.Refuse(writ.ReasonLedgerFork, fmt.Sprintf("roll-back: size %d was signed already; size %d is older", s.head.Size, r.Next.Size))
	case r.Next.Size == s.head.Size:
		return nil, writ.Refuse(writ.ReasonLedgerFork, fmt.Sprintf("fork: at size %d the root %s was signed; this is %s", s.head.Size, s.head.Root, r.Next.Root))
	case r.From != s.head.Size:
		return nil, fmt.Errorf("%w: signer: the proof starts at size %d, the last head has %d", writ.ErrStale, r.From, s.head.Size)
	}
	if err := ledger.CheckConsistency(s.head, r.Next, r.Proof); err != nil {
		return nil, writ.Refuse(writ.ReasonLedgerFork, "fork: "+err.Error())
	}
	if err := s.remember(r.Next); err != nil {
		return nil, err
	}
	return s.release() // Only now: a head that is not remembered is never released.
}

func (s *Signer) remember(head ledger.Head) error {
	b, err := canon.Marshal(state{writ.FormatVersion, s.verifier.String(), head})
	if err != nil {
		return err
	}
	fault.Before(fault.SignerHead)
	if err = fault.Fail(fault.SignerHead); err == nil {
		err = s.cell.Set(b)
	}
	fault.After(fault.SignerHead)
	if err != nil {
		s.broken = fmt.Errorf("%w: signer: its memory cannot be written; restart it when the disk is well: %w", writ.ErrUnavailable, err)
		return s.broken
	}
	s.head, s.note = head, nil
	return nil
}

// release returns the note of the remembered head. Ed25519 is deterministic: it is the same note every time.
func (s *Signer) release() ([]byte, error) {
	if s.note != nil {
		return s.note, nil
	}
	note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: s.verifier.Origin(), Size: s.head.Size, Root: s.head.Root}, s.key, s.others...)
	if err != nil {
		return nil, fmt.Errorf("%w: signer: %w", writ.ErrUnavailable, err)
	}
	s.note = note
	return note, nil
}
