package authn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
	"github.com/writ-dev/writ/internal/token"
)

// revoked keeps revocations; control's, over a store, have tests of their own.
type revoked struct {
	ids  map[string]bool
	down error
}

func (r *revoked) Revoked(_ context.Context, id string) (bool, error) { return r.ids[id], r.down }

// An office issues control-plane tokens, and has replicas that take them.
type office struct {
	*token.Access
	config authn.Config
	memory *memory
	list   *revoked
}

func newOffice(t *testing.T, now func() time.Time, issuers ...authn.Issuer) *office {
	t.Helper()
	access, err := token.NewAccess(external, holderKey(t))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{Access: access, memory: newMemory(), list: &revoked{ids: map[string]bool{}}}
	o.config = authn.Config{Issuers: issuers, ExternalURL: external, Memory: o.memory, Tokens: access, Revoked: o.list, Now: now}
	return o
}

func (o *office) replica(t *testing.T, change func(*authn.Config)) *authn.Authenticator {
	t.Helper()
	c := o.config
	if change != nil {
		change(&c)
	}
	a, err := authn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// give issues a token to an agent of iss, bound as asked.
func (o *office) give(t *testing.T, iss, sub string, bound token.Confirmation) (raw, id string) {
	t.Helper()
	raw, c, err := o.Issue(iss, sub, bound, o.config.Now(), token.MaxAccessLife, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return raw, c.ID
}

func keyed(key *ecdsa.PrivateKey) token.Confirmation {
	return token.Confirmation{Thumbprint: token.Thumbprint(&key.PublicKey)}
}

// dpop is request, with the scheme of tokens that are bound to a key.
func dpop(raw string, proofs ...string) *http.Request {
	r := request(raw, proofs...)
	r.Header.Set("Authorization", "DPoP "+raw)
	return r
}

func TestPitfall12AControlPlaneTokenIsItsHoldersAlone(t *testing.T) {
	s, c := newServer(t), newClock()
	o := newOffice(t, c.Now, s.issuer(writ.KindAgent))
	a, b := o.replica(t, nil), o.replica(t, nil)
	mine, thief := holderKey(t), holderKey(t)
	raw, id := o.give(t, s.URL, "repair", keyed(mine))
	agent := writ.Principal{Kind: writ.KindAgent, Iss: s.URL, Sub: "repair"}
	fresh := func() string { return proof(t, mine, raw, c.Now()) }

	first := fresh()
	wantAgent(t, "with its holder's proof", a, dpop(raw, first), agent)
	wantCode(t, "a proof replayed", a, dpop(raw, first), authn.CodeProofReplayed)
	wantCode(t, "a proof replayed at a second replica", b, dpop(raw, first), authn.CodeProofReplayed)
	wantAgent(t, "another proof, at a second replica", b, dpop(raw, fresh()), agent)
	wantCode(t, "without a proof", a, dpop(raw), authn.CodeProofMissing)
	wantCode(t, "as a bearer token", a, request(raw), authn.CodeScheme)
	wantCode(t, "as a bearer token, with a proof", a, request(raw, fresh()), authn.CodeScheme)
	wantCode(t, "another key's proof", a, dpop(raw, proof(t, thief, raw, c.Now())), authn.CodeHolder)
	wantCode(t, "two proofs", a, dpop(raw, fresh(), fresh()), authn.CodeProof)
	wantCode(t, "ath of another token", a, dpop(raw, proof(t, mine, raw+"x", c.Now())), authn.CodeProof)
	bare, err := token.ProveBare(mine, "GET", external+"/v1/status", c.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "without ath", a, dpop(raw, bare), authn.CodeProof)
	forwarded, err := token.Prove(mine, token.Proof{Method: "GET", URL: "http://evil.example/v1/status", AccessTokenHash: token.AccessTokenHash(raw)}, c.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "htu as the request's host has it", a, dpop(raw, forwarded), authn.CodeProof)
	wantCode(t, "an old proof", a, dpop(raw, proof(t, mine, raw, c.Now().Add(-time.Minute))), authn.CodeProof)

	o.memory.down = errors.New("down")
	wantCode(t, "while proofs cannot be remembered", a, dpop(raw, fresh()), authn.CodeMemory)
	o.memory.down = nil
	o.list.down = errors.New("down")
	wantCode(t, "while revocations cannot be looked up", a, dpop(raw, fresh()), authn.CodeMemory)
	o.list.down = nil
	o.list.ids[id] = true
	wantCode(t, "revoked", b, dpop(raw, fresh()), authn.CodeRevoked)
}

func TestPitfall10WhatIsNoControlPlaneTokenIsRefusedUnderItsOwnCode(t *testing.T) {
	s, c := newServer(t), newClock()
	o := newOffice(t, c.Now, s.issuer(writ.KindAgent))
	a := o.replica(t, nil)
	key := holderKey(t)
	raw, _ := o.give(t, s.URL, "repair", keyed(key))
	part := strings.Split(raw, ".")
	other := newOffice(t, c.Now)
	stranger, _ := other.give(t, s.URL, "repair", keyed(key))
	for name, forged := range map[string]struct {
		raw  string
		code authn.Code
	}{
		"alg none":           {b64(`{"alg":"none"}`) + "." + part[1] + ".", authn.CodeAlgorithm},
		"jwk in the header":  {b64(`{"alg":"ES256","jwk":{},"kid":"a","typ":"at+jwt"}`) + "." + part[1] + "." + part[2], authn.Code(token.CodeHeaderKey)},
		"HS256":              {b64(`{"alg":"HS256","kid":"a","typ":"at+jwt"}`) + "." + part[1] + "." + part[2], authn.CodeAlgorithm},
		"a proof as token":   {b64(`{"alg":"ES256","kid":"a","typ":"dpop+jwt"}`) + "." + part[1] + "." + part[2], authn.Code(token.CodeType)},
		"another server's":   {stranger, authn.CodeKeyUnknown},
		"altered":            {part[0] + "." + part[1] + "." + b64(strings.Repeat("a", 64)), authn.CodeSignature},
		"larger than 16 KiB": {part[0] + "." + part[1] + "." + strings.Repeat("a", authn.MaxToken), authn.CodeTokenSize},
	} {
		wantCode(t, name, a, dpop(forged.raw, proof(t, key, forged.raw, c.Now())), forged.code)
	}
	c.advance(token.MaxAccessLife)
	wantCode(t, "expired", a, dpop(raw, proof(t, key, raw, c.Now())), authn.CodeExpired)
}

func TestAnAgentWhoseIssuerIsTakenAwayIsNobody(t *testing.T) {
	s, c := newServer(t), newClock()
	o := newOffice(t, c.Now, s.issuer(writ.KindAgent))
	key := holderKey(t)
	raw, _ := o.give(t, s.URL, "repair", keyed(key))
	people := o.replica(t, func(c *authn.Config) { c.Issuers = []authn.Issuer{s.issuer(writ.KindHuman)} })
	wantCode(t, "an issuer of people", people, dpop(raw, proof(t, key, raw, c.Now())), authn.CodeIssuerUnknown)
	gone := o.replica(t, func(c *authn.Config) { c.Issuers = []authn.Issuer{newServer(t).issuer(writ.KindAgent)} })
	wantCode(t, "no issuer", gone, dpop(raw, proof(t, key, raw, c.Now())), authn.CodeIssuerUnknown)
	for _, iss := range []string{authn.DevIssuer, "spiffe://corp.example"} {
		raw, _ := o.give(t, iss, iss+"/agents/repair", keyed(key))
		wantCode(t, iss, o.replica(t, nil), dpop(raw, proof(t, key, raw, c.Now())), authn.CodeIssuerUnknown)
	}
}

// asks is a request for a token, with proofs that go with one.
func asks(t *testing.T, now time.Time, keys ...*ecdsa.PrivateKey) *http.Request {
	t.Helper()
	r := httptest.NewRequest("POST", "http://evil.example/token", nil)
	for _, key := range keys {
		p, err := token.ProveBare(key, "POST", external+"/token", now, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Add("DPoP", p)
	}
	return r
}

func TestAPlatformTokenIsExchangedOnce(t *testing.T) {
	s, c := newServer(t), newClock()
	for _, rule := range []authn.Replay{authn.ReplayBearer, authn.ReplayOnce, authn.ReplayProof} {
		i := s.issuer(writ.KindAgent)
		i.Replay = rule
		o := newOffice(t, c.Now, i)
		a, b := o.replica(t, nil), o.replica(t, func(c *authn.Config) { c.Required = true })
		mine, thief := holderKey(t), holderKey(t)
		raw := s.sign("first", s.claims(c.Now(), map[string]any{"jti": "one"}), nil)
		want := func(name string, a *authn.Authenticator, r *http.Request, code authn.Code) {
			t.Helper()
			h, got, err := a.ExplainAsserted(t.Context(), r, raw, false)
			if got != code || (err == nil) != (code == "") || err == nil && (h.Principal != writ.Principal{Kind: writ.KindAgent, Iss: s.URL, Sub: "u-4821"} || h.Thumbprint != token.Thumbprint(&mine.PublicKey)) {
				t.Errorf("%s, %s: %+v %q %v, want %q", rule, name, h, got, err, code)
			}
			if proof := code == authn.CodeProof || code == authn.CodeProofMissing || code == authn.CodeProofReplayed; err != nil && errors.Is(err, writ.ErrInvalid) != proof {
				t.Errorf("%s, %s: %v", rule, name, err)
			}
		}
		want("without a proof", a, asks(t, c.Now()), authn.CodeProofMissing)
		want("with two", a, asks(t, c.Now(), mine, mine), authn.CodeProof)
		r := asks(t, c.Now(), mine)
		want("the first time", b, r, "")
		want("the same proof", a, r, authn.CodeProofReplayed)
		if rule == authn.ReplayProof {
			want("again by its holder", a, asks(t, c.Now(), mine), "")
			want("by a thief", a, asks(t, c.Now(), thief), authn.CodeHolder)
		} else {
			want("again by its holder", a, asks(t, c.Now(), mine), authn.CodeReplayed)
			want("by a thief", a, asks(t, c.Now(), thief), authn.CodeReplayed)
		}
		if _, code, err := a.ExplainAsserted(t.Context(), asks(t, c.Now(), mine), raw, true); err == nil || code != authn.CodeTokenForm {
			t.Errorf("as a JWT-SVID: %q %v", code, err)
		}
	}
}

func TestOnlyAgentsGetControlPlaneTokens(t *testing.T) {
	s, c := newServer(t), newClock()
	for _, kind := range []writ.Kind{writ.KindHuman, writ.KindService} {
		a := newOffice(t, c.Now, s.issuer(kind)).replica(t, nil)
		raw := s.sign("first", s.claims(c.Now(), nil), nil)
		if _, code, err := a.ExplainAsserted(t.Context(), asks(t, c.Now(), holderKey(t)), raw, false); err == nil || code != authn.CodeKind {
			t.Errorf("%s: %q %v", kind, code, err)
		}
	}
}

func TestWhereTokensAreRequiredPlatformCredentialsOpenNoDoor(t *testing.T) {
	agents, people, c := newServer(t), newServer(t), newClock()
	once := agents.issuer(writ.KindAgent)
	once.Replay = authn.ReplayOnce
	o := newOffice(t, c.Now, once, people.issuer(writ.KindHuman))
	a := o.replica(t, func(c *authn.Config) { c.Required = true })
	raw := agents.sign("first", agents.claims(c.Now(), map[string]any{"jti": "one"}), nil)
	wantCode(t, "an agent's platform token", a, request(raw), authn.CodeExchange)
	wantAgent(t, "a person's", a, request(people.sign("first", people.claims(c.Now(), nil), nil)), writ.Principal{Kind: writ.KindHuman, Iss: people.URL, Sub: "u-4821"})
	key := holderKey(t)
	h, code, err := a.ExplainAsserted(t.Context(), asks(t, c.Now(), key), raw, false)
	if err != nil {
		t.Fatalf("the refused token was used up: %s", code)
	}
	own, _ := o.give(t, h.Principal.Iss, h.Principal.Sub, keyed(key))
	wantAgent(t, "the control-plane token", a, dpop(own, proof(t, key, own, c.Now())), h.Principal)
}

// Development keys are there under --dev alone, for clients that make no proofs: a new installation demands tokens, and works.
func TestWhereTokensAreRequiredADevelopmentKeyStillOpensTheDoor(t *testing.T) {
	o := newOffice(t, time.Now)
	key, hash, err := authn.NewDevToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := o.replica(t, func(c *authn.Config) {
		c.Required, c.Dev, c.Keys = true, true, []authn.DevKey{{Kind: writ.KindAgent, Sub: "repair", Hash: hash}}
	})
	wantAgent(t, "a development key", a, request(key), writ.Principal{Kind: writ.KindAgent, Iss: authn.DevIssuer, Sub: "repair"})
}

func TestASubjectTokenComesWithItsHoldersProof(t *testing.T) {
	s, c := newServer(t), newClock()
	o := newOffice(t, c.Now, s.issuer(writ.KindAgent))
	a := o.replica(t, nil)
	mine, thief := holderKey(t), holderKey(t)
	raw, _ := o.give(t, s.URL, "repair", keyed(mine))
	with := func(key *ecdsa.PrivateKey, about string) *http.Request {
		p, err := token.Prove(key, token.Proof{Method: "POST", URL: external + "/token", AccessTokenHash: token.AccessTokenHash(about)}, c.Now(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		r := asks(t, c.Now())
		r.Header.Set("DPoP", p)
		return r
	}
	if h, code, err := a.ExplainSubject(t.Context(), with(mine, raw), raw); err != nil || h.Thumbprint != token.Thumbprint(&mine.PublicKey) {
		t.Errorf("%+v %q %v", h, code, err)
	}
	for name, x := range map[string]struct {
		r    *http.Request
		raw  string
		code authn.Code
	}{
		"another key": {with(thief, raw), raw, authn.CodeHolder}, "no proof": {asks(t, c.Now()), raw, authn.CodeProofMissing},
		"a proof without ath": {asks(t, c.Now(), mine), raw, authn.CodeProof}, "another token": {with(mine, "x"), "x", authn.CodeTokenForm},
		"a platform token": {with(mine, raw), s.sign("first", s.claims(c.Now(), nil), nil), authn.CodeTokenForm},
	} {
		if _, code, err := a.ExplainSubject(t.Context(), x.r, x.raw); err == nil || code != x.code {
			t.Errorf("%s: %q %v, want %q", name, code, err, x.code)
		}
	}
	bound, _ := o.give(t, s.URL, "repair", token.Confirmation{Certificate: token.Thumbprint(&mine.PublicKey)})
	if _, code, err := a.ExplainSubject(t.Context(), with(mine, bound), bound); err == nil || code != authn.CodeHolder {
		t.Errorf("one that is bound to a certificate, without it: %q %v", code, err)
	}
}

func TestPitfall12ATokenBoundToACertificateNeedsThatCertificate(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	o := newOffice(t, time.Now)
	a := o.replica(t, func(c *authn.Config) {
		c.SPIFFE = &authn.SPIFFE{WorkloadAPI: d.Serve(t, "/writ", svidLife).Address(), Agents: []string{"spiffe://corp.example/agents"}, Audience: audience}
		c.Required = true
	})
	follow(t, a)
	s := peersServer(t, a)
	holder := func(path string) (*http.Client, token.Confirmation) {
		svid, err := d.SVID(path, svidLife)
		if err != nil {
			t.Fatal(err)
		}
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{svid.Cert}, PrivateKey: svid.Key}}, InsecureSkipVerify: true, // the server is not what is tested
		}}}, token.Confirmation{Certificate: token.CertificateThumbprint(svid.Cert)}
	}
	const iss, sub = "spiffe://corp.example", "spiffe://corp.example/agents/repair"
	mine, bound := holder("/agents/repair")
	rotated, _ := holder("/agents/repair")
	other, _ := holder("/agents/other")
	until(t, "the certificate alone", mine, s.URL, string(authn.CodeExchange))
	raw, id := o.give(t, iss, sub, bound)
	says := func(name string, c *http.Client, want string, authorization string, proofs ...string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", authorization)
		for _, p := range proofs {
			r.Header.Add("DPoP", p)
		}
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != want {
			t.Errorf("%s: %s %v, want %s", name, got, err, want)
		}
	}
	says("token and certificate", mine, repair, "Bearer "+raw)
	says("the same agent's next certificate", rotated, string(authn.CodeHolder), "Bearer "+raw)
	says("another agent's certificate", other, string(authn.CodeHolder), "Bearer "+raw)
	says("as DPoP", mine, string(authn.CodeScheme), "DPoP "+raw)
	says("another bearer token", mine, string(authn.CodeScheme), "Bearer hello")
	wantCode(t, "without a connection of its own", a, request(raw), authn.CodeHolder)
	key := holderKey(t)
	byKey, _ := o.give(t, iss, sub, keyed(key))
	says("bound to a key, on the next certificate", rotated, repair, "DPoP "+byKey, proof(t, key, byKey, time.Now()))
	says("bound to a key, another agent's certificate", other, string(authn.CodeHolder), "DPoP "+byKey, proof(t, key, byKey, time.Now()))
	o.list.ids[id] = true
	says("revoked", mine, string(authn.CodeRevoked), "Bearer "+raw)
}
