package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/token"
)

// The client makes thumbprints and proofs with the standard library alone; the server's own code must agree with it.
func TestAProofOfTheClientIsOneThatTheServerTakes(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	thumbprint, err := client.Thumbprint(&key.PublicKey)
	must(t, err)
	if want := token.Thumbprint(&key.PublicKey); thumbprint != want {
		t.Fatalf("thumbprint %s, want %s", thumbprint, want)
	}
	f := &fake{RunStates: []writ.RunState{writ.RunGranted}}
	c := startAs(t, f, nil, client.Config{Token: client.Static("agent"), ExternalURL: "https://writ.example/"})
	for range 2 {
		r, err := c.Present(t.Context(), "a grant", key)
		must(t, err)
		if r.ID != apitest.RunID || r.State != writ.RunGranted {
			t.Errorf("run %s is %s", r.ID, r.State)
		}
	}
	calls := f.Calls()
	if len(calls) != 2 || len(f.Seen()) != 2 {
		t.Fatalf("%d keys, %v", len(f.Seen()), calls)
	}
	want := token.WantProof{Method: "POST", URL: "https://writ.example/v1/runs", Token: "a grant", Thumbprint: thumbprint, Now: time.Now(), Life: token.ProofLife}
	first, err := token.CheckProof(strings.TrimPrefix(calls[0], "present a grant "), want)
	must(t, err)
	second, err := token.CheckProof(strings.TrimPrefix(calls[1], "present a grant "), want)
	must(t, err)
	if first == second {
		t.Error("two proofs with one jti")
	}
}

func TestTheHoldersKeyIsP256(t *testing.T) {
	c := start(t, &fake{}, nil)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	for _, key := range []*ecdsa.PrivateKey{nil, other} {
		if _, err := c.Present(t.Context(), "a grant", key); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%v", err)
		}
	}
	if _, err := client.Thumbprint(nil); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
