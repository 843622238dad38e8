package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
)

// maxReaders bounds the snapshots that are open at once; more would only queue for the processors.
const maxReaders = 8

// readers are connections that cannot write.
type readers struct {
	db     *sql.DB
	free   chan *conn
	made   int
	closed chan struct{}
}

func newReaders(ctx context.Context, path string) (*readers, error) {
	db, err := open(path, "query_only(1)")
	if err != nil {
		return nil, err
	}
	r := &readers{db: db, free: make(chan *conn, maxReaders), closed: make(chan struct{})}
	for range maxReaders {
		c, err := newConn(ctx, db)
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.made++
		r.free <- c
	}
	return r, nil
}

// with lends a connection to fn once one is free.
func (r *readers) with(ctx context.Context, fn func(*conn) error) error {
	select {
	case <-r.closed:
		return errClosed
	default:
	}
	select {
	case c := <-r.free:
		defer func() { r.free <- c }()
		return fn(c)
	case <-r.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *readers) view(ctx context.Context, fn func(*Tx) error) error {
	return r.with(ctx, func(c *conn) (err error) {
		if _, err := c.exec("BEGIN"); err != nil {
			return err
		}
		defer func() {
			if _, e := c.exec("ROLLBACK"); e != nil && err == nil {
				err = e
			}
		}()
		tx := &Tx{conn: c}
		defer func() { tx.over = true }()
		if tx.size, err = c.size(); err != nil { // the first read takes the snapshot
			return fmt.Errorf("%w: snapshot: %w", writ.ErrUnavailable, err)
		}
		return fn(tx)
	})
}

// close waits for the views that are running.
func (r *readers) close() error {
	close(r.closed)
	var errs []error
	for range r.made {
		errs = append(errs, (<-r.free).close())
	}
	return errors.Join(append(errs, r.db.Close())...)
}
