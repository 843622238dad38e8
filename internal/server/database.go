package server

import (
	"crypto/rand"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/postgres"
	"github.com/writ-dev/writ/internal/fault"
)

// database makes the connector of a PostgreSQL target from its file; read reads the files that it names.
func database(file []byte, read func(name string) ([]byte, error)) (connector.Connector, error) {
	c, err := postgres.ParseConfig(file)
	if err != nil {
		return nil, err
	}
	if err := c.Load(read); err != nil {
		return nil, err
	}
	return postgres.New(c, postgres.Options{Now: fault.Clock(), Rand: rand.Reader})
}

// DatabaseSetup returns the statements with which the owner of a PostgreSQL target lets the runner of c read its views. It
// contacts nobody.
func DatabaseSetup(c config.Runner, at writ.Location) (string, error) {
	var all []string
	for _, t := range c.Targets {
		if writ.Location(t.Location).Plane() != postgres.Plane {
			continue
		}
		all = append(all, t.Location)
		if t.Location != string(at) {
			continue
		}
		conn, err := connect(c, t)
		if err != nil {
			return "", fmt.Errorf("target %s: %w", t.Location, err)
		}
		if x, ok := conn.(*postgres.Connector); ok {
			return x.Setup()
		}
	}
	return "", fmt.Errorf("%w: the runner has no PostgreSQL target %q; it has %q", writ.ErrInvalid, writ.Printable(string(at), 80), all)
}
