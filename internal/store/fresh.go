package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/pressly/goose/v3"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/durable"
)

// fresh are the bytes of a new SQLite file of each schema. They are made in memory, by the same migrations that bring an
// old file up to date, once in a process.
var fresh = map[string]func() ([]byte, error){
	stateSchema: sync.OnceValues(func() ([]byte, error) { return made(stateSchema) }),
	blobSchema:  sync.OnceValues(func() ([]byte, error) { return made(blobSchema) }),
}

// freshMode is what SQLite itself gives a new file; the umask takes from it.
const freshMode = 0o644

// create writes a new file where there is none: after a crash it is there with its whole schema or not at all, and one
// wait for the disk does for all of the migrations. Where a write-ahead log has outlived its file, SQLite is left to drop
// it: it would replay it into a file that has pages.
func create(path, dir string) error {
	for _, p := range []string{path, path + "-wal"} {
		if _, err := os.Lstat(p); err == nil {
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
		}
	}
	b, err := fresh[dir]()
	if err != nil {
		return err
	}
	if err := durable.WriteFile(path, b, freshMode); err != nil {
		return fmt.Errorf("%w: create %s: %w", writ.ErrUnavailable, path, err)
	}
	return nil
}

func made(dir string) (b []byte, err error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", writ.ErrUnavailable, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // each connection would have a database of its own
	ctx := context.Background()
	if err := up(ctx, db, goose.DialectSQLite3, dir, "a new database"); err != nil {
		return nil, err
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, kind(err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	err = c.Raw(func(driver any) error {
		s, ok := driver.(interface{ Serialize() ([]byte, error) })
		if !ok {
			return fmt.Errorf("%w: the SQLite driver gives no bytes of a database", writ.ErrUnavailable)
		}
		b, err = s.Serialize()
		return err
	})
	return b, err
}
