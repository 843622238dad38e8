package token_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/token"
)

// A proof that is not for a server which gives nonces, such as that of a grant at a runner, has none: its form is closed.
func TestRFC9449AProofWithANonceIsNoneWhereNoneIsTaken(t *testing.T) {
	key, err := token.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for nonce, want := range map[string]error{"": nil, "n-0S6_WzA2Mj": token.ErrProof} {
		p, err := token.Prove(key, token.Proof{Method: "POST", URL: "https://writ.example/v1/runs", AccessTokenHash: token.AccessTokenHash("grant"), Nonce: nonce}, now, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		_, err = token.CheckProof(p, token.WantProof{
			Method: "POST", URL: "https://writ.example/v1/runs", Token: "grant", Thumbprint: token.Thumbprint(&key.PublicKey), Now: now, Life: token.ProofLife,
		})
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("with the nonce %q: %v", nonce, err)
		}
	}
	if _, err := token.ProveBareWith(key, token.Proof{Method: "POST", URL: "https://writ.example/token", AccessTokenHash: token.AccessTokenHash("x")}, now, rand.Reader); err == nil {
		t.Error("a bare proof carries the hash of a token")
	}
}

// The nonce is looked at last: only a proof that fits in all else is answered with a question for one.
func TestRFC9449ANonceIsAskedForWhereNothingElseIsWrong(t *testing.T) {
	key, err := token.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	down := errors.New("down")
	good := func(nonce, thumbprint string) (bool, error) {
		if nonce == "down" {
			return false, down
		}
		return nonce == "good" && thumbprint == token.Thumbprint(&key.PublicKey), nil
	}
	for name, c := range map[string]struct {
		nonce    string
		method   string
		at       time.Time
		required bool
		want     error
	}{
		"good":                          {"good", "POST", now, true, nil},
		"good, of another time":         {"good", "POST", now.Add(-time.Hour), true, nil},
		"none":                          {"", "POST", now, true, token.ErrProofNonce},
		"a stranger's":                  {"bad", "POST", now, true, token.ErrProofNonce},
		"none where it is not required": {"", "POST", now, false, nil},
		"none, of another time":         {"", "POST", now.Add(time.Hour), false, token.ErrProofNonce},
		"none, and too old":             {"", "POST", now.Add(-token.ProofLife), false, token.ErrProofNonce},
		"for another method":            {"", "GET", now, true, token.ErrProof},
		"the judge is down":             {"down", "POST", now, false, down},
	} {
		p, err := token.ProveBareWith(key, token.Proof{Method: c.method, URL: "https://writ.example/token", Nonce: c.nonce}, c.at, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		_, thumbprint, err := token.ReadBareProof(p, token.WantProof{
			Method: "POST", URL: "https://writ.example/token", Now: now, Life: token.ProofLife, Nonces: &token.Nonces{Good: good, Required: c.required},
		})
		if !errors.Is(err, c.want) || c.want == nil && err != nil || errors.Is(err, token.ErrProofNonce) != (c.want == token.ErrProofNonce) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if known := thumbprint == token.Thumbprint(&key.PublicKey); known != (c.want == nil || c.want == token.ErrProofNonce) {
			t.Errorf("%s: the thumbprint is %q", name, thumbprint)
		}
	}
}
