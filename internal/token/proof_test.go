package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/token"
)

const (
	url   = "https://writ.example.com/v1/runs"
	grant = "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"
)

var now = time.Date(2026, 11, 22, 3, 11, 0, 0, time.UTC)

func wantProof(key *ecdsa.PrivateKey) token.WantProof {
	return token.WantProof{Method: "POST", URL: url, Token: grant, Thumbprint: token.Thumbprint(&key.PublicKey), Now: now, Life: token.ProofLife}
}

func prove(t testing.TB, key *ecdsa.PrivateKey, at time.Time) string {
	t.Helper()
	p, err := token.Prove(key, token.Proof{Method: "POST", URL: url, AccessTokenHash: token.AccessTokenHash(grant)}, at, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAProofFitsTheRequestItWasMadeFor(t *testing.T) {
	key := newKey(t)
	a, err := token.CheckProof(prove(t, key, now), wantProof(key))
	if err != nil {
		t.Fatal(err)
	}
	b, err := token.CheckProof(prove(t, key, now), wantProof(key))
	if err != nil || a == b || len(a) != 22 {
		t.Errorf("jti %q and %q, %v", a, b, err)
	}
}

// The key and thumbprint are those of RFC 9449 sections 4.2 and 6.1, the token and its hash those of section 7.1.
func TestThumbprintAndTokenHashAreThoseOfRFC9449(t *testing.T) {
	x, _ := base64.RawURLEncoding.DecodeString("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs")
	y, _ := base64.RawURLEncoding.DecodeString("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA")
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := token.Thumbprint(pub), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"; got != want {
		t.Errorf("thumbprint %s, want %s", got, want)
	}
	if got, want := token.AccessTokenHash("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"; got != want {
		t.Errorf("ath %s, want %s", got, want)
	}
}

func TestAThumbprintIsOfAP256KeyOnly(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, pub := range map[string]*ecdsa.PublicKey{"nil": nil, "empty": {}, "another curve": &p384.PublicKey} {
		if got := token.Thumbprint(pub) + token.KeyID(pub); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if key := newKey(t); !token.IsThumbprint(token.Thumbprint(&key.PublicKey)) {
		t.Error("a thumbprint is not one")
	}
	for _, s := range []string{"", "short", strings.Repeat("A", 44), strings.Repeat("!", 43)} {
		if token.IsThumbprint(s) {
			t.Errorf("%q passes", s)
		}
	}
}

func TestI12AProofForAnythingElseIsRefused(t *testing.T) {
	key, thief := newKey(t), newKey(t)
	x, y := coordinates(t, &key.PublicKey)
	jwk := fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, x, y)
	head := `{"alg":"ES256","jwk":` + jwk + `,"typ":"dpop+jwt"}`
	body := fmt.Sprintf(`{"ath":%q,"htm":"POST","htu":%q,"iat":%d,"jti":"0123456789abcdef"}`, token.AccessTokenHash(grant), url, now.Unix())
	swap := func(old, new string) string { return forge(t, key, head, strings.Replace(body, old, new, 1)) }
	swapHead := func(old, new string) string { return forge(t, key, strings.Replace(head, old, new, 1), body) }

	if jti, err := token.CheckProof(forge(t, key, head, body), wantProof(key)); err != nil || jti != "0123456789abcdef" {
		t.Fatalf("the control case: %v", err)
	}
	for name, proof := range map[string]string{
		"nothing":               "",
		"another key's proof":   prove(t, thief, now),
		"signed by a thief":     forge(t, thief, head, body),
		"htm of another call":   swap(`"POST"`, `"GET"`),
		"htm in lower case":     swap(`"POST"`, `"post"`),
		"htu of another host":   swap("writ.example.com", "writ.example.com.evil.example"),
		"htu with a query":      swap("/v1/runs", "/v1/runs?x=1"),
		"no ath":                swap(fmt.Sprintf(`"ath":%q,`, token.AccessTokenHash(grant)), ""),
		"an empty ath":          swap(token.AccessTokenHash(grant), ""),
		"ath of another grant":  swap(token.AccessTokenHash(grant), token.AccessTokenHash("x")),
		"too old":               prove(t, key, now.Add(-token.ProofLife)),
		"ahead of time":         prove(t, key, now.Add(token.ProofSkew+time.Second)),
		"no iat":                swap(fmt.Sprintf(`"iat":%d,`, now.Unix()), ""),
		"iat as a fraction":     swap(fmt.Sprintf(`%d`, now.Unix()), fmt.Sprintf(`%d.5`, now.Unix())),
		"no jti":                swap(`,"jti":"0123456789abcdef"`, ""),
		"a short jti":           swap("0123456789abcdef", "0123456789abcde"),
		"a long jti":            swap("0123456789abcdef", strings.Repeat("a", 65)),
		"a jti with spaces":     swap("0123456789abcdef", "0123456789 abcdef"),
		"an unknown claim":      swap("{", `{"admin":true,`),
		"typ of a grant":        swapHead("dpop+jwt", "at+jwt"),
		"alg none":              swapHead("ES256", "none"),
		"alg HS256":             swapHead("ES256", "HS256"),
		"a private key":         swapHead(`"crv"`, `"d":"AQ","crv"`),
		"a symmetric key":       swapHead(jwk, `{"kty":"oct","k":"AQ"}`),
		"another curve":         swapHead("P-256", "P-384"),
		"a point off the curve": swapHead(y, x),
		"no key":                swapHead(`"jwk":`+jwk+",", ""),
		"kid beside the key":    swapHead(`"alg"`, `"kid":"a","alg"`),
		"crit":                  swapHead(`"alg"`, `"crit":["iat"],"alg"`),
		"two proofs":            prove(t, key, now) + "," + prove(t, key, now),
	} {
		t.Run(name, func(t *testing.T) {
			if jti, err := token.CheckProof(proof, wantProof(key)); !errors.Is(err, token.ErrProof) || jti != "" {
				t.Errorf("want ErrProof, got %q %v", jti, err)
			}
		})
	}
}

func TestI05AnEmptyExpectationAcceptsNoProof(t *testing.T) {
	key := newKey(t)
	for name, change := range map[string]func(*token.WantProof){
		"zero":            func(w *token.WantProof) { *w = token.WantProof{} },
		"no method":       func(w *token.WantProof) { w.Method = "" },
		"no URL":          func(w *token.WantProof) { w.URL = "" },
		"no token":        func(w *token.WantProof) { w.Token = "" },
		"no thumbprint":   func(w *token.WantProof) { w.Thumbprint = "" },
		"no time":         func(w *token.WantProof) { w.Now = time.Time{} },
		"no life":         func(w *token.WantProof) { w.Life = 0 },
		"too long a life": func(w *token.WantProof) { w.Life = token.ProofLife + 1 },
	} {
		w := wantProof(key)
		change(&w)
		if _, err := token.CheckProof(prove(t, key, now), w); !errors.Is(err, token.ErrProof) {
			t.Errorf("%s: want ErrProof, got %v", name, err)
		}
	}
}

func TestAProofIsGoodForItsLifeAndNotASecondMore(t *testing.T) {
	key := newKey(t)
	w := wantProof(key)
	proof := prove(t, key, now)
	for after, good := range map[time.Duration]bool{-token.ProofSkew: true, 0: true, token.ProofLife - 1: true, token.ProofLife: false, -token.ProofSkew - 1: false} {
		w.Now = now.Add(after)
		if _, err := token.CheckProof(proof, w); (err == nil) != good {
			t.Errorf("%s after it was made: %v", after, err)
		}
	}
}

func TestProveRefusesToProveNothing(t *testing.T) {
	key := newKey(t)
	for name, p := range map[string]token.Proof{
		"no method":                   {URL: url, AccessTokenHash: token.AccessTokenHash(grant)},
		"no URL":                      {Method: "POST", AccessTokenHash: token.AccessTokenHash(grant)},
		"no hash":                     {Method: "POST", URL: url},
		"a grant instead of its hash": {Method: "POST", URL: url, AccessTokenHash: grant},
	} {
		if got, err := token.Prove(key, p, now, rand.Reader); err == nil {
			t.Errorf("%s: made %s", name, got)
		}
	}
	if _, err := token.Prove(nil, token.Proof{Method: "POST", URL: url, AccessTokenHash: token.AccessTokenHash(grant)}, now, rand.Reader); err == nil {
		t.Error("a proof without a key")
	}
}

func FuzzCheckProof(f *testing.F) {
	key := newKey(f)
	f.Add(prove(f, key, now))
	f.Add(b64(`{"alg":"ES256","jwk":{},"typ":"dpop+jwt"}`) + "." + b64(`{}`) + "." + b64("x"))
	w := wantProof(key)
	f.Fuzz(func(t *testing.T, proof string) {
		jti, err := token.CheckProof(proof, w)
		if err == nil && (jti == "" || len(proof) > token.MaxSize) {
			t.Fatalf("accepted %q", proof)
		}
		if err != nil && !errors.Is(err, token.ErrProof) {
			t.Fatalf("a bare error: %v", err)
		}
	})
}
