package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/writ-dev/writ"
)

// A pgConn is a connection to PostgreSQL that is made when it is needed, and made again when it was lost.
type pgConn struct {
	config *pgx.ConnConfig
	c      *pgx.Conn // nil before the first use, and after a loss
	used   time.Time
	losses *atomic.Int64   // of all connections to this server
	seen   int64           // losses when this one last proved that it lives
	ctx    context.Context // of what is under way
	cancel context.CancelFunc
	texts  map[string]string  // rewritten statements
	note   func(query string) // Config.Prepared
}

func newPGConn(c *pgx.ConnConfig, losses *atomic.Int64, note func(string)) *pgConn {
	return &pgConn{config: c, losses: losses, ctx: context.Background(), cancel: func() {}, texts: map[string]string{}, note: note}
}

// ready begins a piece of work of at most workLimit on a connection that lives: one that has rested, or that may have gone
// with another that was lost since, is asked first. ctx does not end the work: a statement that is cancelled takes the
// connection with it.
func (c *pgConn) ready(ctx context.Context) error {
	c.ctx, c.cancel = context.WithTimeout(context.WithoutCancel(ctx), workLimit)
	losses := c.losses.Load()
	if !c.lost() && (time.Since(c.used) > idleAfter || c.seen != losses) && c.c.PgConn().Ping(c.ctx) != nil {
		c.losses.Add(1)
		c.drop()
	}
	c.seen = losses
	if err := c.connect(); err != nil {
		c.done()
		return err
	}
	return nil
}

// done ends it.
func (c *pgConn) done() {
	c.cancel()
	c.ctx, c.cancel, c.used = context.Background(), func() {}, time.Now()
}

func (c *pgConn) connect() (err error) {
	if !c.lost() {
		return nil
	}
	if c.c != nil {
		c.losses.Add(1)
	}
	c.drop()
	c.c, err = connectPG(c.ctx, c.config)
	return err
}

func (c *pgConn) lost() bool { return c.c == nil || c.c.IsClosed() }

// drop closes the connection at once; what it had not committed is gone.
func (c *pgConn) drop() {
	if c.c == nil {
		return
	}
	now, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.c.Close(now)
	c.c = nil
}

func (c *pgConn) close() error {
	c.drop()
	return nil
}

func (c *pgConn) text(query string) string {
	t, ok := c.texts[query]
	if !ok {
		t = numbered(query)
		c.texts[query] = t
		c.note(t)
	}
	return t
}

func (c *pgConn) exec(query string, args ...any) (changed int64, err error) {
	if err := c.there(); err != nil {
		return 0, err
	}
	tag, err := c.c.Exec(c.ctx, c.text(query), args...)
	return tag.RowsAffected(), pgKind(err)
}

func (c *pgConn) query(query string, each func(row) error, args ...any) error {
	if err := c.there(); err != nil {
		return err
	}
	rows, err := c.c.Query(c.ctx, c.text(query), args...)
	if err != nil {
		return pgKind(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return pgKind(rows.Err())
}

var errGone = errors.New("the connection was lost")

func (c *pgConn) there() error {
	if c.c == nil {
		return pgKind(errGone)
	}
	return nil
}

// run sends statements without arguments in one round trip.
func (c *pgConn) run(statements string) error {
	if err := c.there(); err != nil {
		return err
	}
	_, err := c.c.PgConn().Exec(c.ctx, statements).ReadAll()
	return pgKind(err)
}

func (c *pgConn) size() (size int64, err error) {
	size = -1
	err = c.query("SELECT size FROM tree_head", func(r row) error { return r.Scan(&size) })
	if err == nil && size < 0 {
		err = errNoHead
	}
	return size, err
}

var errNoHead = writ.Refuse(writ.ReasonLedgerFork, "the database has lost the row of the tree's head")

// A pgReader is a connection whose snapshots are read-only.
type pgReader struct{ *pgConn }

// begin takes the snapshot and its size in one round trip. A connection that turns out to be dead is made again, once:
// nothing has been read yet.
func (c pgReader) begin() (size int64, err error) {
	for again := range 2 {
		if again > 0 {
			if err := c.connect(); err != nil {
				return 0, err
			}
		}
		var b pgx.Batch
		b.Queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
		b.Queue("SELECT size FROM tree_head")
		got := c.c.SendBatch(c.ctx, &b)
		_, err = got.Exec()
		if err == nil {
			err = got.QueryRow().Scan(&size)
		}
		err = errors.Join(err, got.Close())
		if err == nil {
			return size, nil
		}
		if !c.lost() {
			c.drop()
			break
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, errNoHead
	}
	return 0, pgKind(err)
}

func (c pgReader) end() error {
	if c.lost() {
		return nil // and so is the snapshot
	}
	return c.run("ROLLBACK")
}
