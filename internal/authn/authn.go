// Package authn turns the credential of a request into a writ.Principal, which is always an issuer with a subject: a
// bearer token that is a JWT of a configured issuer (OpenID Connect, a Kubernetes cluster, GitHub Actions), a JWT-SVID,
// a person's session or, under --dev only, a development key; at the agents' own listener, an X.509-SVID; or an agent's
// control-plane token, for which its other credentials can be exchanged once.
//
// It trusts configuration and nothing else: issuers, key sources, algorithms and the kind of principal that an issuer
// speaks for are pinned. Every refusal is the same sentence, so that a caller learns nothing by trying; the operators'
// log has a Code for it.
package authn

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/token"
)

// MaxToken bounds a bearer token: 16 KiB is four times the largest ID token of common issuers.
const MaxToken = 16 << 10

// A Config says who may speak. It is checked once, by New.
type Config struct {
	Issuers     []Issuer
	SPIFFE      *SPIFFE  // nil for none
	Dev         bool     // development keys, and issuers over plain HTTP on this machine, are allowed
	Keys        []DevKey // only with Dev
	ExternalURL string   // what DPoP proofs name, without a trailing slash; needed where proofs are
	Memory      Memory   // needed where tokens are taken once, or with proofs
	Sessions    Sessions // needed for a login
	People      People   // needed where an issuer's groups are mapped

	Tokens   *token.Access // nil: control-plane tokens are neither issued nor taken
	Revoked  Revocations   // needed with Tokens
	Required bool          // with Tokens: an agent's other credentials are taken at the token endpoint only
	Nonces   NonceMode     // "" means NonceOff; the others need Memory

	Now func() time.Time
	Log *slog.Logger // told why credentials are refused, and when an issuer's keys cannot be fetched; may be nil
}

// An Authenticator finds out who speaks. It is safe for concurrent use. Its zero value does not exist; use New.
type Authenticator struct {
	issuers  map[string]*issuer
	keys     []DevKey
	spiffe   *spiffe // nil for none
	external string
	memory   Memory
	sessions Sessions // nil for none
	people   People   // nil for none
	tokens   *token.Access
	revoked  Revocations
	required bool
	nonces   *nonces // nil where they are off
	now      func() time.Time
	refusals refusals
}

// New checks the configuration. It makes no requests: an issuer's keys are fetched when its first token arrives, so
// that Writ starts while an identity provider is down.
func New(c Config) (*Authenticator, error) {
	if c.Now == nil {
		return nil, fmt.Errorf("%w: authentication: a clock is missing", writ.ErrInvalid)
	}
	if len(c.Issuers) == 0 && len(c.Keys) == 0 && c.SPIFFE == nil {
		return nil, fmt.Errorf("%w: authentication: neither an issuer nor SPIFFE nor a development key is configured, so nobody could log in", writ.ErrInvalid)
	}
	a := &Authenticator{
		issuers: map[string]*issuer{}, external: c.ExternalURL, memory: c.Memory, sessions: c.Sessions, people: c.People, now: c.Now,
		tokens: c.Tokens, revoked: c.Revoked, required: c.Required,
		refusals: refusals{log: c.Log, now: c.Now},
	}
	var err error
	if a.nonces, err = newNonces(c.Nonces, c.Memory, c.Now); err != nil {
		return nil, err
	}
	for _, i := range c.Issuers {
		made, err := newIssuer(i, c)
		if err != nil {
			return nil, err
		}
		if _, twice := a.issuers[i.URL]; twice {
			return nil, fmt.Errorf("%w: issuer %s is configured twice", writ.ErrInvalid, writ.Printable(i.URL, 200))
		}
		a.issuers[i.URL] = made
	}
	if c.SPIFFE != nil {
		var err error
		if a.spiffe, err = newSPIFFE(*c.SPIFFE, c); err != nil {
			return nil, err
		}
	}
	if err := checkKeys(c); err != nil {
		return nil, err
	}
	if err := a.checkTokens(); err != nil {
		return nil, err
	}
	a.keys = append(a.keys, c.Keys...)
	return a, nil
}

// Watch follows what changes by itself, such as SPIFFE bundles, until ctx ends.
func (a *Authenticator) Watch(ctx context.Context) {
	if a.spiffe != nil {
		a.spiffe.watch(ctx)
	}
}

// Principal returns who sent r. Every failure is the same writ.ErrUnknownUser, whatever the reason. It may fetch the
// keys of the token's issuer, at most once a minute, and then takes up to fetchTime.
func (a *Authenticator) Principal(ctx context.Context, r *http.Request) (writ.Principal, error) {
	p, err := a.principal(ctx, r)
	return a.answer(ctx, r, p, err)
}

// answer is the one way out: whoever is not somebody is nobody, and only the log has the reason.
func (a *Authenticator) answer(ctx context.Context, r *http.Request, p writ.Principal, err error) (writ.Principal, error) {
	if err == nil && !p.Valid() {
		err = refuse(CodeSubject)
	}
	if err != nil {
		a.refusals.tell(ctx, r, err)
		return writ.Principal{}, errNobody
	}
	return p, nil
}

func (a *Authenticator) principal(ctx context.Context, r *http.Request) (writ.Principal, error) {
	scheme, raw, err := authorization(r)
	if err != nil {
		return writ.Principal{}, err
	}
	switch {
	case raw == "" && len(r.Header.Values("Authorization")) == 0:
		raw, _ = a.cookie(r)
	case a.isOwn(raw):
		h, err := a.holder(ctx, r, raw, scheme, nil)
		return h.Principal, err
	case scheme != schemeBearer:
		raw = ""
	}
	if raw == "" {
		return writ.Principal{}, refuse(CodeCredentialMissing)
	}
	if strings.HasPrefix(raw, sessionPrefix) {
		return a.session(ctx, raw)
	}
	v, err := a.vouch(ctx, raw)
	if err != nil {
		return writ.Principal{}, err
	}
	// A development key is no platform's credential: it is there under --dev alone, for MCP clients that make no proofs.
	if a.required && v.principal.Kind == writ.KindAgent && v.principal.Iss != DevIssuer {
		return writ.Principal{}, from(v.principal.Iss, refuse(CodeExchange))
	}
	return v.principal, from(v.principal.Iss, a.held(ctx, r, raw, v))
}

// A vouched is whom a platform's credential stands for, and what keeps it from being used by whoever saw it.
type vouched struct {
	principal writ.Principal
	id        string // what it is remembered by; "" for one that is good as often as it comes
	expires   time.Time
	replay    Replay
	several   bool // it may come with several keys
	svid      bool
}

// vouch returns whom a platform's credential stands for. It does not count as a use.
func (a *Authenticator) vouch(ctx context.Context, raw string) (vouched, error) {
	if strings.HasPrefix(raw, devPrefix) {
		p, err := a.dev(raw)
		return vouched{principal: p, replay: ReplayBearer}, err
	}
	t, ok := parseJWT(raw)
	if !ok {
		return vouched{}, refuse(CodeTokenForm)
	}
	if i, ok := a.issuers[t.iss]; ok {
		p, exp, err := i.principal(ctx, t)
		if err != nil {
			return vouched{}, err
		}
		id, err := i.id(t)
		if err == nil {
			err = a.note(ctx, i, t, p)
		}
		return vouched{principal: p, id: id, expires: exp, replay: i.config.Replay}, err
	}
	if a.spiffe != nil && a.spiffe.audience != "" && isSVID(t) {
		p, exp, err := a.spiffe.jwtSVID(t)
		// JWT-SVIDs need no jti, and the agent that gives them out may give one to several processes.
		return vouched{principal: p, id: p.Iss + " " + token.AccessTokenHash(raw), expires: exp, replay: ReplayProof, several: a.spiffe.shared, svid: true}, err
	}
	return vouched{}, refuse(CodeIssuerUnknown)
}

// errNobody is the one answer to every credential that is not good.
var errNobody = fmt.Errorf("%w: a valid bearer token of a configured issuer is needed", writ.ErrUnknownUser)

// Schemes of the Authorization header, in lower case.
const (
	schemeBearer = "bearer" // RFC 6750 section 2.1
	schemeDPoP   = "dpop"   // RFC 9449 section 7.1
)

// authorization returns the scheme and the token of the one Authorization header, or no token if there is none of a
// scheme that is known. Tokens in query or form are not looked at: they end up in logs.
func authorization(r *http.Request) (scheme, raw string, err error) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", "", nil
	}
	scheme, raw, _ = strings.Cut(values[0], " ")
	scheme = strings.ToLower(scheme)
	switch {
	case scheme != schemeBearer && scheme != schemeDPoP:
		return "", "", nil
	case len(raw) > MaxToken:
		return "", "", refuse(CodeTokenSize)
	}
	return scheme, raw, nil
}

// bearer returns the token of the one Authorization header of this scheme.
func bearer(r *http.Request) (string, bool) {
	scheme, raw, err := authorization(r)
	return raw, err == nil && scheme == schemeBearer && raw != ""
}
