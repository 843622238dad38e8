package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// pollEvery is how often the head is looked at when nobody notifies: a notification can be lost with its connection.
const pollEvery = time.Second

// listen is the goroutine that learns what other replicas commit and have signed: at once from their notifications, and
// within pollEvery without.
func (s *Store) listen() {
	var c *pgx.Conn
	defer func() {
		if c != nil {
			c.Close(context.Background())
		}
	}()
	quiet := false // the loss has been logged
	for s.stop.Err() == nil {
		began := time.Now()
		var note *pgconn.Notification
		err := s.subscribe(&c)
		if err == nil {
			note, err = s.hear(c)
		}
		switch {
		case s.stop.Err() != nil:
			return
		case err != nil:
			if !quiet {
				s.log.Warn("the database notifies no more, trying again", "error", err)
			}
			quiet = true
			s.rest(pollEvery - time.Since(began))
		default:
			quiet = false
		}
		s.heard(note)
	}
}

func (s *Store) rest(d time.Duration) {
	select {
	case <-time.After(max(d, firstPause)):
	case <-s.stop.Done():
	}
}

func (s *Store) subscribe(c **pgx.Conn) (err error) {
	if *c != nil && !(*c).IsClosed() {
		return nil
	}
	if *c, err = connectPG(s.stop, s.shared); err != nil {
		*c = nil
		return err
	}
	s.mu.Lock()
	known := s.signed.head.Size
	s.mu.Unlock()
	// What was told before it listened is told again.
	if _, err := (*c).Exec(s.stop, fmt.Sprintf("LISTEN %s; LISTEN %s; LISTEN %s; NOTIFY %s, '%d'", commitChannel, signedChannel, askChannel, askChannel, known)); err != nil {
		(*c).Close(context.Background())
		*c = nil
		return pgKind(err)
	}
	return nil
}

// hear waits for one notification; nil when none came in time.
func (s *Store) hear(c *pgx.Conn) (*pgconn.Notification, error) {
	ctx, cancel := context.WithTimeout(s.stop, pollEvery)
	defer cancel()
	n, err := c.WaitForNotification(ctx)
	if err != nil && ctx.Err() != nil && !c.IsClosed() {
		return nil, nil
	}
	return n, err
}

// heard acts on a notification, or looks when there was none.
func (s *Store) heard(n *pgconn.Notification) {
	switch {
	case n == nil:
	case n.Channel == commitChannel:
		s.mu.Lock()
		known := s.commitsSeen
		s.mu.Unlock()
		if k, err := strconv.ParseInt(n.Payload, 10, 64); err == nil && k <= known {
			return // such as our own
		}
	case n.Channel == signedChannel:
		s.heardSigned([]byte(n.Payload))
		return
	case n.Channel == askChannel:
		if known, err := strconv.ParseInt(n.Payload, 10, 64); err == nil {
			s.tellAgain(known)
		}
		return
	}
	if err := s.refresh(s.stop); err != nil && s.stop.Err() == nil {
		s.log.Warn("the head of the ledger could not be read", "error", err)
	}
	if n == nil {
		signal(s.wake) // entries of a replica that died before it had them signed
	}
}

// heardSigned takes over a checkpoint that another replica had signed.
func (s *Store) heardSigned(note []byte) {
	c, err := s.verifier.Open(note)
	if err != nil {
		s.log.Warn("somebody notifies of a checkpoint that the log's key did not sign")
		return
	}
	s.mu.Lock()
	stale := c.Head().Size <= s.signed.head.Size
	s.mu.Unlock()
	if stale {
		return
	}
	if err := s.refresh(s.stop); err != nil {
		return // the next one will do
	}
	switch err := s.extends(s.stop, c.Head()); {
	case err == nil:
		s.publish(signed{c.Head(), note}, nil)
	case writ.ReasonOf(err) == writ.ReasonLedgerFork:
		s.log.Error("another history of this ledger was signed; nothing acts any more", "error", err)
		s.publish(signed{}, err)
	}
}

// tell notifies the other replicas of a checkpoint. One that is lost is signed again when somebody needs it.
func (s *Store) tell(ctx context.Context, note []byte) {
	err := s.readers.with(ctx, func(c conn) error {
		_, err := c.exec("SELECT pg_notify('"+signedChannel+"', ?)", string(note))
		return err
	})
	if err != nil && s.stop.Err() == nil {
		s.log.Debug("other replicas were not told of a checkpoint", "error", err)
	}
}

// tellAgain tells the newest checkpoint to a replica that knows only one of a smaller size.
func (s *Store) tellAgain(known int64) {
	s.mu.Lock()
	now := s.signed
	s.mu.Unlock()
	if now.head.Size > known {
		s.tell(s.stop, now.note)
	}
}

// refresh reads how far the ledger is, and tells those who wait for a change.
func (s *Store) refresh(ctx context.Context) error {
	if s.shared == nil {
		return nil
	}
	var now headRow
	err := s.readers.with(ctx, func(c conn) (err error) {
		now, err = readHead(c)
		return err
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.commits <= s.commitsSeen {
		return nil
	}
	s.commitsSeen = now.commits
	if now.Size > s.head.Size {
		s.head = now.Head
	}
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}

// newest returns the number of entries, those of other replicas too.
func (s *Store) newest(ctx context.Context) (int64, error) {
	if err := s.refresh(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head.Size, nil
}

// signal puts a token into a channel of capacity 1, unless there is one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// late reports whether the signer's refusal means only that another replica was faster: the signer has gone on, to a
// head that our own database holds.
func (s *Store) late(refusal error, asked, signers ledger.Head) bool {
	return errors.Is(refusal, writ.ErrStale) || s.shared != nil && signers.Size >= asked.Size
}
