package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

// Channels of LISTEN and NOTIFY.
const (
	commitChannel = "writ_commit" // how many transactions there have been
	signedChannel = "writ_signed" // a signed checkpoint
	askChannel    = "writ_ask"    // a replica begins to listen, and knows a checkpoint of this size
)

// resolveLimit bounds how long a commit whose connection was lost is asked after.
const resolveLimit = 15 * time.Second

// maxFold is how many new hashes of other replicas are folded into the remembered tree; beyond, it is read anew.
const maxFold = 1000

// errUnknown says that the connection was lost in a commit and the server cannot be asked how it ended.
var errUnknown = fmt.Errorf("%w: the database went away in a commit, which may or may not have happened; it is safe to ask again", writ.ErrUnavailable)

// A pgSession is the connection that writes to PostgreSQL. Each transaction first takes the one row of tree_head FOR
// UPDATE: only then does it look at anything, so its statements, each with a snapshot of its own under READ COMMITTED,
// see whatever the transactions before it did, on whichever replica, and nobody else writes until it ends. Sizes,
// indexes and row numbers come from that row.
type pgSession struct {
	*pgConn
	xid    string // of the open transaction
	marked bool   // the savepoint of the last closure stands
	over   bool   // the transaction was rolled back because its only closure failed
}

func newPGSession(c *pgx.ConnConfig, losses *atomic.Int64, note func(string)) *pgSession {
	return &pgSession{pgConn: newPGConn(with(c, map[string]string{
		"idle_in_transaction_session_timeout": millisText(stallLimit),
		"lock_timeout":                        millisText(lockLimit),
		"statement_timeout":                   millisText(workLimit),
	}), losses, note)}
}

// claim makes the row of the tree's head in a new database, or checks whose ledger it is.
func (s *pgSession) claim(ctx context.Context, origin string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	defer s.done()
	_, err := s.exec("INSERT INTO tree_head (one, origin, size, root, seq, commits) VALUES (1, ?, 0, ?, 0, 0) ON CONFLICT DO NOTHING", origin, ledger.EmptyRoot().Bytes())
	if err != nil {
		return err
	}
	var there string
	if err := s.query("SELECT origin FROM tree_head", func(r row) error { return r.Scan(&there) }); err != nil {
		return err
	}
	if there != origin {
		return foreign(s.config, there, origin)
	}
	return nil
}

// load reads the tree. Later transactions bring it up to date.
func (s *pgSession) load(w *writer) error {
	if err := s.ready(context.Background()); err != nil {
		return err
	}
	defer s.done()
	now, err := readHead(s)
	if err != nil {
		return err
	}
	if w.edge, err = ledger.LoadEdge(now.Size, nodes{s}); err != nil {
		return unread(err)
	}
	if !w.edge.Head().Equal(now.Head) {
		return forked("the entries lead to another root at size %d than the row of the tree's head", now.Size)
	}
	w.commits = now.commits
	w.safe = w.state.clone()
	return nil
}

// A headRow is the row of the tree's head.
type headRow struct {
	ledger.Head
	commits int64
}

func readHead(c conn) (h headRow, err error) {
	found := false
	err = c.query("SELECT size, root, commits FROM tree_head", func(r row) error {
		found = true
		var root []byte
		if err := r.Scan(&h.Size, &root, &h.commits); err != nil {
			return err
		}
		return h.setRoot(root)
	})
	if err == nil && !found {
		err = errNoHead
	}
	return h, err
}

func (h *headRow) setRoot(b []byte) (err error) {
	h.Root, err = digestOf(b)
	return err
}

// digestOf reads a stored hash.
func digestOf(b []byte) (writ.Digest, error) {
	return writ.ParseDigest("sha256:" + hex.EncodeToString(b))
}

func (s *pgSession) begin(w *writer) error {
	s.marked, s.over = false, false
	if err := s.ready(context.Background()); err != nil {
		return err
	}
	now, seq, err := s.lock()
	if err != nil && s.lost() { // it died while it rested, and nothing has run yet
		if e := s.connect(); e != nil {
			return e
		}
		now, seq, err = s.lock()
	}
	if err != nil {
		return err
	}
	w.seq = seq
	return s.catchUp(w, now)
}

// lock opens the transaction and waits for the row, in one round trip.
func (s *pgSession) lock() (now headRow, seq int64, err error) {
	var b pgx.Batch
	var root []byte
	b.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	b.Queue("SELECT size, root, seq, commits, pg_current_xact_id()::text FROM tree_head FOR UPDATE")
	got := s.c.SendBatch(s.ctx, &b)
	if _, err = got.Exec(); err == nil {
		err = got.QueryRow().Scan(&now.Size, &root, &seq, &now.commits, &s.xid)
	}
	if err = errors.Join(err, got.Close()); errors.Is(err, pgx.ErrNoRows) {
		return now, 0, errNoHead
	} else if err != nil {
		return now, 0, pgKind(err)
	}
	return now, seq, now.setRoot(root)
}

// catchUp brings the remembered tree to what other replicas have made of it, and checks that they only added to it: a
// database that was restored, or failed over to a copy that lagged, is refused here.
func (s *pgSession) catchUp(w *writer, now headRow) error {
	from := w.edge.Size()
	switch {
	case now.Size < from || now.commits < w.commits:
		return forked("the database holds %d entries after %d commits; this process has seen %d after %d: it is an older copy", now.Size, now.commits, from, w.commits)
	case now.Size-from > maxFold:
		old, err := ledger.RootAt(from, nodes{s})
		if errors.Is(err, writ.ErrUnavailable) {
			return err
		}
		if from > 0 && (err != nil || !old.Equal(w.edge.Head())) {
			return forked("at size %d the database has another root than this process has seen", from)
		}
		if w.edge, err = ledger.LoadEdge(now.Size, nodes{s}); err != nil {
			return unread(err)
		}
	case now.Size > from:
		err := s.query("SELECT hash FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx", func(r row) error {
			var b []byte
			if err := r.Scan(&b); err != nil {
				return err
			}
			h, err := digestOf(b)
			if err == nil {
				w.edge.Append(h)
			}
			return err
		}, from, now.Size)
		if err != nil {
			return err
		}
	}
	if !w.edge.Head().Equal(now.Head) {
		return forked("the entries lead to another root at size %d than the row of the tree's head", now.Size)
	}
	w.commits = now.commits
	w.safe = w.state.clone() // all of this is committed
	return nil
}

// alone reports whether the transaction is for one closure only, which needs no savepoint.
func (w *writer) alone() bool { return len(w.batch) == 1 }

func (s *pgSession) mark(w *writer) error {
	if w.alone() {
		return nil
	}
	if s.marked {
		return s.run("RELEASE one; SAVEPOINT one")
	}
	s.marked = true
	return s.run("SAVEPOINT one")
}

func (s *pgSession) keep(*writer) error { return nil } // the next mark, or the commit, releases the savepoint

func (s *pgSession) undo(w *writer) error {
	if w.alone() {
		s.over = true
		return s.run("ROLLBACK")
	}
	return s.run("ROLLBACK TO one")
}

func (s *pgSession) rollback(*writer) error {
	defer s.done()
	if s.lost() || s.c.PgConn().TxStatus() == 'I' {
		return nil
	}
	err := s.run("ROLLBACK")
	if err != nil {
		s.drop()
	}
	return err
}

// commit writes the head and commits in one round trip.
func (s *pgSession) commit(w *writer) (changed bool, err error) {
	if s.over || !w.dirty {
		return false, s.rollback(w)
	}
	head, number, mark := w.edge.Head(), w.commits+1, rand.Text()
	var b pgx.Batch
	b.Queue("UPDATE tree_head SET size = $1, root = $2, seq = $3, commits = $4", head.Size, head.Root.Bytes(), w.seq, number)
	b.Queue("INSERT INTO commit_mark (commits, mark) VALUES ($1, $2)", number, mark)
	b.Queue("DELETE FROM commit_mark WHERE commits <= $1", number-keepMarks)
	b.Queue("SELECT pg_notify('"+commitChannel+"', $1)", fmt.Sprint(number))
	b.Queue("COMMIT")
	got := s.c.SendBatch(s.ctx, &b)
	var tag string
	for range b.Len() {
		t, e := got.Exec()
		if err = e; err != nil {
			break
		}
		tag = t.String()
	}
	err = errors.Join(err, got.Close())
	switch {
	case err == nil && tag == "COMMIT":
	case err == nil:
		return false, fmt.Errorf("%w: the database rolled back; nothing was kept", writ.ErrUnavailable)
	case !s.lost():
		return false, pgKind(err)
	default:
		if err := s.resolve(number, mark); err != nil {
			return false, err
		}
	}
	// Committed: durable from here.
	s.done()
	w.commits++
	return true, nil
}

// keepMarks is how many transactions are remembered by their marks: far more than replicas commit within resolveLimit.
const keepMarks = 100_000

// resolve asks, on a new connection, how commit number of this ledger ended, whose connection was lost: when the
// transaction is not under way any more, it has committed if its mark stands there. What PostgreSQL itself says of the
// transaction's number is believed only as long as it is under way, since a crash lets numbers be given out again.
func (s *pgSession) resolve(number int64, mark string) error {
	ctx, cancel := context.WithTimeout(context.Background(), resolveLimit)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		there, newest, err := s.markOf(ctx, number)
		switch {
		case err != nil: // it cannot be reached, or is still at it
		case there == mark:
			return nil
		case there == "" && newest > number: // forgotten
			return errUnknown
		default:
			return fmt.Errorf("%w: the database went away before the commit; nothing was kept", writ.ErrUnavailable)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errUnknown
		}
	}
}

// errUnderWay says that the lost transaction has not ended yet.
var errUnderWay = errors.New("the transaction is under way")

// markOf returns the mark of a commit, empty if there is none, and the number of the newest one.
func (s *pgSession) markOf(ctx context.Context, number int64) (mark string, newest int64, err error) {
	c, err := connectPG(ctx, s.config)
	if err != nil {
		return "", 0, err
	}
	defer c.Close(context.Background())
	var status string
	err = c.QueryRow(ctx, "SELECT COALESCE(pg_xact_status($1::text::xid8), '')", s.xid).Scan(&status)
	var of *pgconn.PgError
	switch {
	case errors.As(err, &of): // a number that was not given out yet: the server has crashed since, and the transaction with it
	case err != nil:
		return "", 0, err
	case status == "in progress":
		return "", 0, errUnderWay
	}
	err = c.QueryRow(ctx, "SELECT COALESCE((SELECT mark FROM commit_mark WHERE commits = $1), ''), commits FROM tree_head", number).Scan(&mark, &newest)
	return mark, newest, err
}

func (s *pgSession) nextSeq(w *writer) (int64, error) {
	w.seq++
	return w.seq, nil
}

// guarded runs a statement between a savepoint and its release, in one round trip.
func (s *pgSession) guarded(query string, args ...any) (changed int64, err error) {
	if err := s.there(); err != nil {
		return 0, err
	}
	var b pgx.Batch
	b.Queue("SAVEPOINT statement")
	b.Queue(s.text(query), args...)
	b.Queue("RELEASE statement")
	got := s.c.SendBatch(s.ctx, &b)
	for i := range 3 {
		t, e := got.Exec()
		if err = e; err != nil {
			break
		}
		if i == 1 {
			changed = t.RowsAffected()
		}
	}
	if err = pgKind(errors.Join(err, got.Close())); errors.Is(err, writ.ErrConflict) || errors.Is(err, writ.ErrInvalid) {
		if e := s.run("ROLLBACK TO statement; RELEASE statement"); e != nil {
			return 0, e
		}
	}
	return changed, err
}

func (s *pgSession) harm(err error) harm {
	switch {
	case s.lost():
		return harmBatch
	case s.c.PgConn().TxStatus() == 'T':
		return harmless
	case errors.Is(err, writ.ErrConflict), errors.Is(err, writ.ErrInvalid):
		return harmClosure
	}
	return harmBatch
}
