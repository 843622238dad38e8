package authn_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// codes are logins that keep codes, too.
type codes struct {
	logins
	kept map[string]kept
}

type kept struct {
	who       writ.Principal
	challenge string
}

func (c *codes) KeepCode(_ context.Context, code writ.Digest, who writ.Principal, challenge string) error {
	c.kept[code.String()] = kept{who, challenge}
	return nil
}

func (c *codes) TakeCode(_ context.Context, code writ.Digest) (writ.Principal, string, error) {
	k, ok := c.kept[code.String()]
	delete(c.kept, code.String())
	if !ok {
		return writ.Principal{}, "", writ.ErrNotFound
	}
	return k.who, k.challenge, nil
}

// entrance is the way in at the approving origin, for somebody of an issuer that is configured.
func entrance(t *testing.T, origin string) (*authn.Approving, *authn.Authenticator, *codes, writ.Principal) {
	t.Helper()
	c := &codes{logins{open: map[string]writ.Principal{}}, map[string]kept{}}
	a, err := authn.New(authn.Config{Now: time.Now, Sessions: c, Issuers: []authn.Issuer{{URL: "https://idp.example", Audience: "writ", Kind: writ.KindHuman, Algorithms: []string{"RS256"}}}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Approving(origin)
	if err != nil {
		t.Fatal(err)
	}
	return p, a, c, writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.example", Sub: "kim"}
}

// loggedIn is the cookie of a login at the external URL.
func (c *codes) loggedIn(t *testing.T, who writ.Principal) *http.Cookie {
	t.Helper()
	raw := "writses_" + strings.Repeat("A", 43)
	if _, err := c.BeginSession(t.Context(), writ.DigestOf([]byte(raw)), who, "browser"); err != nil {
		t.Fatal(err)
	}
	return &http.Cookie{Name: authn.SessionCookie, Value: raw}
}

// with is a request with these cookies.
func with(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func TestTheApprovingOriginHasASessionOfItsOwn(t *testing.T) {
	p, a, c, kim := entrance(t, "https://approve.writ.test")
	login := c.loggedIn(t, kim)
	challenge, mine, err := p.Begin("/approve/pln_1")
	if err != nil || !mine.Secure || !mine.HttpOnly || !strings.HasPrefix(mine.Name, "__Host-") {
		t.Fatalf("%v %v", mine, err)
	}
	code, err := p.HandOver(t.Context(), with(login), kim, challenge)
	if err != nil {
		t.Fatal(err)
	}
	set, to, err := p.Enter(t.Context(), with(mine), code)
	if err != nil || to != "/approve/pln_1" {
		t.Fatalf("%s %v", to, err)
	}
	if who, err := p.Principal(t.Context(), with(set[0])); err != nil || who != kim {
		t.Errorf("%v %v", who, err)
	}
	elsewhere := *set[0]
	elsewhere.Name = authn.SessionCookie
	if who, err := a.Principal(t.Context(), with(&elsewhere)); err == nil {
		t.Errorf("its session counts at the external URL, for %v", who)
	}
	if _, _, err := p.Enter(t.Context(), with(mine), code); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("a code counts twice: %v", err)
	}
	if _, err := p.Leave(t.Context(), with(set[0])); err != nil {
		t.Error(err)
	}
	if _, err := p.Principal(t.Context(), with(set[0])); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("it goes on after leaving: %v", err)
	}
}

func TestACodeOfAHandOverIsWorthNothingInAnotherBrowser(t *testing.T) {
	p, _, c, kim := entrance(t, "https://approve.writ.test")
	login := c.loggedIn(t, kim)
	challenge, mine, err := p.Begin("/enrol")
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := p.Begin("/enrol")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*http.Request{"another browser": with(other), "no browser": with()} {
		code, err := p.HandOver(t.Context(), with(login), kim, challenge)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Enter(t.Context(), r, code); !errors.Is(err, writ.ErrUnknownUser) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for code := range c.kept { // that of no browser was not even looked up
		delete(c.kept, code)
	}
	// The code of the command line's login, with the challenge that a browser has the secret of.
	for _, kept := range []string{challenge, writ.DigestOf([]byte(login.Value)).String() + " " + challenge} {
		if err := c.KeepCode(t.Context(), writ.DigestOf([]byte("a code")), kim, kept); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Enter(t.Context(), with(mine), "a code"); !errors.Is(err, writ.ErrUnknownUser) {
			t.Errorf("a code of the command line's login is taken: %v", err)
		}
	}
	if _, err := p.HandOver(t.Context(), with(login), kim, "short"); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("a challenge that is no digest: %v", err)
	}
	if len(c.open) != 1 { // the login itself
		t.Error("a session was opened")
	}
}

func TestACodeIsWorthNothingOnceItsLoginHasEnded(t *testing.T) {
	p, _, c, kim := entrance(t, "https://approve.writ.test")
	challenge, mine, err := p.Begin("/enrol")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.HandOver(t.Context(), with(), kim, challenge); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("without a login: %v", err)
	}
	login := c.loggedIn(t, kim)
	code, err := p.HandOver(t.Context(), with(login), kim, challenge)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.EndSession(t.Context(), writ.DigestOf([]byte(login.Value))); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Enter(t.Context(), with(mine), code); !errors.Is(err, writ.ErrUnknownUser) {
		t.Errorf("its login has ended: %v", err)
	}
	if len(c.open) != 0 {
		t.Error("a session was opened")
	}
}
