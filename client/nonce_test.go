package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/token"
)

// A nonceServer asks for its nonce in each proof, at its token endpoint and at a resource.
type nonceServer struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	nonce  string // the newest; "" takes none
	next   string // given with the next answer that is none for want of a nonce
	calls  []string
	broken bool // it asks for one whatever comes
	bodies []string
}

func newNonceServer(t *testing.T) (*nonceServer, *client.Client) {
	t.Helper()
	s := &nonceServer{t: t, nonce: "n-1"}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	key, err := client.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(s.URL, client.Config{ExternalURL: fakeExternal, Source: &client.Source{Key: key, Assertion: func(context.Context) (string, error) { return "platform", nil }}})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// good reports whether the proof has the nonce of now.
func (s *nonceServer) good(r *http.Request, held string) bool {
	want := token.WantProof{Method: r.Method, URL: fakeExternal + r.URL.Path, Token: held, Now: time.Now(), Life: token.ProofLife}
	if s.nonce != "" {
		want.Nonces = &token.Nonces{Required: true, Good: func(nonce, _ string) (bool, error) { return nonce == s.nonce && !s.broken, nil }}
	}
	var err error
	if held == "" {
		_, _, err = token.ReadBareProof(r.Header.Get("DPoP"), want)
	} else {
		_, _, err = token.ReadProof(r.Header.Get("DPoP"), want)
	}
	return err == nil
}

func (s *nonceServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	held := strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP ")
	ok := s.good(r, held)
	s.calls = append(s.calls, fmt.Sprint(r.URL.Path, " ", ok))
	s.bodies = append(s.bodies, string(body))
	w.Header().Set("Content-Type", "application/json")
	if ok && s.next != "" {
		s.nonce, s.next = s.next, ""
		w.Header().Set("DPoP-Nonce", s.nonce)
	}
	switch {
	case !ok && s.nonce != "":
		w.Header().Set("DPoP-Nonce", s.nonce)
		if r.URL.Path == "/token" {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":"use_dpop_nonce","error_description":"a nonce is needed"}`)
			return
		}
		w.Header().Add("WWW-Authenticate", `DPoP realm="x", error="use_dpop_nonce"`)
		w.Header().Add("WWW-Authenticate", `Bearer realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code":"unauthenticated","detail":"no"}`)
	case !ok && r.URL.Path == "/token":
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":"invalid_dpop_proof"}`)
	case !ok:
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code":"unauthenticated","detail":"no"}`)
	case r.URL.Path == "/token":
		io.WriteString(w, `{"access_token":"token","token_type":"DPoP","expires_in":600}`)
	default:
		io.WriteString(w, `{}`)
	}
}

// wants demands the calls since the last time: path, and whether the proof was taken.
func (s *nonceServer) wants(what string, calls ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.calls, ", "); got != strings.Join(calls, ", ") {
		s.t.Errorf("%s: %s, want %v", what, got, calls)
	}
	s.calls = nil
}

func (s *nonceServer) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// RFC 9449 sections 8 and 9: a call that lacks a nonce is sent once more with the one that came, and the newest goes into each
// proof from then on.
func TestRFC9449ACallIsSentOnceMoreWithTheNonceThatWasAskedFor(t *testing.T) {
	s, c := newNonceServer(t)
	propose := func() error {
		_, err := c.Propose(t.Context(), writ.Ask{Playbook: "restart", Because: "the same body twice"})
		return err
	}
	if err := propose(); err != nil {
		t.Fatal(err)
	}
	s.wants("the first call", "/token false", "/token true", "/v1/proposals true")
	s.change(func() { s.nonce = "n-2" })
	if err := propose(); err != nil {
		t.Fatal(err)
	}
	s.wants("after the nonce has ended", "/v1/proposals false", "/v1/proposals true")
	if n := len(s.bodies); s.bodies[n-1] != s.bodies[n-2] || !strings.Contains(s.bodies[n-1], "the same body twice") {
		t.Errorf("another body came the second time: %q", s.bodies[n-2:])
	}
	s.change(func() { s.next = "n-3" })
	for range 2 {
		if err := propose(); err != nil {
			t.Fatal(err)
		}
	}
	s.wants("a nonce that came with a success is used", "/v1/proposals true", "/v1/proposals true")
	s.change(func() { s.nonce = "" })
	if err := propose(); err != nil {
		t.Fatal(err)
	}
	s.wants("a server that takes none any more", "/v1/proposals false", "/token true", "/v1/proposals true")
}

func TestRFC9449AServerThatAsksWithoutEndIsAskedTwice(t *testing.T) {
	s, c := newNonceServer(t)
	s.broken = true
	if _, err := c.Propose(t.Context(), writ.Ask{}); writ.ReasonOf(err) != "use_dpop_nonce" {
		t.Errorf("%v", err)
	}
	s.wants("the token endpoint", "/token false", "/token false")
	s.change(func() { s.nonce = "n-2" })
	if _, err := c.Propose(t.Context(), writ.Ask{}); writ.ReasonOf(err) != "use_dpop_nonce" {
		t.Errorf("%v", err)
	}
	s.wants("with a newer nonce", "/token false", "/token false")
}

// What is no nonce by its form is not sent back.
func TestANonceOfAnotherFormIsNotKept(t *testing.T) {
	s, c := newNonceServer(t)
	for name, nonce := range map[string]string{"too long": strings.Repeat("n", 257), "a space": "a b", "a quote": `a"b`} {
		s.change(func() { s.nonce = nonce })
		if _, err := c.Propose(t.Context(), writ.Ask{}); writ.ReasonOf(err) != "use_dpop_nonce" {
			t.Errorf("%s: %v", name, err)
		}
		s.wants(name, "/token false")
	}
}
