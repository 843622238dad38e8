// Package authn turns the credential of a request into a writ.Principal: a bearer token that is either a JWT of a
// configured OpenID Connect issuer or, under --dev only, a development key.
//
// It trusts configuration and nothing else: issuers, key sources, algorithms and the kind of principal that an issuer
// speaks for are pinned. Every refusal is the same sentence, so that a caller learns nothing by trying.
package authn

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// MaxToken bounds a bearer token: 16 KiB is four times the largest ID token of common issuers.
const MaxToken = 16 << 10

// A Config says who may speak. It is checked once, by New.
type Config struct {
	Issuers []Issuer
	Dev     bool     // development keys, and issuers over plain HTTP on this machine, are allowed
	Keys    []DevKey // only with Dev

	Now func() time.Time
	Log *slog.Logger // told when an issuer's keys cannot be fetched, at most once a minute per issuer; may be nil
}

// An Authenticator finds out who speaks. It is safe for concurrent use. Its zero value does not exist; use New.
type Authenticator struct {
	issuers map[string]*issuer
	keys    []DevKey
}

// New checks the configuration. It makes no requests: an issuer's keys are fetched when its first token arrives, so
// that Writ starts while an identity provider is down.
func New(c Config) (*Authenticator, error) {
	if c.Now == nil {
		return nil, fmt.Errorf("%w: authentication: a clock is missing", writ.ErrInvalid)
	}
	if len(c.Issuers) == 0 && len(c.Keys) == 0 {
		return nil, fmt.Errorf("%w: authentication: neither an issuer nor a development key is configured, so nobody could log in", writ.ErrInvalid)
	}
	a := &Authenticator{issuers: map[string]*issuer{}}
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
	if err := checkKeys(c); err != nil {
		return nil, err
	}
	a.keys = append(a.keys, c.Keys...)
	return a, nil
}

// Principal returns who sent r. Every failure is the same writ.ErrUnknownUser, whatever the reason. It may fetch the
// keys of the token's issuer, at most once a minute, and then takes up to fetchTime.
func (a *Authenticator) Principal(ctx context.Context, r *http.Request) (writ.Principal, error) {
	token, ok := bearer(r)
	if !ok {
		return writ.Principal{}, errNobody
	}
	if strings.HasPrefix(token, devPrefix) {
		return a.dev(token)
	}
	t, ok := parseJWT(token)
	if !ok {
		return writ.Principal{}, errNobody
	}
	from, ok := a.issuers[t.iss]
	if !ok {
		return writ.Principal{}, errNobody
	}
	p, ok := from.principal(ctx, t)
	if !ok || !p.Valid() {
		return writ.Principal{}, errNobody
	}
	return p, nil
}

// errNobody is the one answer to every credential that is not good.
var errNobody = fmt.Errorf("%w: a valid bearer token of a configured issuer is needed", writ.ErrUnknownUser)

// bearer returns the token of the one Authorization header (RFC 6750 section 2.1). Tokens in query or form are not
// looked at: they end up in logs.
func bearer(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > MaxToken {
		return "", false
	}
	return token, true
}
