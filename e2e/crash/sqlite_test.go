package crash_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // looks at the live file, read only

	"github.com/writ-dev/writ/internal/config"
)

// An engine is the control plane's database: what a site needs to know to set it up and to look into it from outside.
type engine interface {
	configure(t *testing.T, c *config.Server)
	// reservations counts the blast radii that are held.
	reservations(ctx context.Context) (int, error)
}

// sqlite is the engine of one process: two files in the data directory.
type sqlite struct{ file string }

func (d *sqlite) configure(_ *testing.T, c *config.Server) {
	d.file = filepath.Join(c.Path(c.Data), "ledger.db")
}

func (d *sqlite) reservations(ctx context.Context) (n int, err error) {
	db, err := sql.Open("sqlite", "file:"+d.file+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM reservations").Scan(&n)
	return n, err
}
