package token_test

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/token"
)

// A token that names no key is bound to the one that its first proof shows.
func TestAProofBesideATokenWithoutAKeyTellsWhoseItIs(t *testing.T) {
	key, at := newKey(t), time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	const url, platform = "https://writ.example/v1/plans", "a.platform.token"
	proof, err := token.Prove(key, token.Proof{Method: "POST", URL: url, AccessTokenHash: token.AccessTokenHash(platform)}, at, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	want := token.WantProof{Method: "POST", URL: url, Token: platform, Now: at, Life: token.ProofLife}
	jti, thumbprint, err := token.ReadProof(proof, want)
	if err != nil || jti == "" || thumbprint != token.Thumbprint(&key.PublicKey) {
		t.Fatalf("got %q %q, %v", jti, thumbprint, err)
	}
	for name, change := range map[string]func(*token.WantProof){
		"another method": func(w *token.WantProof) { w.Method = "GET" },
		"another URL":    func(w *token.WantProof) { w.URL += "/x" },
		"another token":  func(w *token.WantProof) { w.Token = "b" },
		"no token":       func(w *token.WantProof) { w.Token = "" },
		"a minute later": func(w *token.WantProof) { w.Now = at.Add(token.ProofLife) },
		"a named key":    func(w *token.WantProof) { w.Thumbprint = token.Thumbprint(&key.PublicKey) },
	} {
		w := want
		change(&w)
		if _, _, err := token.ReadProof(proof, w); !errors.Is(err, token.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := token.CheckProof(proof, want); !errors.Is(err, token.ErrProof) {
		t.Errorf("a proof checked against no key: %v", err)
	}
}
