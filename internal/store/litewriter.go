package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// seqBlock is how many row numbers are taken from the counter at once; a crash leaves a gap of at most this.
const seqBlock = 1 << 16

// A liteSession is the one connection that writes to a SQLite file. The file's lock keeps other processes out, so what
// the writer remembers of the last commit is true.
type liteSession struct {
	*liteConn
	db   *sql.DB
	over bool // the transaction was rolled back because its only closure failed
}

func newLiteSession(ctx context.Context, path string, maxPages int64, ahead bool, note func(string)) (*liteSession, error) {
	// A background goroutine moves the write-ahead log into the file; this threshold is for when it falls behind.
	db, err := open(path, fmt.Sprintf("wal_autocheckpoint(%d)", walPages), "cache_size(-16000)", "temp_store(memory)")
	if err != nil {
		return nil, err
	}
	c, err := newConn(ctx, db, note)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s := &liteSession{liteConn: c, db: db}
	if err := checkDurable(ctx, c.c); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if ahead {
		if err := prewrite(ctx, c.c, path+"-wal"); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	if maxPages > 0 {
		if _, err := c.c.ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", maxPages)); err != nil {
			return nil, errors.Join(kind(err), s.close())
		}
	}
	return s, nil
}

func (s *liteSession) close() error { return errors.Join(s.liteConn.close(), s.db.Close()) }

func (s *liteSession) load(w *writer) error {
	size, err := s.size()
	if err != nil {
		return err
	}
	if w.edge, err = ledger.LoadEdge(size, nodes{s}); err != nil {
		return fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	err = s.query("SELECT value FROM counter WHERE name = 'seq'", func(r row) error { return r.Scan(&w.reserved) })
	w.seq, w.safe = w.reserved, w.state.clone()
	return err
}

func (s *liteSession) begin(*writer) error {
	s.over = false
	return s.run("BEGIN IMMEDIATE")
}

// mark makes a savepoint: with one, SQLite keeps a copy of each page that changes.
func (s *liteSession) mark(w *writer) error {
	if w.alone() {
		return nil
	}
	return s.run("SAVEPOINT one")
}

func (s *liteSession) keep(w *writer) error {
	if w.alone() {
		return nil
	}
	return s.run("RELEASE one")
}

func (s *liteSession) undo(w *writer) error {
	if w.alone() {
		s.over = true
		return s.run("ROLLBACK")
	}
	if err := s.run("ROLLBACK TO one"); err != nil {
		return err
	}
	return s.run("RELEASE one")
}

func (s *liteSession) commit(*writer) (bool, error) {
	if s.over {
		return false, nil
	}
	return true, s.run("COMMIT")
}

func (s *liteSession) rollback(*writer) error {
	if s.over {
		return nil
	}
	return s.run("ROLLBACK")
}

func (s *liteSession) run(statement string) error {
	_, err := s.exec(statement)
	return err
}

func (s *liteSession) nextSeq(w *writer) (int64, error) {
	if w.seq >= w.reserved {
		if _, err := s.exec("UPDATE counter SET value = ? WHERE name = 'seq'", w.seq+seqBlock); err != nil {
			return 0, err
		}
		w.reserved = w.seq + seqBlock
	}
	w.seq++
	return w.seq, nil
}

func (s *liteSession) guarded(query string, args ...any) (int64, error) {
	return s.exec(query, args...)
}

func (s *liteSession) harm(err error) harm {
	if spoils(err) {
		return harmBatch
	}
	return harmless
}
