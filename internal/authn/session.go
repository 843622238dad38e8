package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/writ-dev/writ"
)

// Sessions keep who is logged in. Only digests of tokens reach them, so that whoever reads their table can be nobody.
// They are shared by all replicas, and what a method reports as done is durable.
//
// Session returns whose session the token of this digest is, and counts as its use; writ.ErrNotFound when there is none,
// and writ.ErrStale when it was too old or idle for too long. BeginUnder begins one that ends with the login of parent,
// whoever or whatever ends that; a login that is not good or not who's is writ.ErrNotFound or writ.ErrStale.
type Sessions interface {
	BeginSession(ctx context.Context, token writ.Digest, who writ.Principal, way string) (writ.Session, error)
	BeginUnder(ctx context.Context, token, parent writ.Digest, who writ.Principal, way string) (writ.Session, error)
	Session(ctx context.Context, token writ.Digest) (writ.Principal, error)
	EndSession(ctx context.Context, token writ.Digest) error
	Codes
}

// Codes are kept for a minute and taken once: TakeCode returns writ.ErrNotFound for one that is not there.
type Codes interface {
	KeepCode(ctx context.Context, code writ.Digest, who writ.Principal, challenge string) error
	TakeCode(ctx context.Context, code writ.Digest) (who writ.Principal, challenge string, err error)
}

const (
	// sessionPrefix lets secret scanners find a session's token.
	sessionPrefix = "writses_"
	sessionRandom = 32
	// SessionCookie can be set by this host alone, for all its paths, over HTTPS (RFC 6265bis section 4.1.3.2).
	SessionCookie = "__Host-writ"
)

// newSecret returns prefix with 32 random bytes, and the digest that may be kept.
func newSecret(prefix string, random io.Reader) (string, writ.Digest, error) {
	b := make([]byte, sessionRandom)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", writ.Digest{}, fmt.Errorf("session: %w", err)
	}
	s := prefix + base64.RawURLEncoding.EncodeToString(b)
	return s, writ.DigestOf([]byte(s)), nil
}

// session returns whose session a token is.
func (a *Authenticator) session(ctx context.Context, raw string) (writ.Principal, error) {
	return a.sessionOf(ctx, raw, sessionPrefix)
}

// sessionOf returns whose session a token with this prefix is.
func (a *Authenticator) sessionOf(ctx context.Context, raw, prefix string) (writ.Principal, error) {
	random, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimPrefix(raw, prefix))
	if err != nil || len(random) != sessionRandom || a.sessions == nil {
		return writ.Principal{}, refuse(CodeSession)
	}
	p, err := a.sessions.Session(ctx, writ.DigestOf([]byte(raw)))
	switch {
	case errors.Is(err, writ.ErrNotFound):
		return writ.Principal{}, refuse(CodeSession)
	case errors.Is(err, writ.ErrStale):
		return writ.Principal{}, refuse(CodeSessionExpired)
	case err != nil:
		return writ.Principal{}, refuseBecause(CodeMemory, err)
	}
	// An issuer that is not configured any more, or not for people, ends its people's sessions; so does a key's end.
	if p.Iss == DevIssuer && a.holdsKey(p) {
		return p, nil
	}
	if i, ok := a.issuers[p.Iss]; !ok || i.config.Kind != p.Kind {
		return writ.Principal{}, from(p.Iss, refuse(CodeIssuerUnknown))
	}
	return p, nil
}

// cookie returns the token of the session's cookie, if the request has exactly one.
func cookie(r *http.Request) (string, bool) {
	all := r.CookiesNamed(SessionCookie)
	if len(all) != 1 || !strings.HasPrefix(all[0].Value, sessionPrefix) {
		return "", false
	}
	return all[0].Value, true
}
