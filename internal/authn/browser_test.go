package authn_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// logins keeps sessions in memory.
type logins struct {
	authn.Sessions
	mu   sync.Mutex
	open map[string]writ.Principal
}

func (l *logins) BeginSession(_ context.Context, token writ.Digest, who writ.Principal, _ string) (writ.Session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[token.String()] = who
	return writ.Session{Expires: time.Now().Add(time.Hour)}, nil
}

func (l *logins) BeginUnder(ctx context.Context, token, parent writ.Digest, who writ.Principal, way string) (writ.Session, error) {
	if p, err := l.Session(ctx, parent); err != nil || p != who {
		return writ.Session{}, writ.ErrNotFound
	}
	return l.BeginSession(ctx, token, who, way)
}

func (l *logins) Session(_ context.Context, token writ.Digest) (writ.Principal, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p, ok := l.open[token.String()]; ok {
		return p, nil
	}
	return writ.Principal{}, writ.ErrNotFound
}

func (l *logins) EndSession(_ context.Context, token writ.Digest) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, token.String())
	return nil
}

// devices are an authenticator under --dev, or not, with the keys of a person and an agent.
func devices(t *testing.T, dev bool, sessions *logins) (a *authn.Authenticator, person, agent string) {
	t.Helper()
	c := authn.Config{Dev: dev, Now: time.Now, Sessions: sessions, Issuers: []authn.Issuer{{URL: "https://idp.example", Audience: "writ", Kind: writ.KindHuman, Algorithms: []string{"RS256"}}}}
	for sub, k := range map[string]struct {
		kind writ.Kind
		to   *string
	}{"you": {writ.KindHuman, &person}, "repair": {writ.KindAgent, &agent}} {
		token, hash, err := authn.NewDevToken(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		*k.to = token
		if dev {
			c.Keys = append(c.Keys, authn.DevKey{Hash: hash, Kind: k.kind, Sub: sub})
		}
	}
	a, err := authn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a, person, agent
}

func TestADevelopmentLoginIsAPersonsAndEndsWhenTheyLeave(t *testing.T) {
	a, person, agent := devices(t, true, &logins{open: map[string]writ.Principal{}})
	r := httptest.NewRequest("GET", "/", nil)
	if _, err := a.DevLogin(t.Context(), r, agent); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("an agent's key logs in: %v", err)
	}
	if _, err := a.DevLogin(t.Context(), r, person+"x"); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("another key logs in: %v", err)
	}
	c, err := a.DevLogin(t.Context(), r, person)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != authn.DevCookie || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Secure {
		t.Errorf("the cookie is %v", c)
	}
	r.AddCookie(c)
	p, err := a.Principal(t.Context(), r)
	if err != nil || p != (writ.Principal{Kind: writ.KindHuman, Iss: authn.DevIssuer, Sub: "you"}) {
		t.Fatalf("%v, %v", p, err)
	}
	if _, err := a.Leave(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Principal(t.Context(), r); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("after leaving: %v", err)
	}
}

func TestOutsideDevelopmentNeitherItsKeyNorItsCookieCounts(t *testing.T) {
	const token = "writses_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	somebody := writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.example", Sub: "somebody"}
	a, person, _ := devices(t, false, &logins{open: map[string]writ.Principal{writ.DigestOf([]byte(token)).String(): somebody}})
	r := httptest.NewRequest("GET", "/", nil)
	if _, err := a.DevLogin(t.Context(), r, person); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("a development key logs in: %v", err)
	}
	// Even a good token is not looked at in a cookie that other hosts and plain HTTP could have set.
	r.AddCookie(&http.Cookie{Name: authn.DevCookie, Value: token})
	if _, err := a.Principal(t.Context(), r); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("%v", err)
	}
}

func TestALoginGoesOnToPagesOfThisHostOnly(t *testing.T) {
	for to, good := range map[string]bool{
		"/": true, "/plans/pln_01JDB4A2Q7N5S3J8E6X0F4G1MB": true, "/ledger?from=7": true,
		"": false, "//evil.example": false, "/\\evil.example": false, "https://evil.example": false, "plans": false, "/a b": false, "/\r\nX: y": false,
		"/\tx": false, "javascript:alert(1)": false,
	} {
		if authn.IsPage(to) != good {
			t.Errorf("IsPage(%q) is %t", to, !good)
		}
	}
}

func FuzzIsPage(f *testing.F) {
	for _, s := range []string{"/", "/plans?state=waiting", "//evil.example", "/\\evil.example", "/%2f/evil.example", "/a#b", "/..//evil.example"} {
		f.Add(s)
	}
	base, err := url.Parse("https://writ.test/login/callback")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !authn.IsPage(s) {
			return
		}
		u, err := base.Parse(s)
		if err != nil || u.Scheme != "https" || u.Host != "writ.test" || u.User != nil {
			t.Fatalf("%q leads to %v, %v", s, u, err)
		}
	})
}
