package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// openCheck is how many of the newest entries Open reads again: some ten milliseconds of work, whatever the ledger's age,
// and the whole of a young one.
const openCheck = 1024

// recover checks at Open that the ledger extends the newest stored checkpoint and the signer's last head, and that the
// newest openCheck entries, and all that were never signed, are there and have the hashes they are stored with. Older
// entries are bound by the signed root: one that is altered or gone is found by whoever asks for a proof through it, and
// by Verify and an export, which read them all.
func (s *Store) recover(ctx context.Context) error {
	// Other replicas may go on meanwhile: what was stored was signed, and what was signed is committed, so each is
	// asked before the one that must not be behind it.
	last, err := s.lastKept(ctx)
	if err != nil {
		return err
	}
	head, err := s.lastSigned(ctx)
	if err != nil {
		return fmt.Errorf("the signer's last head: %w", err)
	}
	s.head = s.writer.edge.Head()
	if err := s.refresh(ctx); err != nil {
		return err
	}
	if last.head.Size > 0 {
		if err := s.extends(ctx, last.head); err != nil {
			return err
		}
	}
	if head.Size < last.head.Size {
		return forked("the signer knows size %d only, but size %d was signed: its state is older than the database", head.Size, last.head.Size)
	}
	if err := s.extends(ctx, head); err != nil {
		return err
	}
	s.kept = last.head
	// The signer's newest note itself may have been lost with a crash: the signing loop asks for it again.
	if last.head.Equal(head) {
		s.signed = last
	}
	from := max(0, min(head.Size, s.head.Size-openCheck))
	return s.readers.with(ctx, func(c conn) error { return replay(c, from, s.head) })
}

// How long Open waits for a signer that does not answer: processes of one installation start in any order, and one that
// has died is back within seconds.
const (
	signerPatience = 10 * time.Second
	signerPause    = 250 * time.Millisecond
)

// lastSigned asks the signer for its head, again while it cannot be reached.
func (s *Store) lastSigned(ctx context.Context) (ledger.Head, error) {
	limited, cancel := context.WithTimeout(ctx, signerPatience)
	defer cancel()
	for said := false; ; said = true {
		head, err := s.signer.Head(ctx)
		if err == nil || !errors.Is(err, writ.ErrUnavailable) {
			return head, err
		}
		if !said {
			s.log.Warn("waiting for the signer", "error", err)
		}
		select {
		case <-time.After(signerPause):
		case <-limited.Done():
			return head, err
		}
	}
}

// lastKept returns the newest stored checkpoint, its signature checked.
func (s *Store) lastKept(ctx context.Context) (last signed, err error) {
	var note []byte
	err = s.readers.with(ctx, func(c conn) error {
		return c.query("SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1", func(r row) error { return r.Scan(&note) })
	})
	if err != nil || note == nil {
		return signed{}, err
	}
	c, err := s.verifier.Open(note)
	if err != nil {
		return signed{}, fmt.Errorf("stored checkpoint: %w", err)
	}
	return signed{c.Head(), note}, nil
}

// extends checks that the ledger extends a head that was signed.
func (s *Store) extends(ctx context.Context, head ledger.Head) error {
	s.mu.Lock()
	size := s.head.Size
	s.mu.Unlock()
	if head.Size > size {
		return forked("the signer has signed %d entries and the database holds %d: it is an older copy; restore the missing entries", head.Size, size)
	}
	if head.Size == 0 {
		return nil
	}
	return s.readers.with(ctx, func(c conn) error {
		ours, err := ledger.RootAt(head.Size, nodes{c})
		if err != nil {
			return unread(err)
		}
		if !ours.Equal(head) {
			return forked("at size %d the database has the root %s and the signer signed %s: the ledger was altered", head.Size, ours.Root, head.Root)
		}
		return nil
	})
}

// Verify reads the whole ledger and compares every stored hash with the leaves, and the root with the newest signed
// checkpoint. It takes about a second for 300,000 entries.
func (s *Store) Verify(ctx context.Context) error {
	return s.readers.with(ctx, func(c conn) error {
		s.mu.Lock()
		head, signed := s.head, s.signed.head
		s.mu.Unlock()
		if signed.Size > 0 {
			ours, err := ledger.RootAt(signed.Size, nodes{c})
			if errors.Is(err, writ.ErrUnavailable) {
				return err
			}
			if err != nil || !ours.Equal(signed) {
				return forked("the nodes do not lead to the signed root at size %d", signed.Size)
			}
		}
		return replay(c, 0, head)
	})
}

// page is how many entries are read at once: 2 MB of usual leaves.
const page = 1000

// replay hashes the entries from an index on again and checks that they lead to head.
func replay(c conn, from int64, head ledger.Head) error {
	edge, err := ledger.LoadEdge(from, nodes{c})
	if err != nil {
		return unread(err)
	}
	for edge.Size() < head.Size {
		at := edge.Size()
		err := c.query("SELECT idx, hash, nodes, leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?", func(rows row) error {
			var index int64
			var hash, stored, leaf []byte
			if err := rows.Scan(&index, &hash, &stored, &leaf); err != nil {
				return err
			}
			sum := ledger.LeafHash(leaf)
			if index != edge.Size() || !bytes.Equal(sum.Bytes(), hash) || !bytes.Equal(joined(edge.Append(sum)), stored) {
				return forked("entry %d is not as it was appended", index)
			}
			return nil
		}, at, head.Size, page)
		if err != nil {
			return err
		}
		if edge.Size() == at {
			return forked("entry %d is missing", at)
		}
	}
	if !edge.Head().Equal(head) {
		return forked("the entries lead to another root at size %d", head.Size)
	}
	return nil
}

func leafAt(c conn, index int64) (leaf []byte, err error) {
	err = c.query("SELECT leaf FROM entry WHERE idx = ?", func(r row) error { return r.Scan(&leaf) }, index)
	if err == nil && leaf == nil {
		err = fmt.Errorf("%w: entry %d", writ.ErrNotFound, index)
	}
	return leaf, err
}

// unread is what a tree that cannot be read means: a fork, unless it is only that the database does not answer.
func unread(err error) error {
	if errors.Is(err, writ.ErrUnavailable) {
		return err
	}
	return forked("%v", err)
}

func forked(format string, args ...any) error {
	return writ.Refuse(writ.ReasonLedgerFork, fmt.Sprintf(format, args...))
}
