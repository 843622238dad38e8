// Package journal is a runner's own write-ahead journal: one SQLite file that outlives the process and says what the
// runner promised, spent, began, minted and still owes.
//
// Every method that writes returns only after the change is on disk (WAL with synchronous=FULL, read back when the
// file is opened), and either all of it is or none. A file that was cut in the middle of a write is repaired to the
// last whole transaction when it is opened; a file that is damaged otherwise is refused. One process holds the file
// at a time. All methods are safe for concurrent use; writes go one after another.
//
// The file holds pre-images, request bodies and, while a lease lives, the handle that revokes it, so it is readable
// by its owner alone. Losing it, or putting an old copy back, loses the memory of spent grants: a runner whose file
// was lost must not be started again before the longest grant life is over.
package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver; pure Go

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// ErrHeld says that another process has the journal open.
var ErrHeld = errors.New("journal: another process holds it; one runner has one journal")

// ErrDamaged says that the file is not a whole journal. Nothing in it may be trusted: a person decides.
var ErrDamaged = errors.New("journal: the file is damaged")

// A Journal is one open file.
type Journal struct {
	db   *sql.DB
	turn chan struct{} // held by whoever commits

	commits atomic.Int64 // how many there have been

	mu      sync.Mutex
	waiting []*change // guarded by mu

	asked sync.Map // text -> *sql.Stmt, until the file is closed
}

// schemaVersion is stored in the file; a newer file is refused, an older one is brought up by upgrades.
const schemaVersion = 3

// upgrades bring a file of the version that is their index to the next one.
var upgrades = [schemaVersion]string{
	1: `ALTER TABLE lease ADD COLUMN begun BIGINT; UPDATE lease SET begun = made;`, // every row meant that minting had begun
	2: `ALTER TABLE run ADD COLUMN authority BLOB;`,                                // runs that were begun before have none, and get no receipt
}

const schema = `
CREATE TABLE mark (name TEXT PRIMARY KEY, value BIGINT NOT NULL, bytes BLOB);
CREATE TABLE plan (id TEXT PRIMARY KEY, digest TEXT NOT NULL, bytes BLOB NOT NULL, prepared BLOB NOT NULL,
	scope TEXT NOT NULL, entry BLOB NOT NULL, not_after BIGINT NOT NULL);
CREATE INDEX plan_age ON plan (not_after);
CREATE TABLE spent (grant_id TEXT PRIMARY KEY, run TEXT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX spent_at ON spent (at);
CREATE TABLE proof (jti TEXT PRIMARY KEY, expires BIGINT NOT NULL);
CREATE INDEX proof_age ON proof (expires);
CREATE TABLE run (id TEXT PRIMARY KEY, assignment TEXT NOT NULL, grant_id TEXT NOT NULL, grant_leaf TEXT NOT NULL,
	plan TEXT NOT NULL, plan_digest TEXT NOT NULL, incident TEXT NOT NULL, log TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
	detail TEXT NOT NULL, applied BIGINT NOT NULL, undone BIGINT NOT NULL, unknown BIGINT NOT NULL,
	started BIGINT NOT NULL, ended BIGINT, authority BLOB);
CREATE INDEX run_open ON run (started) WHERE ended IS NULL;
CREATE INDEX run_ended ON run (ended) WHERE ended IS NOT NULL;
CREATE INDEX run_plan ON run (plan);
CREATE TABLE event (run TEXT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, step BIGINT NOT NULL,
	data BLOB, at BIGINT NOT NULL, PRIMARY KEY (run, seq));
CREATE TABLE outbox (run TEXT NOT NULL, seq BIGINT NOT NULL, hash TEXT NOT NULL, leaf BLOB NOT NULL, needs TEXT NOT NULL,
	state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'void')), PRIMARY KEY (run, seq));
CREATE INDEX outbox_hash ON outbox (run, hash);
CREATE INDEX outbox_waiting ON outbox (run, seq) WHERE state = 'waiting';
CREATE TABLE lease (id TEXT PRIMARY KEY, run TEXT NOT NULL, plan TEXT NOT NULL, target TEXT NOT NULL,
	name TEXT NOT NULL UNIQUE, entry TEXT NOT NULL, tier BIGINT NOT NULL, steps TEXT NOT NULL, undo BIGINT NOT NULL, ttl BIGINT NOT NULL, made BIGINT NOT NULL,
	expires BIGINT NOT NULL, handle BLOB, revoking BIGINT, revoked BIGINT, power_gone BIGINT, identity_gone BIGINT,
	probes BIGINT NOT NULL, begun BIGINT);
CREATE INDEX lease_alive ON lease (made) WHERE power_gone IS NULL OR identity_gone IS NULL;
CREATE INDEX lease_run ON lease (run);
`

// Open opens the journal at path, makes it if there is none, and checks it, a large one in part (maxChecked). It returns ErrHeld or ErrDamaged,
// wrapped, when those are the reason.
func Open(ctx context.Context, path string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(0)", "locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)",
	}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	db.SetMaxOpenConns(1) // the lock belongs to the connection, and one writer needs no more
	db.SetConnMaxLifetime(0)
	db.SetMaxIdleConns(1)
	j := &Journal{db: db, turn: make(chan struct{}, 1)}
	if err := j.prepare(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return j, nil
}

// Close lets go of the file.
func (j *Journal) Close() error { return j.db.Close() }

// prepare takes the lock, reads the settings back and checks the contents.
func (j *Journal) prepare(ctx context.Context) error {
	var mode, sync string
	if err := j.db.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return opening(err)
	}
	if err := j.db.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&sync); err != nil {
		return opening(err)
	}
	if mode != "wal" || sync != "2" {
		return fmt.Errorf("journal: the file system gives journal_mode=%s and synchronous=%s; wal and 2 are needed", mode, sync)
	}
	var pages int64
	if err := j.db.QueryRowContext(ctx, `PRAGMA page_count`).Scan(&pages); err != nil {
		return opening(err)
	}
	what := ""
	if pages > maxChecked {
		what = "mark"
	}
	if err := j.check(ctx, what); err != nil {
		return err
	}
	return j.write(ctx, fault.JournalOpen, func(tx *sql.Tx) error {
		var version, tables int
		if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table'`).Scan(&tables); err != nil {
			return err
		}
		switch {
		case version == schemaVersion:
			return nil
		case version == 0 && tables == 0:
			if _, err := tx.ExecContext(ctx, schema); err != nil {
				return err
			}
		case version < 1 || version > schemaVersion:
			return fmt.Errorf("%w: it has schema version %d; this program knows %d", ErrDamaged, version, schemaVersion)
		default:
			for _, up := range upgrades[version:] {
				if _, err := tx.ExecContext(ctx, up); err != nil {
					return err
				}
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, schemaVersion))
		return err
	})
}

// maxChecked is how many pages of 4 KiB a file may have to be checked as a whole when it is opened: 4 MiB, which takes some
// milliseconds and is two hundred runs. Of a larger one the pages of the marks are checked, by which a runner knows its
// place; all others when they are read, and by Check.
const maxChecked = 1 << 10

// check looks at the pages of one table, or of the whole file.
func (j *Journal) check(ctx context.Context, table string) error {
	pragma := `PRAGMA quick_check(1)`
	if table != "" {
		pragma = `PRAGMA quick_check(` + table + `)`
	}
	var found string
	if err := j.db.QueryRowContext(ctx, pragma).Scan(&found); err != nil {
		return opening(err)
	}
	if found != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, writ.Printable(found, 200))
	}
	return nil
}

// Check looks at every page of the journal at path, however large it is, and changes nothing, save that a file of an older
// version is brought up to this one's. It returns ErrHeld or ErrDamaged, wrapped, when those are the reason. Nobody writes
// meanwhile.
func Check(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j, err := Open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(j.check(ctx, ""), j.Close())
}

// query asks with a statement that is prepared once, as a runner asks the same few questions all the time, and preparing one costs more
// than its answer. The texts come from a small set.
func (j *Journal) query(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if s, ok := j.asked.Load(text); ok {
		return s.(*sql.Stmt).QueryContext(ctx, args...)
	}
	made, err := j.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s, others := j.asked.LoadOrStore(text, made)
	if others { // who asked the same at this moment
		if err := made.Close(); err != nil {
			return nil, err
		}
	}
	return s.(*sql.Stmt).QueryContext(ctx, args...)
}

// opening names the two reasons that a person can do something about.
func opening(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "SQLITE_BUSY"), strings.Contains(text, "database is locked"):
		return fmt.Errorf("%w (%v)", ErrHeld, err)
	case strings.Contains(text, "not a database"), strings.Contains(text, "malformed"):
		return fmt.Errorf("%w (%v)", ErrDamaged, err)
	}
	return fmt.Errorf("journal: %w", err)
}

// A change is one transaction that waits for its turn.
type change struct {
	f    func(tx *sql.Tx) error
	err  error
	done chan struct{}
}

// write runs f in one transaction. When write returns nil, what f did is on disk; otherwise nothing of it is, save
// that a failed commit leaves open which of the two, and then the caller must not act on either. f may be run twice,
// and then nothing of its first run is kept.
//
// Changes that wait while another is being committed are committed together, each in a savepoint of its own: one sync
// of the disk for all of them. Whoever has the turn commits for everybody.
func (j *Journal) write(ctx context.Context, op fault.Op, f func(tx *sql.Tx) error) error {
	fault.Before(op)
	defer fault.After(op)
	if err := fault.Fail(op); err != nil {
		return opening(err)
	}
	if err := ctx.Err(); err != nil {
		return opening(err)
	}
	mine := &change{f: f, done: make(chan struct{})}
	j.mu.Lock()
	j.waiting = append(j.waiting, mine)
	j.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case j.turn <- struct{}{}:
	}
	defer func() { <-j.turn }()
	j.mu.Lock()
	all := j.waiting
	j.waiting = nil
	j.mu.Unlock()
	j.commitAll(context.WithoutCancel(ctx), all)
	<-mine.done // by this turn or the one before
	return mine.err
}

// commitAll commits changes and tells each how it ended. When anything but a change's own refusal happens before the
// commit, SQLite may have ended the transaction, and each is tried alone.
func (j *Journal) commitAll(ctx context.Context, all []*change) {
	if len(all) < 2 || !j.together(ctx, all) {
		for _, c := range all {
			c.err = j.alone(ctx, c.f)
		}
	}
	for _, c := range all {
		close(c.done)
	}
}

// together commits changes in one transaction. False means that nothing was kept and nobody was told.
func (j *Journal) together(ctx context.Context, all []*change) bool {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return false
	}
	for _, c := range all {
		if err := inSavepoint(ctx, tx, c); err != nil {
			_ = tx.Rollback()
			return false
		}
	}
	j.commits.Add(1)
	if err := tx.Commit(); err != nil { // whether it is on disk is open: it must not be done again
		for _, c := range all {
			c.err = opening(err)
		}
	}
	return true
}

// inSavepoint runs one change. It returns an error when the whole transaction is lost.
func inSavepoint(ctx context.Context, tx *sql.Tx, c *change) error {
	if _, err := tx.ExecContext(ctx, `SAVEPOINT one`); err != nil {
		return err
	}
	if c.err = c.f(tx); c.err != nil {
		if !kind(c.err) {
			return c.err
		}
		if _, err := tx.ExecContext(ctx, `ROLLBACK TO one`); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `RELEASE one`)
	return err
}

func (j *Journal) alone(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return opening(err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		if kind(err) {
			return err
		}
		return opening(err)
	}
	j.commits.Add(1)
	if err := tx.Commit(); err != nil {
		return opening(err)
	}
	return nil
}

// Commits returns how many transactions there have been since Open. Each was one wait for the disk.
func (j *Journal) Commits() int64 { return j.commits.Load() }

// kind reports whether err already says what a caller needs to know.
func kind(err error) bool {
	for _, k := range []error{ErrDamaged, writ.ErrNotFound, writ.ErrConflict, writ.ErrInvalid, writ.ErrDenied, writ.ErrBusy} {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

func millis(t time.Time) int64 { return t.UnixMilli() }

func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// maybe turns a nullable column into a time; the zero time stands for NULL.
func maybe(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return instant(ms.Int64)
}
