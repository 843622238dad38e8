package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/token"
)

type claims struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

const kid, typ = "grant-2026-11a", "at+jwt"

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := token.NewKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func b64(b string) string { return base64.RawURLEncoding.EncodeToString([]byte(b)) }

// forge signs any header and payload with ES256.
func forge(t testing.TB, key *ecdsa.PrivateKey, header, payload string) string {
	t.Helper()
	input := b64(header) + "." + b64(payload)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(string(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)))
}

func want(key *ecdsa.PrivateKey) token.Want {
	return token.Want{Typ: typ, Keys: map[string]*ecdsa.PublicKey{kid: &key.PublicKey}}
}

func TestASignedTokenVerifiesAndGivesItsClaimsBack(t *testing.T) {
	key := newKey(t)
	compact, err := token.Sign(key, kid, typ, claims{"api", 3})
	if err != nil {
		t.Fatal(err)
	}
	var got claims
	if err := token.Verify(compact, want(key), &got); err != nil || got != (claims{"api", 3}) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestI12EachForgedTokenIsRefusedUnderItsOwnKind(t *testing.T) {
	key, thief := newKey(t), newKey(t)
	good := fmt.Sprintf(`{"alg":"ES256","kid":%q,"typ":%q}`, kid, typ)
	body := `{"count":3,"name":"api"}`
	public, err := token.MarshalPublic(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, public)
	hs := b64(strings.Replace(good, "ES256", "HS256", 1)) + "." + b64(body)
	mac.Write([]byte(hs))
	valid := forge(t, key, good, body)
	parts := strings.Split(valid, ".")

	var v claims
	if err := token.Verify(valid, want(key), &v); err != nil {
		t.Fatalf("the control case: %v", err)
	}
	withHeader := func(more string) string { return forge(t, key, strings.TrimSuffix(good, "}")+","+more+"}", body) }
	x, y := coordinates(t, &thief.PublicKey)
	for name, c := range map[string]struct {
		compact string
		want    error
	}{
		"alg none":                      {b64(strings.Replace(good, "ES256", "none", 1)) + "." + b64(body) + ".", token.ErrHeader},
		"alg none with a signature":     {forge(t, key, strings.Replace(good, "ES256", "none", 1), body), token.ErrHeader},
		"HS256 keyed by the public key": {hs + "." + b64(string(mac.Sum(nil))), token.ErrHeader},
		"another algorithm":             {forge(t, key, strings.Replace(good, "ES256", "ES384", 1), body), token.ErrHeader},
		"a DPoP proof":                  {forge(t, key, strings.Replace(good, typ, "dpop+jwt", 1), body), token.ErrHeader},
		"an ID token":                   {forge(t, key, strings.Replace(good, typ, "JWT", 1), body), token.ErrHeader},
		"a hand-off token":              {forge(t, key, strings.Replace(good, typ, "handoff+jwt", 1), body), token.ErrHeader},
		"typ in another case":           {forge(t, key, strings.Replace(good, typ, "AT+JWT", 1), body), token.ErrHeader},
		"no typ":                        {forge(t, key, fmt.Sprintf(`{"alg":"ES256","kid":%q}`, kid), body), token.ErrHeader},
		"no kid":                        {forge(t, key, fmt.Sprintf(`{"alg":"ES256","typ":%q}`, typ), body), token.ErrHeader},
		"an unknown kid":                {forge(t, thief, strings.Replace(good, kid, "grant-2026-11b", 1), body), token.ErrHeader},
		"jwk in the header": {forge(t, thief, strings.TrimSuffix(good, "}")+
			fmt.Sprintf(`,"jwk":{"kty":"EC","crv":"P-256","x":%q,"y":%q}}`, x, y), body), token.ErrHeader},
		"jku":                       {withHeader(`"jku":"https://evil.example/keys"`), token.ErrHeader},
		"x5u":                       {withHeader(`"x5u":"https://evil.example/cert"`), token.ErrHeader},
		"x5c":                       {withHeader(`"x5c":["MIIB"]`), token.ErrHeader},
		"crit":                      {withHeader(`"crit":["exp"],"exp":1`), token.ErrHeader},
		"b64":                       {withHeader(`"b64":false`), token.ErrHeader},
		"alg twice":                 {withHeader(`"alg":"ES256"`), token.ErrHeader},
		"two parts":                 {parts[0] + "." + parts[1], token.ErrHeader},
		"five parts":                {valid + "." + parts[0] + "." + parts[1], token.ErrHeader},
		"JSON serialisation":        {`{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`, token.ErrHeader},
		"padding":                   {valid + "==", token.ErrHeader},
		"a line break":              {parts[0] + "." + parts[1] + ".\n" + parts[2], token.ErrHeader},
		"unused bits set":           {strings.TrimSuffix(valid, valid[len(valid)-1:]) + loosen(valid[len(valid)-1]), token.ErrHeader},
		"nothing":                   {"", token.ErrHeader},
		"too large":                 {forge(t, key, good, `{"count":3,"name":"`+strings.Repeat("a", token.MaxSize)+`"}`), token.ErrHeader},
		"another key's signature":   {forge(t, thief, good, body), token.ErrSignature},
		"another payload":           {parts[0] + "." + b64(`{"count":4,"name":"api"}`) + "." + parts[2], token.ErrSignature},
		"a short signature":         {parts[0] + "." + parts[1] + "." + b64("short"), token.ErrSignature},
		"an unknown claim":          {forge(t, key, good, `{"count":3,"name":"api","admin":true}`), token.ErrForm},
		"a claim twice":             {forge(t, key, good, `{"count":3,"count":3,"name":"api"}`), token.ErrForm},
		"a missing claim":           {forge(t, key, good, `{"name":"api"}`), token.ErrForm},
		"null":                      {forge(t, key, good, `{"count":3,"name":null}`), token.ErrForm},
		"a look-alike claim":        {forge(t, key, good, `{"count":3,"Name":"api"}`), token.ErrForm},
		"a fraction":                {forge(t, key, good, `{"count":3.0,"name":"api"}`), token.ErrForm},
		"an integer beyond 2^53":    {forge(t, key, good, `{"count":9007199254740993,"name":"api"}`), token.ErrForm},
		"claims that are no object": {forge(t, key, good, `[]`), token.ErrForm},
	} {
		t.Run(name, func(t *testing.T) {
			var got claims
			err := token.Verify(c.compact, want(key), &got)
			if !errors.Is(err, c.want) {
				t.Fatalf("want %v, got %v", c.want, err)
			}
			for _, other := range []error{token.ErrHeader, token.ErrSignature, token.ErrForm} {
				if other != c.want && errors.Is(err, other) {
					t.Errorf("%v is also %v", err, other)
				}
			}
		})
	}
}

// loosen returns another base64url character that decodes to the same byte when its two unused bits are ignored.
func loosen(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)|1])
}

func TestI05AnEmptyExpectationAcceptsNothing(t *testing.T) {
	key := newKey(t)
	compact, err := token.Sign(key, kid, typ, claims{"api", 3})
	if err != nil {
		t.Fatal(err)
	}
	bare := forge(t, key, `{"alg":"ES256","kid":"","typ":""}`, `{"count":3,"name":"api"}`)
	for name, w := range map[string]token.Want{
		"an empty type":   {Keys: map[string]*ecdsa.PublicKey{"": &key.PublicKey, kid: &key.PublicKey}},
		"an empty key id": {Typ: typ, Keys: map[string]*ecdsa.PublicKey{"": &key.PublicKey}},
		"zero":            {},
		"no type":         {Keys: want(key).Keys},
		"no keys":         {Typ: typ},
		"a nil key":       {Typ: typ, Keys: map[string]*ecdsa.PublicKey{kid: nil}},
		"an empty key":    {Typ: typ, Keys: map[string]*ecdsa.PublicKey{kid: {}}},
	} {
		for _, c := range []string{compact, bare, forge(t, key, `{"alg":"ES256","kid":"","typ":"at+jwt"}`, `{"count":3,"name":"api"}`)} {
			var got claims
			if err := token.Verify(c, w, &got); !errors.Is(err, token.ErrHeader) {
				t.Errorf("%s: want ErrHeader, got %v", name, err)
			}
		}
	}
}

func TestSignRefusesWhatVerifyWouldNotTake(t *testing.T) {
	key := newKey(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func() (string, error){
		"no key":        func() (string, error) { return token.Sign(nil, kid, typ, claims{}) },
		"another curve": func() (string, error) { return token.Sign(p384, kid, typ, claims{}) },
		"no kid":        func() (string, error) { return token.Sign(key, "", typ, claims{}) },
		"no type":       func() (string, error) { return token.Sign(key, kid, "", claims{}) },
		"a fraction":    func() (string, error) { return token.Sign(key, kid, typ, map[string]any{"a": 1.5}) },
		"too large": func() (string, error) {
			return token.Sign(key, kid, typ, claims{Name: strings.Repeat("a", token.MaxSize)})
		},
	} {
		if compact, err := make(); err == nil {
			t.Errorf("%s: made %s", name, compact)
		}
	}
}

func coordinates(t testing.TB, pub *ecdsa.PublicKey) (x, y string) {
	t.Helper()
	point, err := pub.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b64(string(point[1:33])), b64(string(point[33:]))
}

func FuzzVerify(f *testing.F) {
	key := newKey(f)
	good, err := token.Sign(key, kid, typ, claims{"api", 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("")
	f.Add("a.b.c")
	f.Add(b64(`{"alg":"none"}`) + "." + b64(`{}`) + ".")
	f.Fuzz(func(t *testing.T, compact string) {
		var got claims
		if err := token.Verify(compact, want(key), &got); err != nil {
			return
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
		var fields map[string]any
		if err != nil || json.Unmarshal(payload, &fields) != nil || len(fields) != 2 {
			t.Fatalf("accepted %q", compact)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	key := newKey(b)
	compact, err := token.Sign(key, kid, typ, claims{"api", 3})
	if err != nil {
		b.Fatal(err)
	}
	w := want(key)
	for b.Loop() {
		var got claims
		if err := token.Verify(compact, w, &got); err != nil {
			b.Fatal(err)
		}
	}
}
