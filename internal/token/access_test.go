package token_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/token"
)

const server = "https://writ.example.com"

func newAccess(t testing.TB, key *ecdsa.PrivateKey, others ...*ecdsa.PublicKey) *token.Access {
	t.Helper()
	a, err := token.NewAccess(server, key, others...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t testing.TB, a *token.Access) string {
	t.Helper()
	compact, _, err := a.Issue("https://idp.example", "repair", token.Confirmation{Thumbprint: strings.Repeat("A", 43)}, now, token.MaxAccessLife, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

func TestAControlPlaneTokenSaysWhoseItIsAndWhoHoldsIt(t *testing.T) {
	a := newAccess(t, newKey(t))
	for _, c := range []struct{ iss, sub, client string }{
		{"https://idp.example", "repair", "https://idp.example repair"},
		{"spiffe://corp.example", "spiffe://corp.example/agents/repair", "spiffe://corp.example/agents/repair"},
		{"https://idp.example", "spiffe://corp.example/agents/repair", "https://idp.example spiffe://corp.example/agents/repair"},
	} {
		bound := token.Confirmation{Certificate: token.CertificateThumbprint([]byte("der"))}
		compact, issued, err := a.Issue(c.iss, c.sub, bound, now, time.Hour, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Verify(compact, now)
		if err != nil || got != issued || got.Client != c.client || got.Writ.Issuer != c.iss || got.Subject != c.sub || got.Confirm != bound ||
			got.Audience != server || time.Unix(got.Expires, 0).Sub(now) != token.MaxAccessLife {
			t.Errorf("%+v %v", got, err)
		}
	}
	for name, bound := range map[string]token.Confirmation{
		"nobody": {}, "two ways": {Thumbprint: strings.Repeat("A", 43), Certificate: strings.Repeat("A", 43)}, "no thumbprint": {Thumbprint: "A"},
	} {
		if compact, _, err := a.Issue("https://idp.example", "repair", bound, now, time.Minute, rand.Reader); err == nil {
			t.Errorf("held by %s: %s", name, compact)
		}
	}
}

func TestPitfall10EachForgedTokenIsRefusedUnderItsOwnCode(t *testing.T) {
	key, thief := newKey(t), newKey(t)
	a := newAccess(t, key)
	head := fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":"at+jwt"}`, token.KeyID(&key.PublicKey))
	_, claims, err := a.Issue("https://idp.example", "repair", token.Confirmation{Thumbprint: strings.Repeat("A", 43)}, now, time.Minute, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	body := string(b)
	if _, err := a.Verify(forge(t, key, head, body), now); err != nil {
		t.Fatalf("the control case: %v", err)
	}
	public, err := token.MarshalPublic(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	hs := b64(strings.Replace(head, "ES256", "HS256", 1)) + "." + b64(body)
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(hs))
	x, y := coordinates(t, &thief.PublicKey)
	headed := func(old, new string) string { return forge(t, key, strings.Replace(head, old, new, 1), body) }
	more := func(member string) string { return headed("}", ","+member+"}") }
	claim := func(old, new string) string {
		changed := strings.Replace(body, old, new, 1)
		if changed == body {
			t.Fatalf("%s is not in %s", old, body)
		}
		return forge(t, key, head, changed)
	}
	iat, exp := fmt.Sprintf(`"iat":%d,`, claims.IssuedAt), fmt.Sprintf(`"exp":%d,`, claims.Expires)
	for name, c := range map[string]struct {
		compact string
		want    token.Code
	}{
		"alg none":                      {b64(strings.Replace(head, "ES256", "none", 1)) + "." + b64(body) + ".", token.CodeAlgorithm},
		"HS256 keyed by the public key": {hs + "." + b64(string(mac.Sum(nil))), token.CodeAlgorithm},
		"jwk in the header":             {forge(t, thief, strings.TrimSuffix(head, "}")+fmt.Sprintf(`,"jwk":{"kty":"EC","crv":"P-256","x":%q,"y":%q}}`, x, y), body), token.CodeHeaderKey},
		"jku":                           {more(`"jku":"https://evil.example/keys"`), token.CodeHeaderKey},
		"x5u":                           {more(`"x5u":"https://evil.example/cert"`), token.CodeHeaderKey},
		"x5c":                           {more(`"x5c":["MIIB"]`), token.CodeHeaderKey},
		"crit":                          {more(`"crit":["exp"],"exp":1`), token.CodeCritical},
		"another member":                {more(`"cty":"JWT"`), token.CodeForm},
		"an ID token":                   {headed("at+jwt", "JWT"), token.CodeType},
		"a DPoP proof":                  {headed("at+jwt", "dpop+jwt"), token.CodeType},
		"a hand-off token":              {headed("at+jwt", "handoff+jwt"), token.CodeType},
		"an unknown kid":                {headed(token.KeyID(&key.PublicKey), token.KeyID(&thief.PublicKey)), token.CodeKeyUnknown},
		"another key's signature":       {forge(t, thief, head, body), token.CodeSignature},
		"more than 16 KiB":              {claim(`"repair"`, `"`+strings.Repeat("r", token.MaxSize)+`"`), token.CodeSize},
		"no JWS":                        {"hello", token.CodeForm},
		"no exp":                        {claim(exp, ""), token.CodeExpiryMissing},
		"no iat":                        {claim(iat, ""), token.CodeIssuedMissing},
		"iat ahead":                     {claim(iat, fmt.Sprintf(`"iat":%d,`, now.Add(6*time.Second).Unix())), token.CodeNotYet},
		"exp as text":                   {claim(exp, `"exp":"soon",`), token.CodeClaims},
		"exp as a fraction":             {claim(exp, fmt.Sprintf(`"exp":%d.5,`, claims.Expires)), token.CodeClaims},
		"exp too far":                   {claim(exp, fmt.Sprintf(`"exp":%d,`, now.Add(token.MaxAccessLife+time.Second).Unix())), token.CodeLife},
		"two audiences":                 {claim(`"aud":"`+server+`"`, `"aud":["`+server+`","https://other.example"]`), token.CodeAudience},
		"a list of one audience":        {claim(`"aud":"`+server+`"`, `"aud":["`+server+`"]`), token.CodeAudience},
		"another audience":              {claim(`"aud":"`+server, `"aud":"`+server+`.evil`), token.CodeAudience},
		"another issuer":                {claim(`"iss":"`+server, `"iss":"`+server+`/`), token.CodeIssuer},
		"a claim twice":                 {claim(exp, exp+exp), token.CodeClaims},
		"an unknown claim":              {claim(exp, exp+`"scope":"admin",`), token.CodeClaims},
		"another client":                {claim(`"client_id":"https://idp.example repair"`, `"client_id":"https://idp.example root"`), token.CodeClaims},
		"no holder":                     {claim(`{"jkt":"`+strings.Repeat("A", 43)+`"}`, `{}`), token.CodeClaims},
	} {
		got, err := a.Verify(c.compact, now)
		if err == nil || token.CodeOf(err) != c.want || got != (token.AccessClaims{}) {
			t.Errorf("%s: %v, code %q, want %q", name, err, token.CodeOf(err), c.want)
		}
	}
}

func TestPitfall11AnEmptyExpectationCannotBeConstructed(t *testing.T) {
	key := newKey(t)
	keys := map[string]*ecdsa.PublicKey{"a": &key.PublicKey}
	if _, err := token.Expect(typ, server, server, keys, time.Minute); err != nil {
		t.Fatalf("the control case: %v", err)
	}
	for name, make := range map[string]func() (token.Expectation, error){
		"no type":     func() (token.Expectation, error) { return token.Expect("", server, server, keys, time.Minute) },
		"no issuer":   func() (token.Expectation, error) { return token.Expect(typ, "", server, keys, time.Minute) },
		"no audience": func() (token.Expectation, error) { return token.Expect(typ, server, "", keys, time.Minute) },
		"no keys":     func() (token.Expectation, error) { return token.Expect(typ, server, server, nil, time.Minute) },
		"no life":     func() (token.Expectation, error) { return token.Expect(typ, server, server, keys, 0) },
		"a key of nil": func() (token.Expectation, error) {
			return token.Expect(typ, server, server, map[string]*ecdsa.PublicKey{"a": nil}, 1)
		},
		"no key id": func() (token.Expectation, error) {
			return token.Expect(typ, server, server, map[string]*ecdsa.PublicKey{"": &key.PublicKey}, 1)
		},
	} {
		e, err := make()
		if err == nil {
			t.Errorf("%s: was made", name)
		}
		var c token.AccessClaims
		if err := e.Verify(issue(t, newAccess(t, key)), now, &c); !errors.Is(err, token.ErrHeader) {
			t.Errorf("%s: took a token: %v", name, err)
		}
	}
	var c token.AccessClaims
	if err := (token.Expectation{}).Verify(issue(t, newAccess(t, key)), now, &c); !errors.Is(err, token.ErrHeader) {
		t.Errorf("the zero expectation took a token: %v", err)
	}
	if _, err := token.NewAccess("", key); err == nil {
		t.Error("an issuer without a name was made")
	}
	if _, err := token.NewAccess(server, nil); err == nil {
		t.Error("an issuer without a key was made")
	}
}

func TestPitfall11AControlPlaneTokenIsGoodUntilItsExpiryAndNotASecondMore(t *testing.T) {
	a := newAccess(t, newKey(t))
	compact := issue(t, a)
	for after, good := range map[time.Duration]bool{
		-token.Leeway: true, -token.Leeway - time.Second: false, 0: true, token.MaxAccessLife - 1: true, token.MaxAccessLife: false, token.MaxAccessLife + 6*time.Second: false,
	} {
		if _, err := a.Verify(compact, now.Add(after)); (err == nil) != good {
			t.Errorf("%s after it was issued: %v", after, err)
		}
	}
}

func TestKeysOverlapWhileTheyAreRotated(t *testing.T) {
	old, next := newKey(t), newKey(t)
	before, announced, switched, retired := newAccess(t, old), newAccess(t, old, &next.PublicKey), newAccess(t, next, &old.PublicKey), newAccess(t, next)
	first, second := issue(t, before), issue(t, switched)
	for name, c := range map[string]struct {
		by      *token.Access
		compact string
		good    bool
	}{
		"old token before": {before, first, true}, "old token, announced": {announced, first, true}, "old token, switched": {switched, first, true}, "old token, retired": {retired, first, false},
		"new token before": {before, second, false}, "new token, announced": {announced, second, true}, "new token, switched": {switched, second, true}, "new token, retired": {retired, second, true},
	} {
		if _, err := c.by.Verify(c.compact, now); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	b, err := switched.KeySet()
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(b, &set); err != nil || len(set.Keys) != 2 || set.Keys[0]["kid"] != token.KeyID(&next.PublicKey) || set.Keys[1]["kid"] != token.KeyID(&old.PublicKey) {
		t.Errorf("%s %v", b, err)
	}
	for _, k := range set.Keys {
		if k["kty"] != "EC" || k["crv"] != "P-256" || k["use"] != "sig" || k["d"] != "" {
			t.Errorf("%v", k)
		}
	}
}

func TestPitfall12ABareProofIsForARequestWithoutATokenOnly(t *testing.T) {
	key := newKey(t)
	bare, err := token.ProveBare(key, "POST", url, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := token.WantProof{Method: "POST", URL: url, Now: now, Life: token.ProofLife}
	if jti, by, err := token.ReadBareProof(bare, w); err != nil || jti == "" || by != token.Thumbprint(&key.PublicKey) {
		t.Errorf("%q %q %v", jti, by, err)
	}
	if _, _, err := token.ReadBareProof(prove(t, key, now), w); !errors.Is(err, token.ErrProof) {
		t.Errorf("a proof with ath: %v", err)
	}
	if _, err := token.CheckProof(bare, wantProof(key)); !errors.Is(err, token.ErrProof) {
		t.Errorf("a proof without ath beside a token: %v", err)
	}
	for name, change := range map[string]func(*token.WantProof){
		"another method": func(w *token.WantProof) { w.Method = "GET" }, "another URL": func(w *token.WantProof) { w.URL += "/" },
		"a token": func(w *token.WantProof) { w.Token = "a" }, "a minute later": func(w *token.WantProof) { w.Now = now.Add(token.ProofLife) },
		"a thumbprint": func(w *token.WantProof) { w.Thumbprint = token.Thumbprint(&key.PublicKey) },
	} {
		changed := w
		change(&changed)
		if _, _, err := token.ReadBareProof(bare, changed); !errors.Is(err, token.ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p, err := token.ProveBare(nil, "POST", url, now, rand.Reader); err == nil {
		t.Errorf("a proof without a key: %s", p)
	}
}

func FuzzAccess(f *testing.F) {
	a := newAccess(f, newKey(f))
	good := issue(f, a)
	f.Add(good)
	f.Add("")
	f.Add(b64(`{"alg":"none"}`) + "." + b64(`{"exp":1}`) + ".")
	f.Fuzz(func(t *testing.T, compact string) {
		c, err := a.Verify(compact, now)
		if err == nil && (compact != good || c.Subject != "repair") {
			t.Fatalf("accepted %q", compact)
		}
		if err != nil && token.CodeOf(err) == "" {
			t.Fatalf("a bare error: %v", err)
		}
	})
}
