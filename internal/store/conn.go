package store

import (
	"context"
	"database/sql"
	"errors"
)

// A conn is one connection of either engine. It belongs to one goroutine at a time. Placeholders are question marks.
type conn interface {
	exec(query string, args ...any) (changed int64, err error)
	// query calls each for every row.
	query(query string, each func(row) error, args ...any) error
	// size returns the number of entries.
	size() (int64, error)
	close() error
}

// A row is the current row of a query.
type row interface{ Scan(dest ...any) error }

// A liteConn is a connection to SQLite with its prepared statements. The texts come from a small set, so all are kept.
// Statements run to their end: a cancelled one would take its transaction with it.
type liteConn struct {
	c     *sql.Conn
	stmts map[string]*sql.Stmt
	note  func(query string) // Config.Prepared
}

func newConn(ctx context.Context, db *sql.DB, note func(string)) (*liteConn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, kind(err)
	}
	return &liteConn{c, map[string]*sql.Stmt{}, note}, nil
}

func (c *liteConn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

func (c *liteConn) stmt(query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, kind(err)
	}
	c.stmts[query] = s
	c.note(query)
	return s, nil
}

func (c *liteConn) exec(query string, args ...any) (changed int64, err error) {
	s, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return 0, kind(err)
	}
	return r.RowsAffected()
}

func (c *liteConn) query(query string, each func(row) error, args ...any) error {
	s, err := c.stmt(query)
	if err != nil {
		return err
	}
	rows, err := s.Query(args...)
	if err != nil {
		return kind(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return kind(err)
		}
	}
	return kind(rows.Err())
}

func (c *liteConn) size() (size int64, err error) {
	err = c.query("SELECT COALESCE(MAX(idx) + 1, 0) FROM entry", func(r row) error { return r.Scan(&size) })
	return size, err
}
