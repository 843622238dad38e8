package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/writ-dev/writ"
)

// full is PRAGMA synchronous=FULL: each commit is fsynced. NORMAL would lose acknowledged commits.
const full = 2

// open opens a SQLite file in WAL mode with synchronous=FULL.
func open(path string, pragmas ...string) (*sql.DB, error) {
	return dial(path, append([]string{"journal_mode(wal)", "synchronous(full)", "foreign_keys(1)"}, pragmas...)...)
}

// dial opens a SQLite file in the mode that it is in.
func dial(path string, pragmas ...string) (*sql.DB, error) {
	q := url.Values{"_pragma": append([]string{"busy_timeout(5000)"}, pragmas...)}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("%w: open %s: %w", writ.ErrUnavailable, path, err)
	}
	return db, nil
}

// checkDurable reads the modes back: a misspelt or ignored option would lose commits in silence.
func checkDurable(ctx context.Context, c *sql.Conn) error {
	var mode string
	var sync int
	if err := c.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return kind(err)
	}
	if err := c.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&sync); err != nil {
		return kind(err)
	}
	if mode != "wal" || sync != full {
		return fmt.Errorf("%w: the database runs with journal_mode=%s and synchronous=%d; wal and %d are needed", writ.ErrUnavailable, mode, sync, full)
	}
	return nil
}

func migrate(ctx context.Context, path, dir string) (err error) {
	if err := create(path, dir); err != nil {
		return err
	}
	db, err := open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return up(ctx, db, goose.DialectSQLite3, dir, path)
}

// resolve follows links, so that two names of one file share one lock.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// kind turns a driver's error into one of the root kinds, with a sentence.
func kind(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_UNIQUE, lib.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: it exists already", writ.ErrConflict)
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_CONSTRAINT:
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: the disk or the database is full; nothing was kept: %w", writ.ErrUnavailable, err)
	case lib.SQLITE_READONLY:
		return fmt.Errorf("%w: the database cannot be written; nothing was kept: %w", writ.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: database: %w", writ.ErrUnavailable, err)
}

// spoils reports whether err may have ended the whole transaction, not only its statement
// (sqlite.org/lang_transaction.html section 3.1). All but broken constraints count.
func spoils(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	if ok {
		return e.Code()&0xff != lib.SQLITE_CONSTRAINT
	}
	return err != nil && !errors.Is(err, writ.ErrConflict) && !errors.Is(err, writ.ErrInvalid) && !errors.Is(err, writ.ErrNotFound)
}
