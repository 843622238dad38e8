package grant_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/token"
)

const (
	vectors = "../../testdata/vectors/"
	issuer  = "https://writ.example.com"
	kid     = "grant-1"
)

var now = time.Date(2026, 11, 22, 3, 13, 0, 0, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(vectors + name)
	must(t, err)
	return b
}

func vector(t testing.TB) (writ.Plan, writ.Digest) {
	t.Helper()
	p, d, err := writ.ParsePlan(read(t, "plan.json"))
	must(t, err)
	return p, d
}

func vectorApproval(t testing.TB) writ.Approval {
	return writ.Approval{Statement: read(t, "approval.json"), Signature: string(read(t, "approval.sig"))}
}

func input(t testing.TB) grant.Input {
	p, d := vector(t)
	return grant.Input{
		ID: "gnt_01JDB4ZK4E8Q6W2N7M5T9V3XCA", Issuer: issuer, Plan: p, PlanDigest: d, Source: "INC-2291",
		Decision: writ.Decision{ID: "dec_01JDB4ZH4E8Q6W2N7M5T9V3XCA", Plan: p.ID, PlanDigest: d, Phase: writ.PhaseGrant,
			Verdict: writ.Allow, Policy: p.Policy, Tier: p.Tier},
		Approvals: []writ.Approval{vectorApproval(t)}, Now: now, Life: writ.MaxGrantLife, Mode: writ.ModeHandle,
	}
}

func mint(t testing.TB, in grant.Input) writ.GrantClaims {
	t.Helper()
	c, err := grant.Mint(in)
	must(t, err)
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := token.NewKey(rand.Reader)
	must(t, err)
	return key
}

func want(key *ecdsa.PrivateKey) grant.Want {
	return grant.Want{Issuer: issuer, Keys: map[string]*ecdsa.PublicKey{kid: &key.PublicKey},
		Runner: "spiffe://example.com/runner/prod-eu1", Now: now, Leeway: grant.MaxLeeway}
}

// raw signs any payload as a grant.
func raw(t testing.TB, key *ecdsa.PrivateKey, payload string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	in := b64(fmt.Appendf(nil, `{"alg":"ES256","kid":%q,"typ":%q}`, kid, grant.Type)) + "." + b64([]byte(payload))
	sum := sha256.Sum256([]byte(in))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	must(t, err)
	return in + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func wantReason(t *testing.T, err error, want writ.Reason) {
	t.Helper()
	if got := writ.ReasonOf(err); got != want || err == nil {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}

func TestAGrantIsForOnePlanOneRunnerOneHolderAndOneRun(t *testing.T) {
	key := newKey(t)
	p, digest := vector(t)
	compact, err := grant.Sign(key, kid, mint(t, input(t)))
	must(t, err)
	c, err := grant.Check(compact, want(key))
	must(t, err)
	must(t, grant.Match(c, p, digest))
	must(t, grant.MatchApprovals(c, []writ.Approval{vectorApproval(t)}))
	a := c.AuthorizationDetails[0]
	if c.Audience != p.Runner || c.Confirm.Thumbprint != p.Holder || a.Limits.MaxRuns != 1 || !a.PlanDigest.Equal(digest) {
		t.Errorf("%+v", c)
	}
}

func TestSignRefusesClaimsThatNoRunnerWouldTake(t *testing.T) {
	many := func(n int) (out []writ.Location) {
		for i := range n {
			out = append(out, writ.Location(fmt.Sprintf("kubernetes://prod-eu1/payments/pod/api-%02d", i)))
		}
		return out
	}
	for name, change := range map[string]func(*writ.GrantClaims, *writ.Authorization){
		"no issuer":             func(c *writ.GrantClaims, _ *writ.Authorization) { c.Issuer = "" },
		"no runner":             func(c *writ.GrantClaims, _ *writ.Authorization) { c.Audience = "" },
		"no id":                 func(c *writ.GrantClaims, _ *writ.Authorization) { c.ID = "" },
		"no incident":           func(c *writ.GrantClaims, _ *writ.Authorization) { c.Incident = "" },
		"no requester":          func(c *writ.GrantClaims, _ *writ.Authorization) { c.Client = "" },
		"a requester's issuer":  func(c *writ.GrantClaims, _ *writ.Authorization) { c.Client = "https://idp.example.com" },
		"a requester's subject": func(c *writ.GrantClaims, _ *writ.Authorization) { c.Client = " u-1" },
		"no time of issue":      func(c *writ.GrantClaims, _ *writ.Authorization) { c.IssuedAt, c.NotBefore, c.Expires = 0, 1, 10 },
		"good before its issue": func(c *writ.GrantClaims, _ *writ.Authorization) { c.NotBefore = c.IssuedAt - 1 },
		"no actions":            func(_ *writ.GrantClaims, a *writ.Authorization) { a.Actions = nil },
		"too many actions": func(_ *writ.GrantClaims, a *writ.Authorization) {
			for i := range writ.MaxSteps + 1 {
				a.Actions = append(a.Actions[:i], writ.OperationName(fmt.Sprintf("kubernetes/workload.a%02d", i)))
			}
		},
		"actions out of order":   func(_ *writ.GrantClaims, a *writ.Authorization) { a.Actions = append(a.Actions, "kubernetes/a.b") },
		"no locations":           func(_ *writ.GrantClaims, a *writ.Authorization) { a.Locations = nil },
		"too many locations":     func(_ *writ.GrantClaims, a *writ.Authorization) { a.Locations = many(writ.MaxSteps + 1) },
		"locations out of order": func(_ *writ.GrantClaims, a *writ.Authorization) { a.Locations = append(many(1), a.Locations...) },
		"no playbook":            func(_ *writ.GrantClaims, a *writ.Authorization) { a.Playbook.Name = "" },
		"no playbook version":    func(_ *writ.GrantClaims, a *writ.Authorization) { a.Playbook.Version = 0 },
		"no playbook digest":     func(_ *writ.GrantClaims, a *writ.Authorization) { a.Playbook.Digest = writ.Digest{} },
		"no plan":                func(_ *writ.GrantClaims, a *writ.Authorization) { a.Plan = "" },
		"no plan digest":         func(_ *writ.GrantClaims, a *writ.Authorization) { a.PlanDigest = writ.Digest{} },
		"two runs":               func(_ *writ.GrantClaims, a *writ.Authorization) { a.Limits.MaxRuns = 2 },
		"a negative share":       func(_ *writ.GrantClaims, a *writ.Authorization) { a.Limits.MaxPermille = -1 },
		"an unknown tier":        func(c *writ.GrantClaims, _ *writ.Authorization) { c.Writ.Tier = 9 },
		"no decision":            func(c *writ.GrantClaims, _ *writ.Authorization) { c.Writ.Decision = "" },
		"no policy":              func(c *writ.GrantClaims, _ *writ.Authorization) { c.Writ.Policy = writ.Digest{} },
		"no evidence digest":     func(c *writ.GrantClaims, _ *writ.Authorization) { c.Writ.EvidenceDigest = writ.Digest{} },
		"an approval twice": func(c *writ.GrantClaims, _ *writ.Authorization) {
			c.Writ.Approvals = append(c.Writ.Approvals, c.Writ.Approvals[0])
		},
		"an approval of nothing": func(c *writ.GrantClaims, _ *writ.Authorization) { c.Writ.Approvals = []writ.Digest{{}} },
	} {
		c := mint(t, input(t))
		change(&c, &c.AuthorizationDetails[0])
		if compact, err := grant.Sign(newKey(t), kid, c); !errors.Is(err, writ.ErrInvalid) {
			t.Errorf("%s: want ErrInvalid, got %v and %s", name, err, compact)
		}
	}
}

func FuzzCheck(f *testing.F) {
	key := newKey(f)
	good, err := canon.Marshal(mint(f, input(f)))
	must(f, err)
	f.Add(string(good))
	f.Add(`{"iss":"https://writ.example.com"}`)
	p, digest := vector(f)
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := grant.Check(raw(t, key, payload), want(key))
		if err != nil {
			if writ.ReasonOf(err) == "" {
				t.Fatalf("a refusal without a code: %v", err)
			}
			return
		}
		if c.Expires-c.IssuedAt > 600 || len(c.AuthorizationDetails) != 1 || c.AuthorizationDetails[0].Limits.MaxRuns != 1 {
			t.Fatalf("accepted %s", payload)
		}
		if err := grant.Match(c, p, digest); err != nil && writ.ReasonOf(err) == "" {
			t.Fatalf("a refusal without a code: %v", err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	key := newKey(b)
	compact, err := grant.Sign(key, kid, mint(b, input(b)))
	must(b, err)
	w := want(key)
	for b.Loop() {
		if _, err := grant.Check(compact, w); err != nil {
			b.Fatal(err)
		}
	}
}
