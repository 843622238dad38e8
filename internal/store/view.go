package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/writ-dev/writ"
)

// maxReaders bounds the snapshots that are open at once; more would only queue for the processors.
const maxReaders = 8

// A reader is a connection that cannot write. Statements outside of a snapshot each see the newest commit.
type reader interface {
	conn
	// ready makes the connection usable, or says why it is not.
	ready(ctx context.Context) error
	// done ends what ready has begun.
	done()
	// begin takes a snapshot and returns its number of entries.
	begin() (size int64, err error)
	// end lets the snapshot go.
	end() error
}

// readers lend out connections. The one that came back last goes out first: most of what it is asked for is prepared.
type readers struct {
	free   chan struct{} // one for each of idle
	mu     sync.Mutex
	idle   []reader // guarded by mu
	made   int
	closed chan struct{}
	after  func() error // closes what the connections share
}

func newReaders(make1 func() (reader, error), after func() error) (*readers, error) {
	r := &readers{free: make(chan struct{}, maxReaders), closed: make(chan struct{}), after: after}
	for range maxReaders {
		c, err := make1()
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.made++
		r.put(c)
	}
	return r, nil
}

func (r *readers) put(c reader) {
	r.mu.Lock()
	r.idle = append(r.idle, c)
	r.mu.Unlock()
	r.free <- struct{}{}
}

// take is for whoever has received from free.
func (r *readers) take() reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.idle) - 1
	c := r.idle[last]
	r.idle = r.idle[:last]
	return c
}

// newLiteReaders opens connections to a SQLite file. They set nothing that would have the schema read before it is needed.
func newLiteReaders(ctx context.Context, path string, note func(string)) (*readers, error) {
	db, err := dial(path, "query_only(1)")
	if err != nil {
		return nil, err
	}
	return newReaders(func() (reader, error) {
		c, err := newConn(ctx, db, note)
		return liteReader{c}, err
	}, db.Close)
}

// with lends a connection to fn once one is free.
func (r *readers) with(ctx context.Context, fn func(conn) error) error {
	return r.lend(ctx, func(c reader) error { return fn(c) })
}

func (r *readers) lend(ctx context.Context, fn func(reader) error) error {
	if err := r.open(); err != nil {
		return err
	}
	select {
	case <-r.free:
		c := r.take()
		defer r.put(c)
		if err := c.ready(ctx); err != nil {
			return err
		}
		defer c.done()
		return fn(c)
	case <-r.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *readers) view(ctx context.Context, fn func(*Tx) error) error {
	return r.lend(ctx, func(c reader) (err error) {
		size, err := c.begin()
		if err != nil {
			return fmt.Errorf("%w: snapshot: %w", writ.ErrUnavailable, err)
		}
		defer func() {
			if e := c.end(); e != nil && err == nil {
				err = e
			}
		}()
		tx := &Tx{conn: c, size: size}
		defer func() { tx.over = true }()
		return fn(tx)
	})
}

// open refuses what comes after close.
func (r *readers) open() error {
	select {
	case <-r.closed:
		return errClosed
	default:
		return nil
	}
}

// close waits for the views that are running.
func (r *readers) close() error {
	close(r.closed)
	var errs []error
	for range r.made {
		<-r.free
		errs = append(errs, r.take().close())
	}
	return errors.Join(append(errs, r.after())...)
}

// A liteReader is a connection to SQLite with query_only set.
type liteReader struct{ *liteConn }

func (liteReader) ready(context.Context) error { return nil }
func (liteReader) done()                       {}

func (c liteReader) begin() (size int64, err error) {
	if _, err := c.exec("BEGIN"); err != nil {
		return 0, err
	}
	if size, err = c.size(); err != nil { // the first read takes the snapshot
		return 0, errors.Join(err, c.end())
	}
	return size, nil
}

func (c liteReader) end() error {
	_, err := c.exec("ROLLBACK")
	return err
}
