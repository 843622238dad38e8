package veto_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/veto"
)

// pdp is a decision point for these tests: a real HTTPS server that answers as it is told.
func pdp(t *testing.T, answer http.HandlerFunc) veto.Config {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return veto.Config{URL: s.URL, Roots: roots, Token: "for-the-pdp", Timeout: veto.MaxTimeout}
}

func says(status int, kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

var question = veto.Question{Subject: veto.Entity{Type: "agent", ID: "i|a"}, Action: veto.Action{Name: "playbook/x"}, Resource: veto.Entity{Type: "service", ID: "shop"}}

// Pitfall 16: only a plain true permits.
func TestPitfall16OnlyAPlainTruePermits(t *testing.T) {
	const js = "application/json"
	for name, row := range map[string]struct {
		answer    http.HandlerFunc
		permitted bool
		failed    bool
	}{
		"true":                        {says(200, js, `{"decision":true}`), true, false},
		"true with more":              {says(200, js, `{"decision":true,"context":{"reason":"x","obligations":[]},"x":1}`), true, false},
		"false":                       {says(200, js, `{"decision":false,"context":{"obligations":[{"id":"x"}]}}`), false, false},
		"an obligation":               {says(200, js, `{"decision":true,"context":{"obligations":[{"id":"log-it"}]}}`), false, true},
		"an obligation of no form":    {says(200, js, `{"decision":true,"context":{"obligations":{}}}`), false, true},
		"a word":                      {says(200, js, `{"decision":"true"}`), false, true},
		"a number":                    {says(200, js, `{"decision":1}`), false, true},
		"no decision":                 {says(200, js, `{"result":true}`), false, true},
		"a decision in other letters": {says(200, js, `{"Decision":true}`), false, true},
		"two decisions":               {says(200, js, `{"decision":false,"decision":true}`), false, true},
		"nothing":                     {says(200, js, ``), false, true},
		"a list":                      {says(200, js, `[true]`), false, true},
		"another type":                {says(200, "text/html", `{"decision":true}`), false, true},
		"an error with a true":        {says(500, js, `{"decision":true}`), false, true},
		"another success":             {says(201, js, `{"decision":true}`), false, true},
		"a flood":                     {says(200, js, `{"decision":true,"x":"`+strings.Repeat("x", 1<<17)+`"}`), false, true},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/yes" {
				says(200, js, `{"decision":true}`)(w, r)
				return
			}
			http.Redirect(w, r, "/yes", http.StatusTemporaryRedirect)
		}, false, true},
		"a cut wire": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, true},
	} {
		got, err := veto.New(pdp(t, row.answer)).Permits(t.Context(), question)
		if got != row.permitted || (err != nil) != row.failed {
			t.Errorf("%s: %t, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "for-the-pdp") {
			t.Errorf("%s: the error shows the token: %v", name, err)
		}
	}
}

func TestPitfall16NoAnswerInTimeIsNoPermission(t *testing.T) {
	c := pdp(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done() // until the client has given up
	})
	c.Timeout = 50 * time.Millisecond
	if got, err := veto.New(c).Permits(t.Context(), question); got || err == nil {
		t.Errorf("%t, %v", got, err)
	}
	c.URL = "https://127.0.0.1:1/"
	if got, err := veto.New(c).Permits(t.Context(), question); got || err == nil {
		t.Errorf("nobody listens: %t, %v", got, err)
	}
	c = pdp(t, says(200, "application/json", `{"decision":true}`))
	c.Roots = x509.NewCertPool()
	if got, err := veto.New(c).Permits(t.Context(), question); got || err == nil {
		t.Errorf("a certificate of nobody: %t, %v", got, err)
	}
}

func TestTheDecisionPointIsToldNames(t *testing.T) {
	var got map[string]any
	c := pdp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer for-the-pdp" || r.Method != http.MethodPost {
			w.WriteHeader(401)
			return
		}
		json.NewDecoder(r.Body).Decode(&got)
		says(200, "application/json", `{"decision":true}`)(w, r)
	})
	if ok, err := veto.New(c).Permits(t.Context(), question); !ok || err != nil {
		t.Fatalf("%t, %v", ok, err)
	}
	if want := "map[action:map[name:playbook/x] resource:map[id:shop type:service] subject:map[id:i|a type:agent]]"; fmt.Sprint(got) != want {
		t.Errorf("%v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"decision":true}`, `{"decision":false}`, `{"decision":true,"context":{"obligations":[1]}}`, `{"decision":true,"decision":false}`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ok, err := veto.Parse(b)
		if ok && (err != nil || !strings.Contains(string(b), "decision") || !strings.Contains(string(b), "true")) {
			t.Errorf("%q permits: %v", b, err)
		}
	})
}
