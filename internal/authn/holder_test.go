package authn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/token"
)

const external = "https://writ.example"

// memory keeps what replicas share; control's, over a store, has tests of its own.
type memory struct {
	mu   sync.Mutex
	kept map[string]string
	down error
}

func newMemory() *memory { return &memory{kept: map[string]string{}} }

func (m *memory) First(_ context.Context, key, value string, _ time.Time) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return "", m.down
	}
	if _, there := m.kept[key]; !there {
		m.kept[key] = value
	}
	return m.kept[key], nil
}

func holderKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// proof is one for a GET of /v1/status with this token.
func proof(t *testing.T, key *ecdsa.PrivateKey, raw string, now time.Time) string {
	t.Helper()
	p, err := token.Prove(key, token.Proof{Method: "GET", URL: external + "/v1/status", AccessTokenHash: token.AccessTokenHash(raw)}, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// request is a GET of /v1/status with a bearer token and proofs. Its host is a stranger's, who may write what they like.
func request(raw string, proofs ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://evil.example/v1/status", nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	r.Header.Set("X-Forwarded-Host", "evil.example")
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return r
}

// wantCode demands the one sentence for the caller, and this code in the log.
func wantCode(t *testing.T, name string, a explainer, r *http.Request, want authn.Code) {
	t.Helper()
	p, code, err := a.Explain(t.Context(), r)
	wantNobody(t, name, p, err)
	if code != want {
		t.Errorf("%s: the log's code is %q, want %q", name, code, want)
	}
}

func wantAgent(t *testing.T, name string, a explainer, r *http.Request, want writ.Principal) {
	t.Helper()
	if p, code, err := a.Explain(t.Context(), r); err != nil || p != want {
		t.Errorf("%s: got %v, %v (%s)", name, p, err, code)
	}
}

// An explainer is one of the package's authenticators.
type explainer interface {
	Explain(ctx context.Context, r *http.Request) (writ.Principal, authn.Code, error)
}

func TestATokenWithProofsStaysWithItsFirstKey(t *testing.T) {
	s, c, m := newServer(t), newClock(), newMemory()
	i := s.issuer(writ.KindAgent)
	i.Replay = authn.ReplayProof
	replica := func() *authn.Authenticator {
		a, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, ExternalURL: external, Memory: m, Now: c.Now})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	a, b := replica(), replica()
	raw := s.sign("first", s.claims(c.Now(), nil), nil)
	mine, thief := holderKey(t), holderKey(t)
	agent := writ.Principal{Kind: writ.KindAgent, Iss: s.URL, Sub: "u-4821"}

	wantCode(t, "without a proof", a, request(raw), authn.CodeProofMissing)
	first := proof(t, mine, raw, c.Now())
	wantAgent(t, "the first time", a, request(raw, first), agent)
	wantCode(t, "the same proof", a, request(raw, first), authn.CodeProofReplayed)
	wantCode(t, "the same proof at another replica", b, request(raw, first), authn.CodeProofReplayed)
	wantAgent(t, "a second proof", b, request(raw, proof(t, mine, raw, c.Now())), agent)
	wantCode(t, "another key", b, request(raw, proof(t, thief, raw, c.Now())), authn.CodeHolder)
	wantCode(t, "two proofs", a, request(raw, proof(t, mine, raw, c.Now()), proof(t, mine, raw, c.Now())), authn.CodeProof)
	wantCode(t, "a proof for another token", a, request(raw, proof(t, mine, raw+"x", c.Now())), authn.CodeProof)
	wantCode(t, "an old proof", a, request(raw, proof(t, mine, raw, c.Now().Add(-time.Minute))), authn.CodeProof)
	other := request(raw, proof(t, mine, raw, c.Now()))
	other.URL.Path = "/v1/plans"
	wantCode(t, "a proof for another path", a, other, authn.CodeProof)
	post := request(raw, proof(t, mine, raw, c.Now()))
	post.Method = "POST"
	wantCode(t, "a proof for another method", a, post, authn.CodeProof)

	m.down = errors.New("down")
	wantCode(t, "without memory", a, request(raw, proof(t, mine, raw, c.Now())), authn.CodeMemory)
}

func TestATokenThatIsTakenOnceIsNotTakenTwice(t *testing.T) {
	s, c, m := newServer(t), newClock(), newMemory()
	i := s.issuer(writ.KindAgent)
	i.Replay = authn.ReplayOnce
	a, err := authn.New(authn.Config{Issuers: []authn.Issuer{i}, ExternalURL: external, Memory: m, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	agent := writ.Principal{Kind: writ.KindAgent, Iss: s.URL, Sub: "u-4821"}
	with := func(jti any) string { return s.sign("first", s.claims(c.Now(), map[string]any{"jti": jti}), nil) }

	wantAgent(t, "the first time", a, request(with("one")), agent)
	wantCode(t, "again", a, request(with("one")), authn.CodeReplayed)
	wantCode(t, "no jti", a, request(with(nil)), authn.CodeTokenForm)
	wantAgent(t, "another jti", a, request(with("two")), agent)

	key, bound := holderKey(t), with("three")
	wantAgent(t, "with a proof", a, request(bound, proof(t, key, bound, c.Now())), agent)
	wantAgent(t, "again with the same key", a, request(bound, proof(t, key, bound, c.Now())), agent)
	wantCode(t, "again without", a, request(bound), authn.CodeReplayed)
	wantCode(t, "again with another key", a, request(bound, proof(t, holderKey(t), bound, c.Now())), authn.CodeHolder)
	used := with("one")
	wantCode(t, "one that was used, with a proof", a, request(used, proof(t, key, used, c.Now())), authn.CodeHolder)
}
