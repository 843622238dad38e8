// Package client speaks to Writ's HTTP API in the nouns of the root package. It needs the standard library only.
//
//	c, err := client.New("https://writ.corp.example", client.Config{Token: client.Static(token)})
//	plan, err := c.Propose(ctx, writ.Ask{Incident: id, Playbook: "rollback-deployment", Parameters: p})
//	plan, err = c.WaitPlan(ctx, plan.ID)
//	if errors.Is(err, writ.ErrDenied) { … }
//
// Lists are iterators that fetch further pages as they are read; the first error ends them. Every refusal is a
// *writ.Refusal whose code is stable, and matches the root's error kinds with errors.Is. Members of replies that this
// version does not know are ignored.
//
// Creating calls carry an idempotency key of their own and are repeated, under the same key, when the connection fails
// or the server asks for it; so each call of a method creates at most one thing.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// A Config says how to reach and convince the server. The zero Config makes anonymous calls, which the server refuses.
type Config struct {
	Token      func(context.Context) (string, error) // the bearer token of each call; see Static
	Source     *Source                               // instead: an agent's tokens, each call with a proof of its key
	HTTPClient *http.Client                          // nil means one with the system's proxy settings; its redirects are not followed
	RootCAs    *x509.CertPool                        // of the server; nil means the system's; not beside HTTPClient

	// ExternalURL is the URL that the server calls itself by, which proofs name; see Present and Source. Empty means the address that
	// the client calls.
	ExternalURL string
}

// Static is a Config.Token that never changes.
func Static(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// A Client makes calls. It is safe for concurrent use.
type Client struct {
	base  *url.URL
	token func(context.Context) (string, error)
	http  *http.Client
	named string // the server's own URL, without a trailing slash

	source *Source // nil for none
}

// New checks address, for example https://writ.corp.example. Plain HTTP is taken for this machine only, since each call
// carries a token.
func New(address string, c Config) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("%w: the address of Writ is an absolute https:// URL", writ.ErrInvalid)
	}
	if u.Scheme == "http" && !here(u.Hostname()) {
		return nil, fmt.Errorf("%w: tokens are not sent over plain HTTP to another machine; use https://", writ.ErrInvalid)
	}
	if c.HTTPClient != nil && c.RootCAs != nil {
		return nil, fmt.Errorf("%w: RootCAs belong into the transport of HTTPClient", writ.ErrInvalid)
	}
	if c.Source != nil {
		if c.Token != nil {
			return nil, fmt.Errorf("%w: give Token or Source, not both", writ.ErrInvalid)
		}
		if err := c.Source.check(); err != nil {
			return nil, err
		}
	}
	own := http.Client{}
	if c.HTTPClient != nil {
		own = *c.HTTPClient
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs}
		t.ResponseHeaderTimeout = headerTime
		own.Transport = t
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a token goes to one server
	u.Path = strings.TrimSuffix(u.Path, "/")
	named := strings.TrimSuffix(c.ExternalURL, "/")
	if named == "" {
		named = u.String()
	}
	return &Client{base: u, token: c.Token, http: &own, named: named, source: c.Source}, nil
}

// headerTime is how long a call may take to begin its answer: the longest wait of the server, and as much again.
const headerTime = 45 * time.Second

func here(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
