// Package postgres reads views of a PostgreSQL database as evidence. It can write nothing: it has no operations.
//
// What is read is a view of the configuration, by name: its owners wrote the query behind it and list the columns that are
// read. An agent picks a name and typed values, which are bound to the statement and never become text of it. Each reading
// has a credential of its own (lease.go): a role that is made for it, can read these views and nothing else, and is dropped
// and proven dead before the reading is handed on.
package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Plane is the plane of all targets of this package.
const Plane = "postgres"

// Options are what a connector gets from its process.
type Options struct {
	Now  func() time.Time
	Rand io.Reader
}

// A Connector serves one database. It is safe for concurrent use.
type Connector struct {
	connector.ReadOnly
	target    writ.Location
	name      string
	user      string
	config    *pgx.ConnConfig
	now       func() time.Time
	rand      io.Reader
	views     map[writ.OperationName]View
	catalogue connector.Catalogue
}

var _ connector.Connector = (*Connector)(nil)

const dialTime = 5 * time.Second

// targetName is short enough to stand in the name of a role.
var targetName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,19}$`)

// hostName is a host that needs no quotes in a connection string.
var hostName = regexp.MustCompile(`^[A-Za-z0-9.:-]{1,253}$`)

// New checks the configuration, with its files loaded, and contacts nobody.
func New(c Config, o Options) (*Connector, error) {
	bad := func(what string) (*Connector, error) {
		return nil, fmt.Errorf("%w: postgres target %s: %s", writ.ErrInvalid, writ.Printable(c.Target, 60), what)
	}
	target, err := writ.ParseLocation(Plane + "://" + c.Target)
	switch {
	case err != nil || !targetName.MatchString(c.Target):
		return bad("target is a plain name of at most 20 characters")
	case o.Now == nil || o.Rand == nil:
		return bad("a clock and randomness must be given")
	case !hostName.MatchString(c.Host) || c.Port < 1 || c.Port > 65535:
		return bad("host is a name or an address, and port is from 1 to 65535")
	case !plain.MatchString(c.Database) || !plain.MatchString(c.User):
		return bad("database and user are names of small letters, digits and '_'")
	case len(strings.TrimSpace(string(c.Password))) == 0:
		return bad("password_file must name a file that holds the login's password")
	case len(c.Views) == 0 || len(c.Views) > maxViews:
		return bad(fmt.Sprintf("there must be 1 to %d views", maxViews))
	}
	x := &Connector{ReadOnly: connector.ReadOnly("views can only be read: there are no operations on " + Plane),
		target: target, name: c.Target, user: c.User, now: o.Now, rand: o.Rand, views: map[writ.OperationName]View{}, catalogue: connector.Catalogue{Plane: Plane, Operations: []connector.Operation{}},
	}
	if x.config, err = connection(c); err != nil {
		return bad(err.Error())
	}
	for _, v := range c.Views {
		if err := v.check(target); err != nil {
			return nil, fmt.Errorf("postgres target %s: view %s: %w", writ.Printable(c.Target, 60), writ.Printable(string(v.Name), 80), err)
		}
		x.views[v.Name] = v
		x.catalogue.Readers = append(x.catalogue.Readers, v.reader())
	}
	if err := x.catalogue.Check(); err != nil {
		return nil, fmt.Errorf("postgres target %s: %w", writ.Printable(c.Target, 60), err)
	}
	return x, nil
}

// connection is how the runner logs in. It takes nothing from the environment, and a password goes to a server only as a
// SCRAM proof (RFC 7677), so that a server that is not ours learns none.
func connection(c Config) (*pgx.ConnConfig, error) {
	cc, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable require_auth=scram-sha-256 passfile='' sslcert='' sslkey='' sslrootcert='' target_session_attrs=any", c.Host, c.Port, c.User, c.Database))
	if err != nil || cc.Host != c.Host || int(cc.Port) != c.Port || cc.User != c.User || cc.Database != c.Database {
		return nil, fmt.Errorf("host, port, user and database make no connection")
	}
	local := c.Host == "localhost" || net.ParseIP(c.Host).IsLoopback()
	if len(c.CA) > 0 || !local {
		cc.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.Host}
	}
	if len(c.CA) > 0 {
		cc.TLSConfig.RootCAs = x509.NewCertPool()
		if !cc.TLSConfig.RootCAs.AppendCertsFromPEM(c.CA) {
			return nil, fmt.Errorf("ca_file holds no PEM certificate")
		}
	}
	cc.Password, cc.Fallbacks, cc.ValidateConnect, cc.AfterConnect, cc.KerberosSrvName = strings.TrimSpace(string(c.Password)), nil, nil, nil, ""
	cc.RuntimeParams = map[string]string{"application_name": "writ", "statement_timeout": "5000", "lock_timeout": "5000"}
	cc.ConnectTimeout = dialTime
	cc.DialFunc = (&net.Dialer{Timeout: dialTime}).DialContext
	cc.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // nothing is kept between readings
	return cc, nil
}

// Target implements connector.Connector.
func (x *Connector) Target() writ.Location { return x.target }

// Catalogue is the list of views as data. There are no operations.
func (x *Connector) Catalogue() connector.Catalogue { return x.catalogue }

// Observe reads one view of the configuration.
func (x *Connector) Observe(ctx context.Context, q connector.Query) (connector.Reading, error) {
	v, ok := x.views[q.Reader]
	if !ok {
		return connector.Reading{}, connector.UnknownReader(x.target, q.Reader)
	}
	if err := connector.CheckParameters(v.reader().Parameters, q.With); err != nil {
		return connector.Reading{}, err
	}
	if !slices.ContainsFunc(q.Scope, writ.Location(v.Object).Within) {
		return connector.Reading{}, writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("%s does not belong to the incident's service", v.Object))
	}
	return x.read(ctx, v, q)
}
