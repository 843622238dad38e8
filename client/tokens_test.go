package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/token"
)

// tokenServer stands in for a server with a token endpoint. It checks each proof as the server does, and keeps what it
// was asked.
type tokenServer struct {
	*httptest.Server
	t       *testing.T
	now     func() time.Time
	mu      sync.Mutex
	issued  int
	refused string // the token that is not taken any more
	forms   []map[string][]string
	answer  func(w http.ResponseWriter) bool // of the token endpoint, instead of a token
}

const fakeExternal = "https://writ.example"

func newTokenServer(t *testing.T) *tokenServer {
	s := &tokenServer{t: t, now: time.Now}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	want := token.WantProof{Method: r.Method, URL: fakeExternal + r.URL.Path, Now: s.now(), Life: token.ProofLife}
	if r.URL.Path == "/token" {
		r.ParseForm()
		s.forms = append(s.forms, r.PostForm)
		var err error
		if held := r.PostForm.Get("subject_token"); held == "" {
			_, _, err = token.ReadBareProof(r.Header.Get("DPoP"), want)
		} else {
			want.Token = held
			_, _, err = token.ReadProof(r.Header.Get("DPoP"), want)
		}
		if err != nil {
			s.t.Errorf("the proof of an ask: %v", err)
		}
		if s.answer != nil && s.answer(w) {
			return
		}
		s.issued++
		fmt.Fprintf(w, `{"access_token":"token %d","token_type":"DPoP","expires_in":600,"grant":"gnt_%s","plan":%q,"run":%q}`, s.issued, ulid, apitest.PlanID, apitest.RunID)
		return
	}
	held := strings.TrimPrefix(r.Header.Get("Authorization"), "DPoP ")
	want.Token = held
	if _, _, err := token.ReadProof(r.Header.Get("DPoP"), want); err != nil || held == s.refused {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"code":"unauthenticated","detail":"%v"}`, err)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"items": []any{}})
}

func TestASourceGetsTokensAndProvesEachCall(t *testing.T) {
	s := newTokenServer(t)
	key, err := client.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	s.now = func() time.Time { return now }
	source := &client.Source{Key: key, Now: s.now, Assertion: func(context.Context) (string, error) { return "platform", nil }}
	c, err := client.New(s.URL, client.Config{Source: source, ExternalURL: fakeExternal + "/"})
	if err != nil {
		t.Fatal(err)
	}
	call := func(issued int) {
		t.Helper()
		for _, err := range c.Playbooks(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
		}
		if s.issued != issued {
			t.Errorf("%d tokens were issued, want %d", s.issued, issued)
		}
	}
	call(1)
	call(1)
	if f := s.forms[0]; f["assertion"][0] != "platform" || !strings.HasSuffix(f["grant_type"][0], "jwt-bearer") {
		t.Errorf("%v", f)
	}
	s.refused = "token 1" // revoked, or signed by a key that is gone
	call(2)
	call(2)
	now = now.Add(9*time.Minute - time.Second)
	call(2)
	now = now.Add(time.Second) // a minute before it ends
	call(3)
}

func TestAnExchangeGivesTheGrantOrSaysWhyNot(t *testing.T) {
	s := newTokenServer(t)
	key, err := client.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	source := &client.Source{Key: key, SVID: true, Assertion: func(context.Context) (string, error) { return "svid", nil }}
	c, err := client.New(s.URL, client.Config{Source: source, ExternalURL: fakeExternal + "/"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Exchange(t.Context(), apitest.PlanID, digest, runner)
	if err != nil || got.Token != "token 2" || got.Plan != apitest.PlanID || got.Run != apitest.RunID || got.Grant != "gnt_"+ulid || time.Until(got.Expires) > 10*time.Minute {
		t.Errorf("%+v %v", got, err)
	}
	if f := s.forms[0]; f["client_assertion"][0] != "svid" || !strings.HasSuffix(f["client_assertion_type"][0], "jwt-spiffe") || f["grant_type"][0] != "client_credentials" {
		t.Errorf("%v", f)
	}
	if f := s.forms[1]; f["subject_token"][0] != "token 1" || f["resource"][0] != string(runner) || !strings.Contains(f["authorization_details"][0], digest.String()) {
		t.Errorf("%v", f)
	}
	for name, c2 := range map[string]struct {
		status int
		body   string
		kind   error
		code   writ.Reason
		after  time.Duration
	}{
		"pending":   {400, `{"error":"authorization_pending","code":"authorization_pending","plan":"pln_` + ulid + `"}`, writ.ErrBusy, "authorization_pending", 5 * time.Second},
		"denied":    {400, `{"error":"access_denied","code":"limit","error_description":"too much\u202e"}`, writ.ErrDenied, "limit", 5 * time.Second},
		"no client": {401, `{"error":"invalid_client"}`, writ.ErrUnknownUser, "invalid_client", 5 * time.Second},
		"down":      {503, `{"error":"temporarily_unavailable"}`, writ.ErrUnavailable, "temporarily_unavailable", 5 * time.Second},
		"a page":    {200, `<html>`, writ.ErrUnavailable, "", 0},
		"no token":  {200, `{}`, writ.ErrUnavailable, "", 0},
	} {
		s.answer = func(w http.ResponseWriter) bool {
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(c2.status)
			fmt.Fprint(w, c2.body)
			return true
		}
		_, err := c.Exchange(t.Context(), apitest.PlanID, digest, runner)
		r, _ := errors.AsType[*writ.Refusal](err)
		if !errors.Is(err, c2.kind) || c2.code != "" && (r == nil || r.Code != c2.code || r.After != c2.after || strings.Contains(r.Detail, "\u202e")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAThumbprintIsTheServers(t *testing.T) {
	key, err := client.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client.Thumbprint(&key.PublicKey); err != nil || got != token.Thumbprint(&key.PublicKey) {
		t.Errorf("%s %v", got, err)
	}
	if _, err := client.Thumbprint(nil); err == nil {
		t.Error("the thumbprint of no key")
	}
	for name, c := range map[string]client.Config{
		"no key": {Source: &client.Source{}}, "an SVID that nobody reads": {Source: &client.Source{Key: key, SVID: true}},
		"two ways": {Source: &client.Source{Key: key}, Token: client.Static("x")},
	} {
		if _, err := client.New("https://writ.example", c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
