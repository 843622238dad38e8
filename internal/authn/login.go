package authn

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/writ-dev/writ"
)

// A Login is the client as which people log in at one of the issuers: the authorization code flow with PKCE (RFC 7636).
type Login struct {
	Issuer string // one of the issuers, of kind human, whose audience is ClientID
	Client string
	Secret string   // empty for a public client
	Scopes []string // beside openid and profile, such as groups where the issuer gives that claim only when asked
}

// Paths of the login, below the external URL.
const (
	PathLogin    = "/login"
	PathCallback = "/login/callback"
	PathToken    = "/login/token"
	PathLogout   = "/logout"
)

const (
	// loginCookie keeps the secret of a login that is under way.
	loginCookie = "__Host-writ-login"
	// loginTime is how long a person may take at the issuer.
	loginTime = 10 * time.Minute
	// maxForm bounds the body of a login's requests.
	maxForm = 4 << 10
	// maxPage bounds the page to go on to: it is kept in a cookie, and ours are shorter.
	maxPage = 300
	// rediscover is the least time between two tries to find an issuer's endpoints.
	rediscover = 10 * time.Second
)

// A login serves the four paths.
type login struct {
	a      *Authenticator
	config Login
	issuer *issuer

	mu     sync.Mutex // guards what follows
	tried  time.Time
	client *oauth2.Config // nil until discovery succeeded
}

// LoginHandler returns the handler of the login's paths, or an error if what is configured does not fit together.
func (a *Authenticator) LoginHandler(c Login) (http.Handler, error) {
	i := a.issuers[c.Issuer]
	switch {
	case i == nil || i.config.Kind != writ.KindHuman || i.config.Audience != c.Client || len(i.config.Workloads) > 0:
		return nil, fmt.Errorf("%w: login: the issuer must be one of issuers, of kind human, with the client as its audience", writ.ErrInvalid)
	case a.sessions == nil || a.external == "":
		return nil, fmt.Errorf("%w: login: sessions and the external URL are needed", writ.ErrInvalid)
	}
	l := &login{a: a, config: c, issuer: i}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PathLogin, l.begin)
	mux.HandleFunc("GET "+PathCallback, l.callback)
	mux.HandleFunc("POST "+PathToken, l.token)
	mux.HandleFunc("POST "+PathLogout, l.logout)
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		mux.ServeHTTP(w, r)
	})), nil
}

// An attempt is one login under way. Its secret is known to one browser alone; state, nonce and the PKCE verifier are
// each a digest of it, so that none of the three tells another and nothing is kept on this side.
type attempt struct {
	Secret    string
	Port      int    `json:",omitempty"` // of the command line's listener on the person's machine; 0 for a browser
	Challenge string `json:",omitempty"` // of the command line's own verifier
	To        string `json:",omitempty"` // the page that a browser goes on to
}

func (t attempt) part(name string) string {
	sum := sha256.Sum256([]byte("writ login " + name + " " + t.Secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// begin sends the browser to the issuer.
func (l *login) begin(w http.ResponseWriter, r *http.Request) {
	t := attempt{Secret: rand.Text() + rand.Text()}
	if q := r.URL.Query(); q.Has("port") || q.Has("challenge") {
		// RFC 8252 section 7.3: back to a loopback address of any port.
		port, err := strconv.Atoi(q.Get("port"))
		if err != nil || port < 1 || port > 65535 || !isDigest(q.Get("challenge")) {
			http.Error(w, "port and challenge must be those of the command line", http.StatusBadRequest)
			return
		}
		t.Port, t.Challenge = port, q.Get("challenge")
	} else if to := q.Get("to"); IsPage(to) {
		t.To = to
	}
	c, err := l.endpoints(r.Context())
	if err != nil {
		http.Error(w, "the identity provider cannot be reached; try again", http.StatusServiceUnavailable)
		return
	}
	b, err := json.Marshal(t)
	if err != nil {
		http.Error(w, "something went wrong inside Writ", http.StatusInternalServerError)
		return
	}
	setCookie(w, loginCookie, base64.RawURLEncoding.EncodeToString(b), loginTime)
	http.Redirect(w, r, c.AuthCodeURL(t.part("state"), oidc.Nonce(t.part("nonce")), oauth2.S256ChallengeOption(t.part("verifier"))), http.StatusSeeOther)
}

// IsPage reports whether a browser may be sent to a path after its login: one of this host, whatever wrote the link.
func IsPage(to string) bool {
	u, err := url.ParseRequestURI(to)
	return err == nil && len(to) <= maxPage && u.Scheme == "" && u.Host == "" && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//") &&
		!strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' })
}

// isDigest reports whether s has the form of a SHA-256 in base64url.
func isDigest(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// callback takes the code that the issuer gave to the browser.
func (l *login) callback(w http.ResponseWriter, r *http.Request) {
	setCookie(w, loginCookie, "", -1) // whatever comes of it, an attempt counts once
	who, t, err := l.person(r)
	if err == nil {
		_, err = l.a.answer(r.Context(), r, who, nil)
	} else {
		l.a.refusals.tell(r.Context(), r, from(l.config.Issuer, err))
	}
	if err != nil {
		http.Error(w, "you are not logged in; begin again at "+l.a.external+PathLogin, http.StatusUnauthorized)
		return
	}
	if t.Port != 0 {
		l.back(w, r, who, t)
		return
	}
	if old, ok := cookie(r); ok { // the token is renewed, and the old one is worth nothing
		if err := l.a.sessions.EndSession(r.Context(), writ.DigestOf([]byte(old))); err != nil && !errors.Is(err, writ.ErrNotFound) {
			http.Error(w, "the session cannot be kept; try again", http.StatusServiceUnavailable)
			return
		}
	}
	raw, s, err := l.open(r.Context(), who, "browser")
	if err != nil {
		http.Error(w, "the session cannot be kept; try again", http.StatusServiceUnavailable)
		return
	}
	setCookie(w, SessionCookie, raw, s.Expires.Sub(l.a.now()))
	if t.To != "" {
		http.Redirect(w, r, t.To, http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "You are logged in as %s until %s.\n", writ.Printable(who.Sub, maxSubject), s.Expires.UTC().Format(time.RFC3339))
}

// person checks the callback and returns who logged in.
func (l *login) person(r *http.Request) (writ.Principal, attempt, error) {
	var t attempt
	kept := r.CookiesNamed(loginCookie)
	if len(kept) != 1 {
		return writ.Principal{}, t, refuse(CodeLoginState)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(kept[0].Value)
	if err != nil || json.Unmarshal(b, &t) != nil || t.Secret == "" {
		return writ.Principal{}, t, refuse(CodeLoginState)
	}
	q := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(t.part("state"))) != 1 {
		return writ.Principal{}, t, refuse(CodeLoginState)
	}
	if q.Has("iss") && q.Get("iss") != l.config.Issuer {
		return writ.Principal{}, t, refuse(CodeLoginIssuer)
	}
	raw, err := l.exchange(r.Context(), q.Get("code"), t.part("verifier"))
	if err != nil {
		return writ.Principal{}, t, refuseBecause(CodeLoginCode, errors.New("no ID token came for the code"))
	}
	parsed, ok := parseJWT(raw)
	if !ok {
		return writ.Principal{}, t, refuse(CodeTokenForm)
	}
	who, _, err := l.issuer.principal(r.Context(), parsed)
	if err != nil {
		return writ.Principal{}, t, err
	}
	nonce, ok := parsed.text("nonce", maxSubject)
	if !ok || subtle.ConstantTimeCompare([]byte(nonce), []byte(t.part("nonce"))) != 1 {
		return writ.Principal{}, t, refuse(CodeLoginNonce)
	}
	if err := l.a.note(r.Context(), l.issuer, parsed, who); err != nil {
		return writ.Principal{}, t, err
	}
	return who, t, nil
}

// exchange turns the code into an ID token. Its errors may hold what the issuer said, and are not shown.
func (l *login) exchange(ctx context.Context, code, verifier string) (string, error) {
	c, err := l.endpoints(ctx)
	if err != nil {
		return "", err
	}
	if code == "" {
		return "", errors.New("no code")
	}
	got, err := c.Exchange(oidc.ClientContext(ctx, l.issuer.keys.client), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return "", err
	}
	raw, _ := got.Extra("id_token").(string)
	if raw == "" || len(raw) > MaxToken {
		return "", errors.New("no ID token")
	}
	return raw, nil
}

// endpoints does discovery once it succeeds, and at most every ten seconds until then.
func (l *login) endpoints(ctx context.Context) (*oauth2.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.a.now()
	switch {
	case l.client != nil:
		return l.client, nil
	case !l.tried.IsZero() && now.Sub(l.tried) < rediscover:
		return nil, writ.ErrUnavailable
	}
	l.tried = now
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), l.issuer.keys.client), l.config.Issuer)
	if err != nil {
		return nil, err
	}
	at := p.Endpoint()
	if !fetchable(at.TokenURL, l.issuer.keys.dev) || !fetchable(at.AuthURL, l.issuer.keys.dev) {
		return nil, fmt.Errorf("%w: the issuer's endpoints are not https:// URLs", writ.ErrInvalid)
	}
	l.client = &oauth2.Config{
		ClientID: l.config.Client, ClientSecret: l.config.Secret, Endpoint: at, RedirectURL: l.a.external + PathCallback, Scopes: append([]string{oidc.ScopeOpenID, "profile"}, l.config.Scopes...),
	}
	return l.client, nil
}

// open begins a session under a new token.
func (l *login) open(ctx context.Context, who writ.Principal, way string) (string, writ.Session, error) {
	raw, digest, err := newSecret(sessionPrefix, rand.Reader)
	if err != nil {
		return "", writ.Session{}, err
	}
	s, err := l.a.sessions.BeginSession(ctx, digest, who, way)
	return raw, s, err
}

// back sends the browser to the command line's listener with a code, which is worth nothing without the verifier that
// the command line kept (RFC 8252 section 8.1).
func (l *login) back(w http.ResponseWriter, r *http.Request, who writ.Principal, t attempt) {
	code, digest, err := newSecret("", rand.Reader)
	if err == nil {
		err = l.a.sessions.KeepCode(r.Context(), digest, who, t.Challenge)
	}
	if err != nil {
		http.Error(w, "the session cannot be kept; try again", http.StatusServiceUnavailable)
		return
	}
	http.Redirect(w, r, "http://127.0.0.1:"+strconv.Itoa(t.Port)+"/?"+url.Values{"code": {code}}.Encode(), http.StatusSeeOther)
}

// token gives the command line its session for the code. A code counts once, also with a wrong verifier.
func (l *login) token(w http.ResponseWriter, r *http.Request) {
	var ask struct{ Code, Verifier string }
	body, err := io.ReadAll(r.Body)
	if err != nil || repeats(body) || json.Unmarshal(body, &ask) != nil {
		http.Error(w, "code and verifier are needed", http.StatusBadRequest)
		return
	}
	who, challenge, err := l.a.sessions.TakeCode(r.Context(), writ.DigestOf([]byte(ask.Code)))
	sum := sha256.Sum256([]byte(ask.Verifier))
	if err != nil || subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) != 1 {
		l.a.refusals.tell(r.Context(), r, refuse(CodeLoginCode))
		http.Error(w, "the code is not good; log in again", http.StatusUnauthorized)
		return
	}
	raw, s, err := l.open(r.Context(), who, "command line")
	if err != nil {
		http.Error(w, "the session cannot be kept; try again", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"token": raw, "expires": s.Expires, "iss": who.Iss, "sub": who.Sub})
}

// logout ends the session of the cookie or of the bearer token.
func (l *login) logout(w http.ResponseWriter, r *http.Request) {
	raw, ok := bearer(r)
	if !ok {
		raw, ok = cookie(r)
	}
	if ok && strings.HasPrefix(raw, sessionPrefix) {
		if err := l.a.sessions.EndSession(r.Context(), writ.DigestOf([]byte(raw))); err != nil && !errors.Is(err, writ.ErrNotFound) {
			http.Error(w, "the session cannot be ended; try again", http.StatusServiceUnavailable)
			return
		}
	}
	setCookie(w, SessionCookie, "", -1)
	w.WriteHeader(http.StatusNoContent)
}

// setCookie sets a cookie of this host alone that no script reads, or takes it away with a negative life.
func setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
