package authn_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// One cause, one code, and the caller learns none of them: wantCode demands the one sentence, too.
func TestEveryCauseHasItsOwnCodeInTheLogAlone(t *testing.T) {
	s, c := newServer(t), newClock()
	a := authenticator(t, c, s.issuer(writ.KindHuman))
	now := c.Now()
	with := func(name string, v any) string { return s.sign("first", s.claims(now, map[string]any{name: v}), nil) }
	genuine := with("x", "y")
	part := strings.Split(genuine, ".")
	other := strings.Split(with("x", "z"), ".")
	wrong := authenticator(t, c, func() authn.Issuer { i := s.issuer(writ.KindHuman); i.Algorithms = []string{"RS256"}; return i }())
	for name, row := range map[string]struct {
		a     *authn.Authenticator
		token string
		code  authn.Code
	}{
		"nothing":       {a, "", authn.CodeCredentialMissing},
		"no key":        {a, "writdev_x", authn.CodeDevKey},
		"not a token":   {a, "hello", authn.CodeTokenForm},
		"a DPoP proof":  {a, s.sign("first", s.claims(now, nil), map[string]any{"typ": "dpop+jwt"}), authn.CodeTokenForm},
		"no issuer":     {a, with("iss", nil), authn.CodeIssuerUnknown},
		"a stranger's":  {a, with("iss", "https://other.example"), authn.CodeIssuerUnknown},
		"an algorithm":  {wrong, genuine, authn.CodeAlgorithm},
		"an unknown id": {a, s.sign("first", s.claims(now, nil), map[string]any{"kid": "x"}), authn.CodeKeyUnknown},
		"altered":       {a, part[0] + "." + other[1] + "." + part[2], authn.CodeSignature},
		"two audiences": {a, with("aud", []string{audience, "https://other.example"}), authn.CodeAudience},
		"expired":       {a, with("exp", now.Unix()), authn.CodeExpired},
		"early":         {a, with("nbf", now.Add(time.Minute).Unix()), authn.CodeNotYet},
		"no subject":    {a, with("sub", ""), authn.CodeSubject},
	} {
		wantCode(t, name, row.a, request(row.token), row.code)
	}
}

func TestStrangersCannotFloodTheLogAndNoLineHoldsACredential(t *testing.T) {
	s, c := newServer(t), newClock()
	var log bytes.Buffer
	a, err := authn.New(authn.Config{Issuers: []authn.Issuer{s.issuer(writ.KindHuman)}, Now: c.Now, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	raw := s.sign("first", s.claims(c.Now(), map[string]any{"aud": "https://other.example", "sub": "canary"}), nil)
	for range 1000 {
		if _, err := a.Principal(t.Context(), request(raw)); err == nil {
			t.Fatal("taken")
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 10 {
		t.Errorf("%d lines, want 10", n)
	}
	log.Reset()
	c.advance(time.Minute)
	if _, err := a.Principal(t.Context(), request(raw)); err == nil {
		t.Fatal("taken")
	}
	var line struct {
		Code, Issuer, From string
		More               int
	}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Code != "audience" || line.Issuer != s.URL || line.More != 990 || line.From == "" {
		t.Errorf("%v: %s", err, log.String())
	}
	for _, secret := range append(strings.Split(raw, "."), "canary") {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
