package authn

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/writ-dev/writ"
)

// An Issuer is one OpenID Connect issuer whose tokens are taken.
type Issuer struct {
	URL        string    // exact value of iss; discovery is below it
	Audience   string    // the one audience a token must have, and nothing beside it
	Kind       writ.Kind // what its subjects are: agent, human or service
	Algorithms []string  // pinned; asymmetric ones only
	CAFile     string    // PEM certificates that vouch for the issuer's server; empty for the system's
	Subject    string    // the claim that becomes the subject; empty for sub
}

// algorithms are those that may be pinned: asymmetric, and not broken. HS256 would turn a public key into a secret, and
// none is no signature.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// An issuer checks the tokens of one Issuer.
type issuer struct {
	config   Issuer
	now      func() time.Time
	verifier *oidc.IDTokenVerifier
	keys     *keySet
}

func newIssuer(i Issuer, c Config) (*issuer, error) {
	bad := func(what string) (*issuer, error) {
		return nil, fmt.Errorf("%w: issuer %s: %s", writ.ErrInvalid, writ.Printable(i.URL, 200), what)
	}
	switch {
	case !fetchable(i.URL, c.Dev):
		return bad("its URL must be https://, without query, fragment or user")
	case i.URL == DevIssuer:
		return bad("this name is kept for development keys")
	case i.Audience == "":
		return bad("audience is missing")
	case !speaks(i.Kind):
		return bad("kind is agent, human or service")
	case len(i.Algorithms) == 0:
		return bad("algorithms must be named")
	}
	for _, alg := range i.Algorithms {
		if !slices.Contains(algorithms, alg) {
			return bad("algorithms are among " + strings.Join(algorithms, ", "))
		}
	}
	if i.Subject == "" {
		i.Subject = "sub"
	}
	client, err := client(i.CAFile)
	if err != nil {
		return nil, fmt.Errorf("issuer %s: %w", writ.Printable(i.URL, 200), err)
	}
	keys := &keySet{issuer: i.URL, dev: c.Dev, client: client, now: c.Now, log: c.Log}
	return &issuer{
		config: i,
		now:    c.Now,
		keys:   keys,
		verifier: oidc.NewVerifier(i.URL, keys, &oidc.Config{
			ClientID:             i.Audience,
			SupportedSigningAlgs: slices.Clone(i.Algorithms),
			Now:                  c.Now,
		}),
	}, nil
}

// speaks reports whether a bearer token can stand for this kind. Runners come with their own key over mutual TLS.
func speaks(k writ.Kind) bool {
	return k == writ.KindAgent || k == writ.KindHuman || k == writ.KindService
}

// fetchable reports whether s is an absolute HTTPS URL; under --dev it may be plain HTTP on the loopback interface.
func fetchable(s string, dev bool) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || dev && u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// client returns an HTTP client that trusts the certificates in caFile, or the system's when it is empty. Redirects are
// not followed: the key source is pinned.
func client(caFile string) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("certificates: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: %s holds no PEM certificate", writ.ErrInvalid, writ.Printable(caFile, 200))
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{
		Transport:     &bounded{t},
		Timeout:       fetchTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}
