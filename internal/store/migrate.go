package store

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"

	"github.com/writ-dev/writ"
)

// The folders: state and blobs have one text for both engines; postgres is what only the other one needs, under version
// numbers of its own.
//
//go:embed migrations
var migrations embed.FS

const (
	stateSchema    = "migrations/state"
	blobSchema     = "migrations/blobs"
	postgresSchema = "migrations/postgres"
)

// versions names the table that remembers what has been applied; folders that meet in one database have one each.
var versions = map[string]string{stateSchema: goose.DefaultTablename, blobSchema: goose.DefaultTablename, postgresSchema: goose.DefaultTablename + "_postgres"}

// up brings a schema up to date, and refuses one that is newer than this program: an old program would not know what
// the new columns mean.
func up(ctx context.Context, db *sql.DB, dialect goose.Dialect, dir, place string) error {
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return err
	}
	if dialect == goose.DialectSQLite3 {
		files = rowIDs{files}
	}
	p, err := goose.NewProvider(dialect, db, files, goose.WithTableName(versions[dir]), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("%w: schema of %s: %w", writ.ErrUnavailable, place, migrationKind(err))
	}
	there, ours, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("%w: schema of %s: %w", writ.ErrUnavailable, place, migrationKind(err))
	}
	if there > ours {
		return fmt.Errorf("%w: the schema of %s has version %d; this writ knows up to %d: use the newer writ that made it", writ.ErrInvalid, place, there, ours)
	}
	if there == ours {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("%w: schema of %s: %w", writ.ErrUnavailable, place, migrationKind(err))
	}
	return nil
}

// rowIDs are migrations as SQLite gets them: a key that is a whole number is called INTEGER there, since by any other name it has an
// index of its own beside the table (sqlite.org/rowidtable.html), one page more for each row that is written. Files that were made
// before that have the index, and work as before.
type rowIDs struct{ fs.FS }

// Open implements fs.FS.
func (r rowIDs) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		return f, err
	}
	b, err := io.ReadAll(f)
	return rowIDFile{f, bytes.NewReader(bytes.ReplaceAll(b, []byte("BIGINT PRIMARY KEY"), []byte("INTEGER PRIMARY KEY")))}, err
}

// A rowIDFile is a file with another text.
type rowIDFile struct {
	fs.File
	text io.Reader
}

// Read implements fs.File.
func (f rowIDFile) Read(b []byte) (int, error) { return f.text.Read(b) }

// migrationKind is kind for an error of either engine.
func migrationKind(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgKind(e)
	}
	return kind(err)
}
