package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/ledger"
)

// maxBatch bounds one commit: beyond it the fsync costs little beside the statements, and the wait grows.
const maxBatch = 256

// A request is one closure on its way through the writer.
type request struct {
	ctx      context.Context
	fn       func(*Tx) error
	err      error
	panicked any
	done     chan struct{}
}

// A writer is the one transaction of this process that writes. After Open it belongs to the write goroutine, and after
// that to Close.
type writer struct {
	session
	state
	now    func() time.Time
	memory *memory    // nil on PostgreSQL
	safe   state      // as of the last commit
	seq    int64      // last row number given out, kept or not
	batch  []*request // being committed
	dirty  bool       // something was written in the open transaction
	spoilt error      // the open transaction may be over
	broken error      // the open closure can only be undone
}

// A state is what the writer knows of the open transaction without asking the database.
type state struct {
	edge     ledger.Edge // of the tree
	reserved int64       // SQLite: row numbers up to here are ours
	commits  int64       // PostgreSQL: transactions of all replicas so far
}

func (s *state) clone() state { return state{s.edge.Clone(), s.reserved, s.commits} }

// A session is the connection that writes, and what differs between the engines in how a transaction goes. A closure
// runs between mark and keep or undo.
type session interface {
	conn
	// load reads back what the writer keeps in memory.
	load(w *writer) error
	// begin opens a transaction that sees all earlier ones, of other replicas too, and is alone until its end.
	begin(w *writer) error
	mark(w *writer) error
	keep(w *writer) error
	undo(w *writer) error
	// commit makes the transaction durable. It reports false when there was nothing to keep. An error means that
	// nothing was kept, or, wrapping errUnknown, that nobody knows.
	commit(w *writer) (changed bool, err error)
	rollback(w *writer) error
	nextSeq(w *writer) (int64, error)
	// guarded is exec of a statement that may break a constraint and leaves the transaction usable then.
	guarded(query string, args ...any) (changed int64, err error)
	harm(err error) harm
}

// A harm is how much a statement's error took with it.
type harm int

const (
	harmless    harm = iota // the statement
	harmClosure             // the closure
	harmBatch               // perhaps the whole transaction
)

// write is the writing goroutine. A closure that ends its goroutine, as testing.T.FailNow does, takes the loop with it;
// its batch is then given up and the loop starts again.
func (s *Store) write() {
	for {
		ended := make(chan bool, 1)
		go func() {
			closed := false
			defer func() { ended <- closed }()
			s.writeLoop()
			closed = true
		}()
		if <-ended {
			return
		}
		s.abort(errExit)
		<-s.turn
	}
}

var errExit = fmt.Errorf("%w: a closure ended its goroutine; nothing was kept", writ.ErrUnavailable)

func (s *Store) writeLoop() {
	for first := range s.queue {
		s.turn <- struct{}{}
		batch := []*request{first}
	fill:
		for len(batch) < maxBatch {
			select {
			case r, ok := <-s.queue:
				if !ok {
					break fill
				}
				batch = append(batch, r)
			default:
				break fill
			}
		}
		s.commit(batch)
		<-s.turn
	}
}

// commitAlone commits one closure on its caller's goroutine, when nobody else writes or waits and the last one was alone too: handing it over
// would cost more than beginning does. When the load grows, they queue, and are committed together. It reports whether it did.
func (s *Store) commitAlone(r *request) bool {
	if !s.lone.Load() || len(s.queue) > 0 {
		return false
	}
	select {
	case s.turn <- struct{}{}:
	default:
		return false
	}
	ended := false
	defer func() {
		if !ended { // with its goroutine, as testing.T.FailNow does
			s.abort(errExit)
		}
		<-s.turn
	}()
	s.commit([]*request{r})
	ended = true
	return true
}

// commit runs the batch in one transaction and tells every caller how it ended.
func (s *Store) commit(batch []*request) {
	w := s.writer
	w.batch = batch
	s.lone.Store(len(batch) == 1)
	note := s.unkept()
	changed, err := w.run(note)
	if err != nil {
		s.abort(err)
		return
	}
	// Committed: durable from here.
	w.safe = w.state.clone()
	if changed {
		s.committed(w.state, note)
	}
	w.answer(nil)
}

// abort rolls the batch back. Callers whose closures had ended well learn here that nothing was kept.
func (s *Store) abort(err error) {
	w := s.writer
	if e := w.rollback(w); e != nil && w.spoilt == nil {
		s.log.Warn("roll back", "error", e) // the database has rolled back by itself, or the beginning failed
	}
	w.state = w.safe.clone()
	w.answer(err)
}

// answer tells every caller of the batch how it ended.
func (w *writer) answer(err error) {
	w.spoilt, w.broken, w.dirty = nil, nil, false
	if w.memory != nil {
		w.memory.over()
	}
	for _, r := range w.batch {
		if r.err == nil {
			r.err = err
		}
		close(r.done)
	}
	w.batch = nil
}

// run does everything up to and with the commit. On error the transaction is still open, or the database has ended it.
func (w *writer) run(note signed) (changed bool, err error) {
	if err := w.begin(w); err != nil {
		return false, err
	}
	for _, r := range w.batch {
		if r.err = r.ctx.Err(); r.err != nil {
			continue
		}
		if err := w.one(r); err != nil {
			return false, err
		}
	}
	if note.head.Size > 0 {
		if err := w.store(note); err != nil {
			return false, err
		}
	}
	fault.Before(fault.StoreCommit)
	if err := fault.Fail(fault.StoreCommit); err != nil {
		return false, kind(err)
	}
	defer fault.After(fault.StoreCommit)
	return w.commit(w)
}

// one runs a closure by itself: what it did is kept or undone as a whole. It returns an error only when the whole
// transaction is lost.
func (w *writer) one(r *request) error {
	before := w.state.clone()
	if err := w.mark(w); err != nil {
		return err
	}
	w.call(r)
	if w.spoilt != nil {
		return lost(w.spoilt)
	}
	if w.broken != nil && r.err == nil {
		r.err = w.broken
	}
	w.broken = nil
	if r.err == nil && r.panicked == nil {
		return w.keep(w)
	}
	w.state = before
	return w.undo(w)
}

func (w *writer) call(r *request) {
	tx := &Tx{conn: w.session, w: w}
	defer func() {
		tx.over = true
		if p := recover(); p != nil {
			r.panicked = p
		}
	}()
	r.err = r.fn(tx)
}

func lost(err error) error {
	if errors.Is(err, writ.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: nothing was kept: %w", writ.ErrUnavailable, err)
}

// wrote says that rows are about to be written.
func (w *writer) wrote(t Table, ids ...string) {
	if w.memory != nil {
		w.memory.wrote(t, ids...)
	}
}

// store stores a signed checkpoint.
func (w *writer) store(note signed) error {
	w.dirty = true
	_, err := w.exec("INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT DO NOTHING", note.head.Size, string(note.note))
	return err
}
