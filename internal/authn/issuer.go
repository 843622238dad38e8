package authn

import (
	"cmp"
	"context"
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
	"github.com/writ-dev/writ/internal/token"
)

// An Issuer is one OpenID Connect issuer whose tokens are taken.
type Issuer struct {
	URL        string    // exact value of iss; discovery is below it
	Audience   string    // the one audience a token must have, and nothing beside it
	Kind       writ.Kind // what its subjects are: agent, human or service
	Algorithms []string  // pinned; asymmetric ones only
	CAFile     string    // PEM certificates that vouch for the issuer's server; empty for the system's
	Subject    string    // the claim that becomes the subject; empty for sub

	KeysFile  string     // the issuer's key set (RFC 7517 section 5) in a file, read again as fetched ones are; no request is made
	Form      Form       // empty for FormOIDC
	Workloads []Workload // whose tokens are taken; empty for any subject, where the form allows that
	Replay    Replay     // empty for what the form demands at least
	Groups    *Groups    // of kind human: the claim that says which teams a person is of; nil for the roster alone
	Review    *Review    // with FormKubernetes: ask the cluster about every token, too
}

// algorithms are those that may be pinned: asymmetric, and not broken. HS256 would turn a public key into a secret, and
// none is no signature.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// An issuer checks the tokens of one Issuer.
type issuer struct {
	config   Issuer
	form     form
	now      func() time.Time
	verifier *oidc.IDTokenVerifier
	keys     *keySet
	review   *reviewer // nil for none
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
	f, known := forms[cmp.Or(i.Form, FormOIDC)]
	if !known {
		return bad("form is oidc, kubernetes or github-actions")
	}
	if what := f.check(i.Workloads); what != "" {
		return bad(what)
	}
	i.Replay = cmp.Or(i.Replay, f.replay)
	switch at := slices.Index(replays, i.Replay); {
	case at < 0:
		return bad("replay is bearer, once or proof")
	case at < slices.Index(replays, f.replay):
		return bad("replay must be at least " + string(f.replay) + " for this form")
	case i.Replay != ReplayBearer && c.Memory == nil:
		return bad("nothing remembers which tokens were used")
	case i.Replay != ReplayBearer && c.ExternalURL == "":
		return bad("proofs need the external URL")
	case f.workload && i.Kind == writ.KindHuman:
		return bad("workloads are no humans: kind is agent or service")
	case len(i.Workloads) > 0 && i.Subject != "":
		return bad("give workloads or the claim that is the subject, not both")
	case i.Groups != nil && (i.Kind != writ.KindHuman || c.People == nil):
		return bad("groups are of people")
	case i.Review != nil && i.Form != FormKubernetes:
		return bad("token_review is for the form kubernetes")
	}
	if what := i.Groups.check(); what != "" {
		return bad(what)
	}
	i.Subject = cmp.Or(i.Subject, "sub")
	client, err := client(i.CAFile)
	if err != nil {
		return nil, fmt.Errorf("issuer %s: %w", writ.Printable(i.URL, 200), err)
	}
	keys := &keySet{issuer: i.URL, file: i.KeysFile, dev: c.Dev, client: client, now: c.Now, log: c.Log}
	var review *reviewer
	if i.Review != nil {
		if review, err = newReviewer(*i.Review, i.Audience); err != nil {
			return nil, fmt.Errorf("issuer %s: %w", writ.Printable(i.URL, 200), err)
		}
	}
	return &issuer{
		config: i,
		form:   f,
		review: review,
		now:    c.Now,
		keys:   keys,
		verifier: oidc.NewVerifier(i.URL, keys, &oidc.Config{
			ClientID:             i.Audience,
			SupportedSigningAlgs: slices.Clone(i.Algorithms),
			Now:                  c.Now,
		}),
	}, nil
}

// maxServiceAccountLife bounds Kubernetes' tokens: ten minutes are the least that an API server gives, and enough, since
// the kubelet renews them.
const maxServiceAccountLife = 10 * time.Minute

// principal checks claims and signature, by a pinned algorithm, and returns who the token stands for and when it ends.
// Claims come first, so that keys are fetched for no token that would be refused anyway.
func (i *issuer) principal(ctx context.Context, t jwt) (writ.Principal, time.Time, error) {
	nobody := func(code Code) (writ.Principal, time.Time, error) {
		return writ.Principal{}, time.Time{}, from(i.config.URL, refuse(code))
	}
	var life time.Duration
	if i.config.Form == FormKubernetes {
		life = maxServiceAccountLife
	}
	exp, err := t.current(i.now(), life)
	switch {
	case t.iss != i.config.URL:
		return nobody(CodeIssuerUnknown)
	case !slices.Contains(i.config.Algorithms, t.alg):
		return nobody(CodeAlgorithm)
	case !t.isFor(i.config.Audience):
		return nobody(CodeAudience)
	case err != nil:
		return writ.Principal{}, time.Time{}, from(i.config.URL, err)
	}
	if _, err := i.verifier.Verify(ctx, t.raw); err != nil {
		if len(i.keys.named(t.kid)) == 0 {
			return nobody(CodeKeyUnknown)
		}
		return nobody(CodeSignature)
	}
	// Believed from here on.
	sub, ok := t.text(i.config.Subject, maxSubject)
	if !ok {
		return nobody(CodeSubject)
	}
	if len(i.config.Workloads) > 0 {
		if sub, ok = i.form.find(i.config.Workloads, t.claims); !ok {
			return nobody(CodeWorkloadUnknown)
		}
	}
	if i.review != nil {
		uid, _ := i.form.claim(t.claims, "uid")
		if err := i.review.ask(ctx, t.raw, uid); err != nil {
			return writ.Principal{}, time.Time{}, from(i.config.URL, err)
		}
	}
	return writ.Principal{Kind: i.config.Kind, Iss: t.iss, Sub: sub}, exp, nil
}

// id is what a token is remembered by: its jti under its issuer, or the token itself where the rule needs no jti.
func (i *issuer) id(t jwt) (string, error) {
	jti, ok := t.text("jti", maxTokenID)
	if i.config.Replay == ReplayOnce && !ok {
		return "", from(i.config.URL, refuse(CodeTokenForm)) // without a jti a token could not be told from its copy
	}
	if !ok {
		jti = token.AccessTokenHash(t.raw)
	}
	return i.config.URL + " " + jti, nil
}

// maxTokenID bounds a jti: common ones are UUIDs.
const maxTokenID = 255

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
