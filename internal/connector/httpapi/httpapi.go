// Package httpapi connects a runner to any HTTP control plane that is described by an OpenAPI document. What can be
// called is an allow-list of the document's operations, each with a tier, an inverse and limits; parameters are typed
// and bounded by the document's own schemas; the lease of a run is an OAuth access token with exactly the scopes of its
// calls.
//
// What it demands of a target:
//   - a GET for each object that is written, which answers with JSON, a stable identity in it, and a strong ETag;
//   - If-Match on each write, checked before anything else but the token (RFC 9110 section 13.1.1);
//   - 401 for a token that is revoked or unknown, and 403 for one that lacks a scope (RFC 6750 section 3.1);
//   - a revocation endpoint (RFC 7009) whose effect is immediate.
//
// Requests never follow redirects, never go through a proxy, and each one that carries a lease uses a connection of its
// own. Nothing read from the target reaches an error text unescaped, and tokens reach none at all.
package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

// Plane is the plane of all targets of this package.
const Plane = "httpapi"

// Options are what a connector takes from its process.
type Options struct {
	Now  func() time.Time
	Rand io.Reader // of salts
}

// A Connector serves one HTTP target. It implements connector.Connector.
type Connector struct {
	target     writ.Location
	base       *url.URL
	http       *http.Client
	now        func() time.Time
	rand       io.Reader
	token      TokenConfig
	reading    readToken
	catalogue  connector.Catalogue
	operations map[writ.OperationName]*operation
	readers    map[writ.OperationName]*reader
}

var _ connector.Connector = (*Connector)(nil)

// New builds a connector from a configuration with its bytes filled in. It contacts nobody. The error names what in the
// configuration or the document could not be typed, bounded or undone as declared.
func New(c Config, o Options) (*Connector, error) {
	if o.Now == nil || o.Rand == nil {
		return nil, fmt.Errorf("%w: httpapi: Now and Rand must be given", writ.ErrInvalid)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	x := &Connector{
		target: writ.Location(Plane + "://" + c.Target), now: o.Now, rand: o.Rand, token: c.Token,
		operations: map[writ.OperationName]*operation{}, readers: map[writ.OperationName]*reader{},
	}
	var err error
	if x.base, err = url.Parse(strings.TrimSuffix(c.BaseURL, "/")); err != nil {
		return nil, fmt.Errorf("%w: httpapi target %s: base_url", writ.ErrInvalid, c.Target)
	}
	if x.http, err = newClient(c.CA); err != nil {
		return nil, fmt.Errorf("httpapi target %s: %w", c.Target, err)
	}
	doc, err := parseDocument(c.Document)
	if err != nil {
		return nil, fmt.Errorf("httpapi target %s: %w", c.Target, err)
	}
	x.catalogue.Plane = Plane
	for _, oc := range c.Operations {
		op, err := compile(doc, oc)
		if err != nil {
			return nil, fmt.Errorf("httpapi target %s: operation %s: %w", c.Target, writ.Printable(string(oc.Name), 80), err)
		}
		if !slices.ContainsFunc(c.Token.Clients, func(k ClientConfig) bool { return k.Tier >= op.tier }) {
			return nil, fmt.Errorf("%w: httpapi target %s: operation %s: token.clients has none for %s", writ.ErrInvalid, c.Target, op.name, op.tier)
		}
		x.operations[op.name] = op
		x.catalogue.Operations = append(x.catalogue.Operations, op.entry())
	}
	for _, rc := range c.Readers {
		r, err := compileReader(doc, rc)
		if err != nil {
			return nil, fmt.Errorf("httpapi target %s: reader %s: %w", c.Target, writ.Printable(string(rc.Name), 80), err)
		}
		x.readers[r.entry.Name] = r
		x.catalogue.Readers = append(x.catalogue.Readers, r.entry)
	}
	if err := x.catalogue.Check(); err != nil {
		return nil, fmt.Errorf("httpapi target %s: %w", c.Target, err)
	}
	return x, nil
}

// Target is the location of the one target that x serves.
func (x *Connector) Target() writ.Location { return x.target }

// Catalogue is the allow-list as data.
func (x *Connector) Catalogue() connector.Catalogue { return x.catalogue }
