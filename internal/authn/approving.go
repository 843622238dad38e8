package authn

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

const (
	// approvingPrefix tells a session of the approving origin from any other: neither is taken in the other's place.
	approvingPrefix = "writapr_"
	// approvingCookie can be set by the approving origin's host alone, over HTTPS. devApprovingCookie stands for it at
	// http://localhost, where browsers take no __Host- cookie.
	approvingCookie    = "__Host-writ-approve"
	devApprovingCookie = "writ-dev-approve"
	// enterCookie keeps the secret of a hand-over under way, at the approving origin.
	enterCookie    = "__Host-writ-enter"
	devEnterCookie = "writ-dev-enter"
	// approvingCode begins the challenge of a code that is for the approving origin. A code of the command line's login
	// has none, so that neither is worth anything in the other's place.
	approvingCode = "approve "
)

// Approving is the way in at the origin for approving, whose sessions are its own: a person who is logged in at the
// external URL is sent there with a code, which is taken once, within a minute, from the browser that began. It is
// safe for concurrent use.
type Approving struct {
	a      *Authenticator
	secure bool
}

// Approving returns the way in at origin, which approval.CheckOrigin has taken: it is https, or http://localhost.
func (a *Authenticator) Approving(origin string) (*Approving, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || a.sessions == nil {
		return nil, fmt.Errorf("%w: approving: sessions and an origin are needed", writ.ErrInvalid)
	}
	return &Approving{a, u.Scheme == "https"}, nil
}

// Begin returns the challenge of a new hand-over, and the cookie that keeps its secret in the browser. to is the page to
// go on to.
func (p *Approving) Begin(to string) (challenge string, kept *http.Cookie, err error) {
	t := attempt{Secret: rand.Text() + rand.Text()}
	if IsPage(to) {
		t.To = to
	}
	b, err := json.Marshal(t)
	if err != nil {
		return "", nil, err
	}
	return t.part("approve"), p.cookie(enterCookie, base64.RawURLEncoding.EncodeToString(b), loginTime), nil
}

// HandOver returns a code for the browser that has the secret of challenge, under the login whose cookie r has, which is
// who's. It is good once, within a minute, and kept as a digest. A challenge of another form is writ.ErrInvalid.
func (p *Approving) HandOver(ctx context.Context, r *http.Request, who writ.Principal, challenge string) (string, error) {
	if !isDigest(challenge) {
		return "", fmt.Errorf("%w: challenge must be the one that the approving origin sent", writ.ErrInvalid)
	}
	login, ok := p.a.cookie(r)
	if !ok {
		_, err := p.a.answer(ctx, r, who, refuse(CodeSession))
		return "", err
	}
	code, digest, err := newSecret("", rand.Reader)
	if err != nil {
		return "", err
	}
	return code, p.a.sessions.KeepCode(ctx, digest, who, approvingCode+writ.DigestOf([]byte(login)).String()+" "+challenge)
}

// Enter takes the code of a hand-over from the browser that began it, and returns the session's cookies and the page to go
// on to. The session is durable on return, and an entry in the ledger. A code counts once, also without the secret;
// one that is not good is writ.ErrUnknownUser.
func (p *Approving) Enter(ctx context.Context, r *http.Request, code string) (set []*http.Cookie, to string, err error) {
	who, login, t, err := p.taken(ctx, r, code)
	if who, err = p.a.answer(ctx, r, who, err); err != nil {
		return nil, "", err
	}
	if err := p.end(ctx, r); err != nil { // the token is renewed, and the old one is worth nothing
		return nil, "", err
	}
	raw, digest, err := newSecret(approvingPrefix, rand.Reader)
	if err != nil {
		return nil, "", err
	}
	s, err := p.a.sessions.BeginUnder(ctx, digest, login, who, "approving")
	if errors.Is(err, writ.ErrNotFound) || errors.Is(err, writ.ErrStale) { // whoever logged in has logged out since
		_, err = p.a.answer(ctx, r, who, refuse(CodeSessionExpired))
	}
	if err != nil {
		return nil, "", err
	}
	if to = t.To; to == "" {
		to = "/"
	}
	return []*http.Cookie{p.cookie(approvingCookie, raw, s.Expires.Sub(p.a.now())), p.cookie(enterCookie, "", -time.Second)}, to, nil
}

// taken returns whose code it is, and the digest of the login under which it was given.
func (p *Approving) taken(ctx context.Context, r *http.Request, code string) (who writ.Principal, login writ.Digest, t attempt, err error) {
	cookies := r.CookiesNamed(p.name(enterCookie))
	if len(cookies) != 1 || code == "" {
		return who, login, t, refuse(CodeLoginState)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cookies[0].Value)
	if err != nil || json.Unmarshal(b, &t) != nil || t.Secret == "" || t.To != "" && !IsPage(t.To) {
		return who, login, t, refuse(CodeLoginState)
	}
	who, kept, err := p.a.sessions.TakeCode(ctx, writ.DigestOf([]byte(code)))
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return who, login, t, refuseBecause(CodeMemory, err)
	}
	under, challenge, _ := strings.Cut(strings.TrimPrefix(kept, approvingCode), " ")
	if err == nil && strings.HasPrefix(kept, approvingCode) {
		login, err = writ.ParseDigest(under)
	}
	if err != nil || login.IsZero() || subtle.ConstantTimeCompare([]byte(challenge), []byte(t.part("approve"))) != 1 {
		return who, login, t, refuse(CodeLoginCode)
	}
	return who, login, t, nil
}

// Principal returns whose session at the approving origin r comes with, or writ.ErrUnknownUser. No other credential
// counts there.
func (p *Approving) Principal(ctx context.Context, r *http.Request) (writ.Principal, error) {
	raw, ok := p.token(r)
	if !ok {
		return writ.Principal{}, errNobody
	}
	who, err := p.a.sessionOf(ctx, raw, approvingPrefix)
	return p.a.answer(ctx, r, who, err)
}

// Leave ends the session of the request's cookie, for all replicas, and returns what takes the cookie out of the browser.
func (p *Approving) Leave(ctx context.Context, r *http.Request) ([]*http.Cookie, error) {
	return []*http.Cookie{p.cookie(approvingCookie, "", -time.Second)}, p.end(ctx, r)
}

func (p *Approving) end(ctx context.Context, r *http.Request) error {
	raw, ok := p.token(r)
	if !ok {
		return nil
	}
	if err := p.a.sessions.EndSession(ctx, writ.DigestOf([]byte(raw))); err != nil && !errors.Is(err, writ.ErrNotFound) {
		return err
	}
	return nil
}

// token returns the token of the one session cookie of a request.
func (p *Approving) token(r *http.Request) (string, bool) {
	all := r.CookiesNamed(p.name(approvingCookie))
	if len(all) != 1 || !strings.HasPrefix(all[0].Value, approvingPrefix) {
		return "", false
	}
	return all[0].Value, true
}

// name is a cookie's name at this origin.
func (p *Approving) name(cookie string) string {
	switch {
	case p.secure:
		return cookie
	case cookie == enterCookie:
		return devEnterCookie
	}
	return devApprovingCookie
}

// cookie is one of this host alone that no script reads. Lax, since the hand-over comes from another site.
func (p *Approving) cookie(name, value string, life time.Duration) *http.Cookie {
	return &http.Cookie{Name: p.name(name), Value: value, Path: "/", MaxAge: int(life / time.Second), Secure: p.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
