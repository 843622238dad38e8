package policy_test

import (
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/policytest"
	"github.com/writ-dev/writ/policies"
)

func vocabulary() policy.Vocabulary {
	return policy.Vocabulary{
		Planes: []string{"kubernetes", "httpapi"},
		Operations: []writ.OperationName{
			"kubernetes/workload.rollback", "kubernetes/workload.restart", "kubernetes/workload.scale", "kubernetes/node.cordon", "httpapi/flag.set",
		},
		Readers: []writ.OperationName{"kubernetes/workload.status"},
		Playbooks: []policy.Playbook{
			{Name: "rollback-deployment", Plane: "kubernetes"}, {Name: "restart-workload", Plane: "kubernetes"},
			{Name: "cordon-node", Plane: "kubernetes"}, {Name: "set-flag", Plane: "httpapi"},
		},
	}
}

func load(t testing.TB, from fs.FS) *policy.Bundle {
	t.Helper()
	b, err := policy.Load(from, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func defaultBundle(t testing.TB) *policy.Bundle { t.Helper(); return load(t, policies.Default()) }

// sources returns the files of the default bundle.
func sources(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := fs.WalkDir(policies.Default(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out[name], err = fs.ReadFile(policies.Default(), name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// only returns the default schema and tiers with these policies and nothing else.
func only(t testing.TB, files map[string]string) map[string][]byte {
	t.Helper()
	all := sources(t)
	out := map[string][]byte{"schema.cedarschema": all["schema.cedarschema"], "tiers.yaml": all["tiers.yaml"]}
	for name, text := range files {
		out[name] = []byte(text)
	}
	return out
}

func loadOnly(t testing.TB, files map[string]string) *policy.Bundle {
	t.Helper()
	b, err := policy.LoadSources(only(t, files), vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func lowRisk() policy.Request { return policytest.LowRisk() }

func at(tier int) policy.Request { q := lowRisk(); q.Facts.Tier = tier; return q }

func wantVerdict(t *testing.T, d writ.Decision, v writ.Verdict, why writ.Reason, ids ...string) {
	t.Helper()
	if d.Verdict != v || d.Reason != why || !slices.Equal(d.Policies, ids) {
		t.Errorf("got %s (%s) by %v, errors %v, because %q; want %s (%s) by %v", d.Verdict, d.Reason, d.Policies, d.Errors, d.Because, v, why, ids)
	}
}

// Each limit and each requirement decides alone in at least one case, and each grant is used: Report.OK demands it.
func TestTheDefaultBundlePassesItsOwnTests(t *testing.T) {
	r, err := policy.Test(defaultBundle(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Failures {
		t.Error(f)
	}
	if !r.OK() || r.Cases < 40 {
		t.Errorf("%d cases; not alone: %v; not used: %v", r.Cases, r.NotAlone, r.NotUsed)
	}
}

func TestATestOfPolicyIsExact(t *testing.T) {
	for name, c := range map[string]string{
		"another effect":      "want: {effect: deny, policies: [grants/low-risk]}",
		"an id too few":       "want: {effect: allow}",
		"an id too many":      "want: {effect: allow, policies: [grants/low-risk, grants/people-repair]}",
		"an approval too few": "set: {tier: 2}\n    want: {effect: requires, policies: [requirements/one-approver, grants/approved-repair], proof: C}",
		"another proof":       "set: {tier: 2}\n    want: {effect: requires, policies: [requirements/one-approver, grants/approved-repair], approvals: {owner: 1}, proof: D}",
	} {
		t.Run(name, func(t *testing.T) {
			src := sources(t)
			src["tests/more.yaml"] = []byte("base: low-risk\ncases:\n  - name: planted\n    " + c + "\n")
			b, err := policy.LoadSources(src, vocabulary())
			if err != nil {
				t.Fatal(err)
			}
			if r, err := policy.Test(b); err != nil || r.OK() || len(r.Failures) != 1 || r.Failures[0].Case != "planted" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

func TestATestFileThatCannotBeReadIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown key":   "base: low-risk\ncases:\n  - {name: x, wants: {effect: allow}}\n",
		"an unknown base":  "base: none\ncases:\n  - {name: x, want: {effect: allow}}\n",
		"an unknown fact":  "base: low-risk\ncases:\n  - {name: x, set: {approved: true}, want: {effect: allow}}\n",
		"a wrong type":     "base: low-risk\ncases:\n  - {name: x, set: {tier: high}, want: {effect: allow}}\n",
		"a case twice":     "base: low-risk\ncases:\n  - {name: x, want: {effect: allow, policies: [grants/low-risk]}}\n  - {name: x, want: {effect: allow, policies: [grants/low-risk]}}\n",
		"an unset nothing": "base: low-risk\ncases:\n  - {name: x, unset: [ttl], want: {effect: allow}}\n",
		"a wrong duration": "base: low-risk\ncases:\n  - {name: x, set: {changeFreezeUntil: +soon}, want: {effect: allow}}\n",
		"another effect":   "base: low-risk\ncases:\n  - {name: x, want: {effect: permit}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			src := sources(t)
			src["tests/more.yaml"] = []byte(text)
			b, err := policy.LoadSources(src, vocabulary())
			if err != nil {
				t.Fatal(err)
			}
			if r, err := policy.Test(b); err == nil {
				t.Errorf("it was read: %+v", r)
			}
		})
	}
}

func TestALimitWithoutACaseOfItsOwnIsReported(t *testing.T) {
	src := sources(t)
	src["limits/more.cedar"] = []byte(`@id("limits/planted") @reason("Planted.") forbid (principal, action in Action::"mutate", resource is Service) when { context.tier == 4 && context.newPlane };`)
	b, err := policy.LoadSources(src, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := policy.Test(b); err != nil || r.OK() || !slices.Equal(r.NotAlone, []string{"limits/planted"}) {
		t.Errorf("%+v, %v", r, err)
	}
}

// The tiers of --dev differ in the proof only.
func TestDevTakesAPlainKeyUpToTierTwoOnly(t *testing.T) {
	b := load(t, policies.Dev())
	if b.Digest().Equal(defaultBundle(t).Digest()) {
		t.Fatal("dev and default are one bundle")
	}
	q := at(2)
	q.Facts.ApprovalsOwner, q.Facts.Proof = 1, writ.ProofD.Strength()
	wantVerdict(t, b.Decide(q), writ.Allow, writ.ReasonAllowed, "grants/approved-repair")
	wantVerdict(t, defaultBundle(t).Decide(q), writ.Requires, writ.ReasonNeedsApproval, "grants/approved-repair", "requirements/one-approver")
	q = at(3)
	q.Facts.ApprovalsOwner, q.Facts.Proof = 2, writ.ProofB.Strength()
	if d := b.Decide(q); d.Verdict != writ.Requires || d.Requirements.Proof != writ.ProofA {
		t.Errorf("%+v", d)
	}
}

func TestRulesAreListedWithTheirPlaceAndSentence(t *testing.T) {
	b := defaultBundle(t)
	rules := b.Rules()
	if len(rules) < 15 {
		t.Fatalf("%d rules", len(rules))
	}
	for _, r := range rules {
		if got, ok := b.Rule(r.ID); !ok || got != r || r.Reason == "" || r.File == "" || r.Line < 1 || r.Text == "" {
			t.Errorf("%+v", r)
		}
	}
	if _, ok := b.Rule("grants/none"); ok {
		t.Error("an unknown rule was found")
	}
}

func clone(m map[string][]byte) map[string][]byte { return maps.Clone(m) }
