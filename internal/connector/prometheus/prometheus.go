// Package prometheus reads metrics of a Prometheus server as evidence. It can write nothing: it has no operations and
// mints no leases.
//
// What is asked is a query of the configuration, by name: its owners wrote the PromQL, and no text of an agent comes
// into it. An agent picks a name and, for a range, how many minutes back. Prometheus has no identities of its own to mint
// from; the connector's one credential is a bearer token that a proxy in front of it checks, for reading only, held by
// the runner alone.
package prometheus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Plane is the plane of all targets of this package.
const Plane = "prometheus"

// A Connector serves one Prometheus server. It is safe for concurrent use.
type Connector struct {
	connector.ReadOnly
	target    writ.Location
	base      *url.URL
	token     string
	http      *http.Client
	now       func() time.Time
	queries   map[writ.OperationName]Query
	catalogue connector.Catalogue
}

var _ connector.Connector = (*Connector)(nil)

const dialTime = 5 * time.Second

// New checks the configuration, with its files loaded, and contacts nobody.
func New(c Config, now func() time.Time) (*Connector, error) {
	bad := func(what string) (*Connector, error) {
		return nil, fmt.Errorf("%w: prometheus target %s: %s", writ.ErrInvalid, writ.Printable(c.Target, 60), what)
	}
	target, err := writ.ParseLocation(Plane + "://" + c.Target)
	if err != nil || len(target.Segments()) != 0 {
		return bad("target is a plain name")
	}
	if now == nil {
		return bad("a clock must be given")
	}
	base, err := url.Parse(strings.TrimSuffix(c.URL, "/"))
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return bad("url is https://host[:port][/path]")
	}
	if host := base.Hostname(); base.Scheme != "https" && !(base.Scheme == "http" && (net.ParseIP(host).IsLoopback() || host == "localhost")) {
		return bad("url is https; plain http is for this host alone")
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(c.CA) > 0 {
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(c.CA) {
			return bad("ca holds no PEM certificate")
		}
	}
	x := &Connector{ReadOnly: connector.ReadOnly("metrics can only be read: there are no operations on " + Plane),
		target: target, base: base, token: strings.TrimSpace(string(c.Token)), now: now, queries: map[writ.OperationName]Query{},
		catalogue: connector.Catalogue{Plane: Plane, Operations: []connector.Operation{}},
		http: &http.Client{
			Transport: &http.Transport{
				DialContext: (&net.Dialer{Timeout: dialTime}).DialContext, TLSHandshakeTimeout: dialTime, TLSClientConfig: t,
				DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if len(c.Queries) == 0 || len(c.Queries) > maxQueries {
		return bad(fmt.Sprintf("there must be 1 to %d queries", maxQueries))
	}
	for _, q := range c.Queries {
		if err := q.check(target); err != nil {
			return nil, fmt.Errorf("prometheus target %s: query %s: %w", writ.Printable(c.Target, 60), writ.Printable(string(q.Name), 80), err)
		}
		x.queries[q.Name] = q
		x.catalogue.Readers = append(x.catalogue.Readers, q.reader())
	}
	if err := x.catalogue.Check(); err != nil {
		return nil, fmt.Errorf("prometheus target %s: %w", writ.Printable(c.Target, 60), err)
	}
	return x, nil
}

// Target implements connector.Connector.
func (x *Connector) Target() writ.Location { return x.target }

// Catalogue is the list of queries as data. There are no operations.
func (x *Connector) Catalogue() connector.Catalogue { return x.catalogue }

// Observe asks one query of the configuration.
func (x *Connector) Observe(ctx context.Context, q connector.Query) (connector.Reading, error) {
	ask, ok := x.queries[q.Reader]
	if !ok {
		return connector.Reading{}, connector.UnknownReader(x.target, q.Reader)
	}
	if err := connector.CheckParameters(ask.reader().Parameters, q.With); err != nil {
		return connector.Reading{}, err
	}
	if !slices.ContainsFunc(q.Scope, writ.Location(ask.Object).Within) {
		return connector.Reading{}, writ.Refuse(writ.ReasonOutOfScope, fmt.Sprintf("%s does not belong to the incident's service", ask.Object))
	}
	return x.read(ctx, ask, q)
}
