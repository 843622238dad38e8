package crash_test

import (
	"context"
	"os"
	"testing"

	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/testbed"
)

// thePostgres is the one server of this test binary; every site has two databases of its own on it.
var thePostgres testbed.SharedPostgres

// postgres is the engine that several servers may share; a site has one.
type postgres struct {
	server *testbed.Postgres
	state  string
}

// onPostgres keeps the control plane's state in PostgreSQL.
func onPostgres(s *site) { s.database = &postgres{} }

func (d *postgres) configure(t *testing.T, c *config.Server) {
	var blobs string
	d.server = thePostgres.Server(t)
	d.state, blobs = thePostgres.Databases(t)
	c.Data, c.Database = "", &config.Database{URLFile: "state.url", BlobsURLFile: "blobs.url"}
	for file, database := range map[string]string{"state.url": d.state, "blobs.url": blobs} {
		must(t, os.WriteFile(c.Path(file), []byte(d.server.URL(database)+"\n"), 0o600))
	}
}

func (d *postgres) reservations(context.Context) (int, error) {
	n, err := d.server.Count(d.state, "SELECT count(*) FROM reservations")
	return int(n), err
}
