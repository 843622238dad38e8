package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// maxBatch bounds one commit: beyond it the fsync costs little beside the statements, and the wait grows.
const maxBatch = 256

// seqBlock is how many row numbers are taken from the counter at once; a crash leaves a gap of at most this.
const seqBlock = 1 << 16

// A request is one closure on its way through the writer.
type request struct {
	ctx      context.Context
	fn       func(*Tx) error
	err      error
	panicked any
	done     chan struct{}
}

// A writer is the one connection that writes. After Open it belongs to the write goroutine, and after that to Close.
type writer struct {
	db   *sql.DB
	conn *conn
	state
	safe   state      // as of the last commit
	seq    int64      // last row number given out, kept or not
	batch  []*request // being committed
	spoilt error      // SQLite may have rolled the open transaction back
}

// A state is what the writer knows of the open transaction without asking the database.
type state struct {
	edge     ledger.Edge // of the tree
	reserved int64       // row numbers up to here are ours
}

func (s *state) clone() state { return state{s.edge.Clone(), s.reserved} }

func newWriter(ctx context.Context, path string, maxPages int64) (*writer, error) {
	// A background goroutine moves the write-ahead log into the file; this threshold is for when it falls behind.
	db, err := open(path, "wal_autocheckpoint(16000)", "cache_size(-16000)", "temp_store(memory)")
	if err != nil {
		return nil, err
	}
	c, err := newConn(ctx, db)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &writer{db: db, conn: c}
	if err := checkDurable(ctx, c.c); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if maxPages > 0 {
		if _, err := c.c.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", maxPages)); err != nil {
			return nil, errors.Join(kind(err), w.close())
		}
	}
	return w, w.load()
}

// load reads back what the writer keeps in memory.
func (w *writer) load() error {
	size, err := w.conn.size()
	if err != nil {
		return err
	}
	if w.edge, err = ledger.LoadEdge(size, nodes{w.conn}); err != nil {
		return fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	err = w.conn.query("SELECT value FROM counter WHERE name = 'seq'", func(r *sql.Rows) error { return r.Scan(&w.reserved) })
	w.seq, w.safe = w.reserved, w.state.clone()
	return err
}

func (w *writer) close() error { return errors.Join(w.conn.close(), w.db.Close()) }

func (w *writer) nextSeq() (int64, error) {
	if w.seq >= w.reserved {
		if _, err := w.conn.exec("UPDATE counter SET value = ? WHERE name = 'seq'", w.seq+seqBlock); err != nil {
			return 0, err
		}
		w.reserved = w.seq + seqBlock
	}
	w.seq++
	return w.seq, nil
}

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
	}
}

var errExit = fmt.Errorf("%w: a closure ended its goroutine; nothing was kept", writ.ErrUnavailable)

func (s *Store) writeLoop() {
	for first := range s.queue {
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
	}
}

// commit runs the batch in one transaction and tells every caller how it ended.
func (s *Store) commit(batch []*request) {
	w := s.writer
	w.batch = batch
	note := s.unkept()
	if err := w.run(note); err != nil {
		s.abort(err)
		return
	}
	// Committed: durable from here.
	w.safe = w.state.clone()
	s.committed(w.state.edge.Head(), note)
	w.answer(nil)
}

// abort rolls the batch back. Callers whose closures had ended well learn here that nothing was kept.
func (s *Store) abort(err error) {
	w := s.writer
	if _, e := w.conn.exec("ROLLBACK"); e != nil && w.spoilt == nil {
		s.log.Warn("roll back", "error", e) // SQLite has rolled back by itself, or BEGIN failed
	}
	w.state = w.safe.clone()
	w.answer(err)
}

// answer tells every caller of the batch how it ended.
func (w *writer) answer(err error) {
	w.spoilt = nil
	for _, r := range w.batch {
		if r.err == nil {
			r.err = err
		}
		close(r.done)
	}
	w.batch = nil
}

// run does everything up to and with the COMMIT. On error the transaction is still open, or SQLite has ended it.
func (w *writer) run(note signed) error {
	if _, err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, r := range w.batch {
		if r.err = r.ctx.Err(); r.err != nil {
			continue
		}
		if err := w.one(r); err != nil {
			return err
		}
	}
	if note.head.Size > 0 {
		if err := w.keep(note); err != nil {
			return err
		}
	}
	_, err := w.conn.exec("COMMIT")
	return err
}

// one runs a closure in a savepoint. It returns an error only when the whole transaction is lost.
func (w *writer) one(r *request) error {
	before := w.state.clone()
	if _, err := w.conn.exec("SAVEPOINT one"); err != nil {
		return err
	}
	w.call(r)
	if w.spoilt != nil {
		return lost(w.spoilt)
	}
	if r.err == nil && r.panicked == nil {
		_, err := w.conn.exec("RELEASE one")
		return err
	}
	w.state = before
	if _, err := w.conn.exec("ROLLBACK TO one"); err != nil {
		return err
	}
	_, err := w.conn.exec("RELEASE one")
	return err
}

func (w *writer) call(r *request) {
	tx := &Tx{conn: w.conn, w: w}
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

// keep stores a signed checkpoint.
func (w *writer) keep(note signed) error {
	_, err := w.conn.exec("INSERT INTO checkpoint (size, note) VALUES (?, ?) ON CONFLICT DO NOTHING", note.head.Size, string(note.note))
	return err
}
