package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// signed is a checkpoint with the log's signature; the zero value is none.
type signed struct {
	head ledger.Head
	note []byte
}

// Pauses of the signing loop when the signer cannot be reached.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 2 * time.Second
)

// signRest is how long a committed tree that nobody waits for may be unsigned. A signature costs the processors as much as half a
// commit, and the next one covers what is committed meanwhile.
const signRest = 50 * time.Millisecond

// lastSign bounds the signature that Close waits for.
const lastSign = time.Second

// askAgain is how often the signer is asked anew when replicas race for it; then the loop pauses.
const askAgain = 8

// keepEvery thins the checkpoints that are stored: the newest is enough to recognise the log after a restart.
const keepEvery = 1000

// committed publishes a commit: it wakes the signing loop and whoever waits for a change.
func (s *Store) committed(now state, note signed) {
	s.commits.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.edge.Size() >= s.head.Size { // another replica may have gone further
		s.head = now.edge.Head()
	}
	s.commitsSeen = max(s.commitsSeen, now.commits)
	if note.head.Size > 0 {
		s.kept = note.head
	}
	close(s.changed)
	s.changed = make(chan struct{})
	signal(s.wake)
}

// unkept returns the newest checkpoint when it is time to store it.
func (s *Store) unkept() signed {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signed.head.Size < s.kept.Size+keepEvery {
		return signed{}
	}
	return s.signed
}

// keep stores the newest checkpoint when the loops have ended.
func (s *Store) keep() error {
	if s.signed.head.Size <= s.kept.Size || s.writer == nil {
		return nil
	}
	if r, ok := s.writer.session.(*pgSession); ok {
		if err := r.ready(context.Background()); err != nil {
			return nil // the signer remembers it
		}
		defer r.done()
	}
	return s.writer.store(s.signed)
}

// sign is the signing goroutine: it has the newest committed tree signed, again and again. Trees that are committed
// while a signature is being made, or within signRest, are covered together by the next one.
func (s *Store) sign() {
	pause := firstPause
	for {
		err := s.signNewest(s.stop)
		switch {
		case s.stop.Err() != nil:
			return
		case err == nil:
			pause = firstPause
			s.untilDue()
			continue
		case writ.ReasonOf(err) == writ.ReasonLedgerFork:
			s.log.Error("the signer refuses this ledger; nothing acts any more", "error", err)
			s.publish(signed{}, err)
			return
		}
		s.log.Warn("checkpoint not signed, trying again", "error", err, "in", pause)
		select {
		case <-time.After(pause):
		case <-s.stop.Done():
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// untilDue waits until there is something to sign, and then until somebody needs the signature, for signRest at most.
func (s *Store) untilDue() {
	select {
	case <-s.wake:
	case <-s.urgent:
		return
	case <-s.stop.Done():
		return
	}
	select {
	case <-s.urgent:
	case <-time.After(signRest):
	case <-s.stop.Done():
	}
}

// signLast has all that is committed signed when the loops have ended, so that the signer remembers it. If the signer does not
// answer, it is signed after the next start.
func (s *Store) signLast() {
	ctx, cancel := context.WithTimeout(context.Background(), lastSign)
	defer cancel()
	if s.failed != nil {
		return
	}
	if err := s.signNewest(ctx); err != nil {
		s.log.Warn("the last entries are not signed yet", "error", err)
	}
}

func (s *Store) signNewest(ctx context.Context) error {
	s.mu.Lock()
	next, last := s.head, s.signed.head
	s.mu.Unlock()
	if next.Size == 0 || next.Equal(last) {
		return nil
	}
	note, err := s.ask(ctx, next, last.Size)
	for range askAgain {
		if !errors.Is(err, writ.ErrStale) && (s.shared == nil || writ.ReasonOf(err) != writ.ReasonLedgerFork) {
			break
		}
		// The signer has another head than we remember: its answer was lost, or another replica was faster.
		head, e := s.signer.Head(ctx)
		switch {
		case e != nil:
			return e
		case !s.late(err, next, head):
			return err
		}
		if err := s.refresh(ctx); err != nil {
			return err
		}
		if err := s.extends(ctx, head); err != nil {
			return err
		}
		s.mu.Lock()
		next = s.head
		s.mu.Unlock()
		note, err = s.ask(ctx, next, head.Size)
	}
	switch {
	case err != nil && s.shared != nil && (errors.Is(err, writ.ErrStale) || writ.ReasonOf(err) == writ.ReasonLedgerFork):
		return fmt.Errorf("%w: other replicas have the ledger signed faster", writ.ErrBusy)
	case err != nil:
		return err
	}
	c, err := s.verifier.Open(note)
	if err != nil || !c.Head().Equal(next) {
		return fmt.Errorf("%w: the signer answered with another checkpoint: %w", writ.ErrUnavailable, errors.Join(err, writ.ErrInvalid))
	}
	s.publish(signed{next, note}, nil)
	if s.shared != nil {
		s.tell(ctx, note)
	}
	return nil
}

func (s *Store) ask(ctx context.Context, next ledger.Head, from int64) (note []byte, err error) {
	r := ledger.SignRequest{Origin: s.origin, Next: next, From: from}
	if from < next.Size {
		err = s.readers.with(ctx, func(c conn) error {
			r.Proof, err = ledger.ProveConsistency(from, next.Size, nodes{c})
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return s.signer.Sign(ctx, r)
}

func (s *Store) publish(now signed, failed error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case failed != nil:
		s.failed = failed
	case now.head.Size > s.signed.head.Size, now.head.Size > 0 && now.head.Equal(s.signed.head): // the same head, perhaps under another key
		s.signed = now
	}
	close(s.resign)
	s.resign = make(chan struct{})
}

// Renew has the signer sign its last head again, and returns the note: while the log's key is being replaced, that note has
// the signatures of other keys than the one before. It returns ErrStale when the signer's last head is not the newest that is
// known here; the caller asks again.
func (s *Store) Renew(ctx context.Context) (note []byte, err error) {
	if _, err := s.Checkpoint(ctx); err != nil {
		return nil, err
	}
	head, err := s.signer.Head(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	ours := s.signed.head
	s.mu.Unlock()
	if !head.Equal(ours) {
		return nil, fmt.Errorf("%w: the signer has signed size %d, size %d is known here", writ.ErrStale, head.Size, ours.Size)
	}
	if note, err = s.ask(ctx, head, head.Size); err != nil {
		return nil, err
	}
	c, err := s.verifier.Open(note)
	if err != nil || !c.Head().Equal(head) {
		return nil, fmt.Errorf("%w: the signer answered with another checkpoint: %w", writ.ErrUnavailable, errors.Join(err, writ.ErrInvalid))
	}
	s.publish(signed{head, note}, nil)
	return note, nil
}

// Checkpoint returns the newest signed checkpoint of a log that has entries, waiting for the first one. It returns the
// signer's refusal when the signer has called the log forked.
func (s *Store) Checkpoint(ctx context.Context) (note []byte, err error) {
	if err := s.refresh(ctx); err == nil { // without the database the newest known one will do
		signal(s.wake)
	}
	got, err := s.covering(ctx, 1)
	return got.note, err
}

// covering waits for a signed checkpoint of at least the given size.
func (s *Store) covering(ctx context.Context, size int64) (signed, error) {
	for {
		s.mu.Lock()
		now, failed, next := s.signed, s.failed, s.resign
		s.mu.Unlock()
		switch {
		case failed != nil:
			return signed{}, failed
		case now.head.Size >= size && now.head.Size > 0:
			return now, nil
		}
		signal(s.urgent)
		select {
		case <-next:
		case <-ctx.Done():
			return signed{}, ctx.Err()
		case <-s.stop.Done():
			return signed{}, errClosed
		}
	}
}

// Receipt waits until a signed checkpoint covers the entry and is not smaller than from, the size that the reader has
// seen (0 for none), and proves the entry's inclusion and the checkpoint's consistency with from. It returns
// ErrNotFound for an entry that is not in the log, and ReasonLedgerFork when the reader has seen a larger log than this.
func (s *Store) Receipt(ctx context.Context, index, from int64) (ledger.Receipt, error) {
	s.mu.Lock()
	size := s.head.Size
	s.mu.Unlock()
	if index >= size || from > size { // perhaps another replica's
		var err error
		if size, err = s.newest(ctx); err != nil {
			return ledger.Receipt{}, err
		}
	}
	switch {
	case index < 0 || index >= size:
		return ledger.Receipt{}, fmt.Errorf("%w: entry %d of %d", writ.ErrNotFound, index, size)
	case from < 0:
		return ledger.Receipt{}, fmt.Errorf("%w: a checkpoint of size %d", writ.ErrInvalid, from)
	case from > size:
		return ledger.Receipt{}, writ.Refuse(writ.ReasonLedgerFork, fmt.Sprintf("a checkpoint of size %d has been seen; this ledger has %d entries", from, size))
	}
	now, err := s.covering(ctx, max(index+1, from))
	if err != nil {
		return ledger.Receipt{}, err
	}
	r := ledger.Receipt{Index: index, Checkpoint: now.note, From: from}
	err = s.readers.with(ctx, func(c conn) error {
		n := nodes{c}
		leaf, err := leafAt(c, index)
		if err != nil {
			return err
		}
		r.Leaf = ledger.LeafHash(leaf)
		if r.Proof, err = ledger.ProveInclusion(index, now.head.Size, n); err != nil {
			return err
		}
		r.Consistency, err = ledger.ProveConsistency(from, now.head.Size, n)
		return err
	})
	return r, err
}
