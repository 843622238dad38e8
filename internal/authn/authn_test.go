package authn_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
)

// who asks for the principal behind an Authorization header.
func who(t *testing.T, a *authn.Authenticator, authorization ...string) (writ.Principal, error) {
	t.Helper()
	r := httptest.NewRequest("GET", "https://writ.example/v1/status", nil)
	for _, v := range authorization {
		r.Header.Add("Authorization", v)
	}
	return a.Principal(t.Context(), r)
}

func authenticator(t *testing.T, c *clock, issuers ...authn.Issuer) *authn.Authenticator {
	t.Helper()
	a, err := authn.New(authn.Config{Issuers: issuers, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wantNobody demands the one sentence that every refusal has.
func wantNobody(t *testing.T, name string, p writ.Principal, err error) {
	t.Helper()
	const sentence = "not authenticated: a valid bearer token of a configured issuer is needed"
	if !errors.Is(err, writ.ErrUnknownUser) || p != (writ.Principal{}) || err.Error() != sentence {
		t.Errorf("%s: got %v, %v", name, p, err)
	}
}

func TestATokenOfAConfiguredIssuerIsItsSubject(t *testing.T) {
	s, c := newServer(t), newClock()
	for _, kind := range []writ.Kind{writ.KindAgent, writ.KindHuman, writ.KindService} {
		a := authenticator(t, c, s.issuer(kind))
		for name, token := range map[string]string{
			"audience as text":  s.sign("first", s.claims(c.Now(), nil), nil),
			"audience as list":  s.sign("first", s.claims(c.Now(), map[string]any{"aud": []string{audience}}), nil),
			"an access token":   s.sign("first", s.claims(c.Now(), nil), map[string]any{"typ": "at+jwt"}),
			"an ID token":       s.sign("first", s.claims(c.Now(), nil), map[string]any{"typ": "JWT"}),
			"further claims":    s.sign("first", s.claims(c.Now(), map[string]any{"groups": []string{"x"}, "nbf": c.Now().Unix()}), nil),
			"a fraction of iat": s.sign("first", s.claims(c.Now(), map[string]any{"iat": float64(c.Now().Unix()) + 0.5}), nil),
		} {
			p, err := who(t, a, "Bearer "+token)
			if want := (writ.Principal{Kind: kind, Iss: s.URL, Sub: "u-4821"}); err != nil || p != want {
				t.Errorf("%s: got %v, %v", name, p, err)
			}
		}
	}
}

func TestAnotherClaimCanBeTheSubject(t *testing.T) {
	s, c := newServer(t), newClock()
	i := s.issuer(writ.KindAgent)
	i.Subject = "workload"
	a := authenticator(t, c, i)
	p, err := who(t, a, "bearer "+s.sign("first", s.claims(c.Now(), map[string]any{"workload": "repair"}), nil))
	if err != nil || p.Sub != "repair" {
		t.Errorf("got %v, %v", p, err)
	}
	p, err = who(t, a, "Bearer "+s.sign("first", s.claims(c.Now(), nil), nil))
	wantNobody(t, "without the claim", p, err)
}

func TestEveryBadTokenIsRefusedWithTheSameSentence(t *testing.T) {
	s, c := newServer(t), newClock()
	a := authenticator(t, c, s.issuer(writ.KindHuman))
	now := c.Now()
	good := s.claims(now, nil)
	with := func(name string, v any) string { return s.sign("first", s.claims(now, map[string]any{name: v}), nil) }
	headed := func(name string, v any) string { return s.sign("first", good, map[string]any{name: v}) }
	stranger, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	public, _ := x509.MarshalPKIXPublicKey(s.keys["first"].Public())
	genuine := s.sign("first", good, nil)
	part := strings.Split(genuine, ".")
	for name, token := range map[string]string{
		"no audience":               with("aud", nil),
		"another audience":          with("aud", "https://other.example"),
		"two audiences":             with("aud", []string{audience, "https://other.example"}), // identity.md trap 3
		"ours twice":                with("aud", []string{audience, audience}),
		"an empty list":             with("aud", []string{}),
		"audience of another case":  s.sign("first", s.claims(now, map[string]any{"aud": nil, "AUD": audience}), nil),
		"no exp":                    with("exp", nil),
		"exp now":                   with("exp", now.Unix()),
		"expired":                   with("exp", now.Add(-time.Second).Unix()),
		"exp as text":               with("exp", fmt.Sprint(now.Add(time.Hour).Unix())),
		"no iat":                    with("iat", nil),
		"iat ahead":                 with("iat", now.Add(6*time.Second).Unix()),
		"iat after exp":             with("iat", now.Add(time.Hour).Unix()),
		"nbf ahead":                 with("nbf", now.Add(6*time.Second).Unix()),
		"nbf as text":               with("nbf", "soon"),
		"no sub":                    with("sub", nil),
		"empty sub":                 with("sub", ""),
		"sub of control characters": with("sub", "u\u202e4821"),
		"sub with a space":          with("sub", "u-4821 "),
		"sub as a number":           with("sub", 4821),
		"a long sub":                with("sub", strings.Repeat("u", 256)),
		"another issuer":            with("iss", "https://other.example"),
		"issuer with a slash":       with("iss", s.URL+"/"),
		"no issuer":                 with("iss", nil),
		"a second sub by case":      s.sign("first", []byte(`{"iss":"`+s.URL+`","aud":"`+audience+`","iat":1795317000,"exp":1795319999,"sub":null,"Sub":"root"}`), nil),
		"sub twice":                 s.sign("first", []byte(strings.Replace(string(must(json.Marshal(good))), `"sub":`, `"sub":"root","sub":`, 1)), nil),
		"no kid":                    headed("kid", nil) + "",
		"a key of its own":          headed("jwk", jose.JSONWebKey{Key: stranger.Public()}),
		"a key's address":           headed("jku", "https://evil.example/keys"),
		"critical members":          headed("crit", []string{"exp"}),
		"a DPoP proof":              headed("typ", "dpop+jwt"),
		"a hand-off token":          headed("typ", "handoff+jwt"),
		"typ as a number":           headed("typ", 1),
		"signed by a stranger":      signed(t, jose.ES256, stranger, good, map[string]any{"kid": "first"}),
		"HS256 by the public key":   signed(t, jose.HS256, public, good, map[string]any{"kid": "first"}),
		"alg none":                  b64(`{"alg":"none","kid":"first"}`) + "." + part[1] + ".",
		"alg none with a signature": b64(`{"alg":"none","kid":"first"}`) + "." + part[1] + "." + part[2],
		"no signature":              part[0] + "." + part[1] + ".",
		"altered claims":            part[0] + "." + b64(string(must(json.Marshal(s.claims(now, map[string]any{"sub": "root"}))))) + "." + part[2],
		"four parts":                genuine + "." + part[2],
		"two parts":                 part[0] + "." + part[1],
		"padding":                   part[0] + "=." + part[1] + "." + part[2],
		"larger than 16 KiB":        with("padding", strings.Repeat("x", authn.MaxToken)),
		"not a token":               "hello",
		"JSON serialization":        `{"payload":"` + part[1] + `","protected":"` + part[0] + `","signature":"` + part[2] + `"}`,
	} {
		p, err := who(t, a, "Bearer "+token)
		wantNobody(t, name, p, err)
	}
	for name, header := range map[string][]string{
		"none": nil, "empty": {""}, "no token": {"Bearer "}, "another scheme": {"Basic " + genuine}, "DPoP": {"DPoP " + genuine},
		"two headers": {"Bearer " + genuine, "Bearer " + genuine}, "two tokens": {"Bearer " + genuine + " " + genuine},
	} {
		p, err := who(t, a, header...)
		wantNobody(t, name, p, err)
	}
	if p, err := who(t, a, "Bearer "+genuine); err != nil || p.Sub != "u-4821" {
		t.Errorf("the genuine token: %v, %v", p, err)
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestATokenEndsWithItsExp(t *testing.T) {
	s, c := newServer(t), newClock()
	a := authenticator(t, c, s.issuer(writ.KindHuman))
	token := s.sign("first", s.claims(c.Now(), nil), nil)
	c.advance(5*time.Minute - time.Second)
	if _, err := who(t, a, "Bearer "+token); err != nil {
		t.Errorf("a second before: %v", err)
	}
	c.advance(time.Second)
	p, err := who(t, a, "Bearer "+token)
	wantNobody(t, "at exp", p, err)
}

func TestOnlyPinnedAlgorithmsAreTaken(t *testing.T) {
	s, c := newServer(t), newClock()
	i := s.issuer(writ.KindHuman)
	i.Algorithms = []string{"RS256"}
	p, err := who(t, authenticator(t, c, i), "Bearer "+s.sign("first", s.claims(c.Now(), nil), nil))
	wantNobody(t, "ES256 where RS256 is pinned", p, err)
	if s.fetches.Load() != 0 {
		t.Error("keys were fetched for an algorithm that is not pinned")
	}
}

func TestPitfall06TheSameSubjectOfTwoIssuersIsTwoPrincipals(t *testing.T) {
	one, two, c := newServer(t), newServer(t), newClock()
	a := authenticator(t, c, one.issuer(writ.KindHuman), two.issuer(writ.KindHuman))
	p, err1 := who(t, a, "Bearer "+one.sign("first", one.claims(c.Now(), nil), nil))
	q, err2 := who(t, a, "Bearer "+two.sign("first", two.claims(c.Now(), nil), nil))
	if err1 != nil || err2 != nil || p.Sub != q.Sub || p.Same(q) {
		t.Errorf("%v %v, %v %v", p, err1, q, err2)
	}
	p, err := who(t, a, "Bearer "+one.sign("first", two.claims(c.Now(), nil), nil))
	wantNobody(t, "one issuer in the other's name", p, err)
}

func TestPitfall07AThousandUnknownKidsCauseOneFetch(t *testing.T) {
	s, c := newServer(t), newClock()
	a := authenticator(t, c, s.issuer(writ.KindHuman))
	good := "Bearer " + s.sign("first", s.claims(c.Now(), nil), nil)
	if _, err := who(t, a, good); err != nil || s.fetches.Load() != 1 {
		t.Fatalf("first token: %v after %d fetches", err, s.fetches.Load())
	}
	c.advance(time.Minute)
	var flood sync.WaitGroup
	for n := range 1000 {
		token := s.sign("first", s.claims(c.Now(), nil), map[string]any{"kid": fmt.Sprint("made-up-", n)})
		flood.Go(func() {
			p, err := who(t, a, "Bearer "+token)
			wantNobody(t, "unknown kid", p, err)
		})
	}
	flood.Wait()
	if s.fetches.Load() != 2 {
		t.Errorf("%d fetches, want the first and one more", s.fetches.Load())
	}
	if _, err := who(t, a, good); err != nil {
		t.Errorf("a known key during the flood: %v", err)
	}
}

func TestARotatedKeyIsFoundAfterAtMostAMinute(t *testing.T) {
	s, c := newServer(t), newClock()
	a := authenticator(t, c, s.issuer(writ.KindHuman))
	if _, err := who(t, a, "Bearer "+s.sign("first", s.claims(c.Now(), nil), nil)); err != nil {
		t.Fatal(err)
	}
	s.addKey("second")
	token := "Bearer " + s.sign("second", s.claims(c.Now(), nil), nil)
	p, err := who(t, a, token)
	wantNobody(t, "within the minute", p, err)
	c.advance(time.Minute)
	if _, err := who(t, a, token); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestAnIssuerThatIsDownIsLoggedAndItsKnownKeysStay(t *testing.T) {
	s, c := newServer(t), newClock()
	var log bytes.Buffer
	a, err := authn.New(authn.Config{Issuers: []authn.Issuer{s.issuer(writ.KindHuman)}, Now: c.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	known := "Bearer " + s.sign("first", s.claims(c.Now(), nil), nil)
	s.down.Store(true)
	p, err := who(t, a, known)
	wantNobody(t, "down from the start", p, err)
	if strings.Count(log.String(), s.URL) == 0 {
		t.Errorf("log: %q", log.String())
	}
	s.down.Store(false)
	c.advance(time.Minute)
	if _, err := who(t, a, known); err != nil {
		t.Fatalf("up again: %v", err)
	}
	s.down.Store(true)
	c.advance(time.Minute)
	p, err = who(t, a, "Bearer "+s.sign("first", s.claims(c.Now(), nil), map[string]any{"kid": "second"}))
	wantNobody(t, "unknown kid", p, err)
	if _, err := who(t, a, known); err != nil {
		t.Errorf("a known key while down: %v", err)
	}
}

func TestKeysThatAreNotPublicSignatureKeysAreLeftOut(t *testing.T) {
	s, c := newServer(t), newClock()
	encryption, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.keys["enc"] = encryption
	s.extra = []any{
		map[string]any{"kty": "oct", "kid": "shared", "k": b64("a secret that signs")},
		map[string]any{"kty": "quantum", "kid": "later"},
		jose.JSONWebKey{Key: public(encryption), KeyID: "for-encryption", Use: "enc"},
	}
	a := authenticator(t, c, s.issuer(writ.KindHuman))
	if _, err := who(t, a, "Bearer "+s.sign("first", s.claims(c.Now(), nil), nil)); err != nil {
		t.Errorf("beside unknown keys: %v", err)
	}
	p, err := who(t, a, "Bearer "+s.sign("enc", s.claims(c.Now(), nil), map[string]any{"kid": "for-encryption"}))
	wantNobody(t, "a key for encryption", p, err)
}

func TestTheIssuersServerMustBeVouchedFor(t *testing.T) {
	s, c := newServer(t), newClock()
	s.Config.ErrorLog = nil
	i := s.issuer(writ.KindHuman)
	i.CAFile = newServerCA(t)
	p, err := who(t, authenticator(t, c, i), "Bearer "+s.sign("first", s.claims(c.Now(), nil), nil))
	wantNobody(t, "another certificate authority", p, err)
	if s.fetches.Load() != 0 {
		t.Error("keys were taken from a server that nobody vouches for")
	}
}

// quiet is a server's log: refused handshakes are what these tests are about.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
