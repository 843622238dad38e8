package store

import (
	"context"
	"database/sql"
	"errors"
)

// A conn is one connection with its prepared statements. The texts come from a small set, so all are kept. It belongs
// to one goroutine at a time. Statements run to their end: a cancelled one would take its transaction with it.
type conn struct {
	c     *sql.Conn
	stmts map[string]*sql.Stmt
}

func newConn(ctx context.Context, db *sql.DB) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, kind(err)
	}
	return &conn{c, map[string]*sql.Stmt{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

func (c *conn) stmt(query string) (*sql.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, kind(err)
	}
	c.stmts[query] = s
	return s, nil
}

func (c *conn) exec(query string, args ...any) (changed int64, err error) {
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

// query calls each for every row.
func (c *conn) query(query string, each func(*sql.Rows) error, args ...any) error {
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

// size returns the number of entries.
func (c *conn) size() (size int64, err error) {
	err = c.query("SELECT COALESCE(MAX(idx) + 1, 0) FROM entry", func(r *sql.Rows) error { return r.Scan(&size) })
	return size, err
}
