package authn

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// DevCookie is the session's cookie of a development login. A browser takes a __Host- cookie over HTTPS only, and --dev
// serves plain HTTP on a loopback address, so this one has another name and is never taken outside --dev. Cookies know no
// ports: whatever else this person visits on the same address gets it too.
const DevCookie = "writ-dev-session"

// DevLogin opens a session for whoever holds a person's development key, and returns its cookie. It returns
// writ.ErrUnknownUser outside --dev, for a key that is not good, and for one that stands for anything but a person. The
// session is durable on return, and an entry in the ledger.
func (a *Authenticator) DevLogin(ctx context.Context, r *http.Request, key string) (*http.Cookie, error) {
	p, err := writ.Principal{}, refuse(CodeDevKey)
	if len(a.keys) > 0 && a.sessions != nil && strings.HasPrefix(key, devPrefix) {
		p, err = a.dev(key)
	}
	if err == nil && p.Kind != writ.KindHuman {
		err = refuse(CodeDevKey)
	}
	if p, err = a.answer(ctx, r, p, err); err != nil {
		return nil, err
	}
	raw, digest, err := newSecret(sessionPrefix, rand.Reader)
	if err != nil {
		return nil, err
	}
	s, err := a.sessions.BeginSession(ctx, digest, p, "development key")
	if err != nil {
		return nil, err
	}
	return devCookie(raw, s.Expires.Sub(a.now())), nil
}

// devCookie is like setCookie's, without Secure.
func devCookie(value string, life time.Duration) *http.Cookie {
	return &http.Cookie{Name: DevCookie, Value: value, Path: "/", MaxAge: int(life / time.Second), HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// Leave ends the session of the request's cookie, for all replicas, and returns the cookies that take it out of the
// browser. A request without a session has nothing to end.
func (a *Authenticator) Leave(ctx context.Context, r *http.Request) ([]*http.Cookie, error) {
	if raw, ok := a.cookie(r); ok {
		if err := a.sessions.EndSession(ctx, writ.DigestOf([]byte(raw))); err != nil && !errors.Is(err, writ.ErrNotFound) {
			return nil, err
		}
	}
	gone := []*http.Cookie{{Name: SessionCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}}
	if len(a.keys) > 0 {
		gone = append(gone, devCookie("", -time.Second))
	}
	return gone, nil
}

// cookie returns the token of the one session cookie of a request: that of a login, or, under --dev, of a development
// login.
func (a *Authenticator) cookie(r *http.Request) (string, bool) {
	if a.sessions == nil {
		return "", false
	}
	if raw, ok := cookie(r); ok || len(a.keys) == 0 {
		return raw, ok
	}
	all := r.CookiesNamed(DevCookie)
	if len(all) != 1 || !strings.HasPrefix(all[0].Value, sessionPrefix) {
		return "", false
	}
	return all[0].Value, true
}

// holdsKey reports whether a development key still stands for this person.
func (a *Authenticator) holdsKey(p writ.Principal) bool {
	return slices.ContainsFunc(a.keys, func(k DevKey) bool { return k.Kind == p.Kind && k.Sub == p.Sub })
}
