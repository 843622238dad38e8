package policy_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// chained is an ask in whose incident these operations ran before.
func chained(before ...string) policy.Request {
	q := lowRisk()
	slices.Sort(before)
	q.Facts.Chain = before
	return q
}

func TestPitfall14APairThatIsDeclaredNowhereEscalates(t *testing.T) {
	b := defaultBundle(t)
	for name, c := range map[string]struct {
		q    policy.Request
		want writ.Tier
	}{
		"nothing before":      {lowRisk(), writ.T1},
		"itself":              {chained("kubernetes/workload.rollback"), writ.T1},
		"a declared pair":     {chained("kubernetes/workload.restart", "kubernetes/workload.rollback"), writ.T1},
		"an undeclared pair":  {chained("kubernetes/workload.set_resources"), writ.T2},
		"of another plane":    {chained("httpapi/flag.set"), writ.T2},
		"one of several":      {chained("kubernetes/node.cordon", "kubernetes/workload.restart"), writ.T2},
		"of nobody's making":  {chained("unheard/of.it"), writ.T2},
		"through second step": {policy.Request{Playbook: "rollback-deployment", Operations: []string{"kubernetes/workload.rollback", "kubernetes/node.cordon"}, Facts: chained("kubernetes/workload.restart").Facts}, writ.T2},
	} {
		d := b.Decide(c.q)
		if d.Tier != c.want || (c.want > writ.T1) != (len(d.TierBecause) > 0) {
			t.Errorf("%s: %s because %v, want %s", name, d.Tier, d.TierBecause, c.want)
		}
		if c.want > writ.T1 && (d.Verdict != writ.Requires || !strings.Contains(d.TierBecause[0], "not declared compatible")) {
			t.Errorf("%s: %s because %v", name, d.Verdict, d.TierBecause)
		}
	}
}

func TestPitfall14TheWorstReachableActionGoverns(t *testing.T) {
	b := defaultBundle(t)
	q := lowRisk()
	q.Facts.Reach, q.Facts.ReachBy = 3, "agent second with drain-node"
	d := b.Decide(q)
	if d.Tier != writ.T3 || d.Verdict != writ.Requires || d.Requirements.Approvals["owner"] != 2 || d.Requirements.Proof != writ.ProofA ||
		len(d.TierBecause) != 1 || !strings.HasSuffix(d.TierBecause[0], q.Facts.ReachBy) {
		t.Errorf("%s %v because %v", d.Tier, d.Requirements, d.TierBecause)
	}
}

func TestR75AnAgentWhoseRecordIsNegativeMakesNoChangeAlone(t *testing.T) {
	b := defaultBundle(t)
	q := lowRisk()
	q.Facts.AutonomyLost = true
	d := b.Decide(q)
	if d.Tier != writ.T2 || d.Verdict != writ.Requires {
		t.Errorf("%s %s", d.Tier, d.Verdict)
	}
	q.Facts.ApprovalsOwner, q.Facts.Proof = 1, 4
	if d := b.Decide(q); !d.Allowed() {
		t.Errorf("with an owner's word it is %s", d.Verdict)
	}
	q = lowRisk()
	q.Facts.AutonomyTier = 3
	if d := b.Decide(q); d.Tier != writ.T3 || len(d.TierBecause) != 1 {
		t.Errorf("a playbook that was moved up to T3: %s because %v", d.Tier, d.TierBecause)
	}
}

// Pitfall 14, for any facts: nothing of a chain or a record lowers a tier or makes an answer kinder, and no order counts.
func TestPitfall14ChainsAndRecordsOnlyRaise(t *testing.T) {
	b, r := defaultBundle(t), rand.New(rand.NewPCG(14, 19))
	operations := []string{"kubernetes/workload.rollback", "kubernetes/workload.restart", "kubernetes/workload.scale", "kubernetes/node.cordon", "httpapi/flag.set", "kubernetes/workload.set_resources"}
	raised := 0
	for _, q := range randomRequests(r, 3000) {
		plain := b.Decide(q)
		if plain.Reason == writ.ReasonInvalidRequest || plain.Reason == writ.ReasonPolicyError {
			continue
		}
		longer := q
		for _, o := range operations {
			if r.IntN(3) == 0 {
				longer.Facts.Chain = append(longer.Facts.Chain, o)
			}
		}
		slices.Sort(longer.Facts.Chain)
		longer.Facts.Reach, longer.Facts.AutonomyTier, longer.Facts.AutonomyLost = r.IntN(5), r.IntN(5), r.IntN(2) == 0
		got := b.Decide(longer)
		if got.Tier < plain.Tier || got.Tier > writ.T4 {
			t.Fatalf("%s became %s: %s", plain.Tier, got.Tier, got.Facts)
		}
		if hard(got) < hard(plain) && plain.Reason != writ.ReasonNoGrantRule && plain.Reason != writ.ReasonLimit {
			t.Fatalf("%s became %s: %s", plain.Verdict, got.Verdict, got.Facts)
		}
		if got.Tier > plain.Tier {
			raised++
			if len(got.TierBecause) == 0 {
				t.Fatalf("%s is %s and nobody says why", plain.Tier, got.Tier)
			}
		}
		// A longer chain is never below a shorter one, and the steps may stand in any order.
		part := longer
		part.Facts.Chain = part.Facts.Chain[:len(part.Facts.Chain)/2]
		if d := b.Decide(part); d.Tier > got.Tier {
			t.Fatalf("half of the chain is %s, all of it %s", d.Tier, got.Tier)
		}
		turned := longer
		turned.Operations = slices.Clone(longer.Operations)
		slices.Reverse(turned.Operations)
		if d := b.Decide(turned); d.Tier != got.Tier || !slices.Equal(d.TierBecause, got.TierBecause) {
			t.Fatalf("another order: %s because %v, and %s because %v", d.Tier, d.TierBecause, got.Tier, got.TierBecause)
		}
	}
	if raised < 500 {
		t.Errorf("only %d were raised", raised)
	}
}

// The order of the declaration counts for nothing, and more of it never raises.
func TestPitfall14TheOrderOfTheDeclarationCountsForNothing(t *testing.T) {
	a, c, d := "kubernetes/workload.rollback", "kubernetes/workload.restart", "httpapi/flag.set"
	with := func(sets string) *policy.Bundle {
		src := sources(t)
		before, _, _ := strings.Cut(string(src["tiers.yaml"]), "chains:")
		src["tiers.yaml"] = []byte(before + sets)
		b, err := policy.LoadSources(src, vocabulary())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for sets, want := range map[string]writ.Tier{
		"":                         writ.T2,
		"chains: {}":               writ.T2,
		"chains: {undeclared: T3}": writ.T3,
		"chains: {compatible: [[" + a + ", " + d + "]]}":                            writ.T1,
		"chains: {compatible: [[" + d + ", " + a + "]]}":                            writ.T1,
		"chains: {compatible: [[" + a + ", " + c + "], [" + c + ", " + d + "]]}":    writ.T2, // not by way of a third
		"chains: {compatible: [[" + c + ", " + d + ", " + a + "]]}":                 writ.T1,
		"chains: {undeclared: T4, compatible: [[" + c + ", " + d + "]]}":            writ.T4,
		"chains: {undeclared: T4, compatible: [[" + d + ", " + c + ", " + a + "]]}": writ.T1,
	} {
		if got := with(sets).Decide(chained(d)); got.Tier != want {
			t.Errorf("%s: %s, want %s", sets, got.Tier, want)
		}
	}
}

func TestAChainDeclarationThatDeclaresNothingIsRefused(t *testing.T) {
	src := sources(t)
	before, _, _ := strings.Cut(string(src["tiers.yaml"]), "chains:")
	for name, text := range map[string]string{
		"below T2":         "chains: {undeclared: T1}",
		"no tier":          "chains: {undeclared: high}",
		"one alone":        "chains: {compatible: [[kubernetes/pod.delete]]}",
		"no operation":     "chains: {compatible: [[kubernetes/pod.delete, '*']]}",
		"twice":            "chains: {compatible: [[kubernetes/pod.delete, kubernetes/pod.delete]]}",
		"an unknown key":   "chains: {allowed: []}",
		"a map of nothing": "chains: [kubernetes/pod.delete]",
	} {
		src["tiers.yaml"] = []byte(before + text)
		if _, err := policy.LoadSources(src, vocabulary()); err == nil || !strings.Contains(err.Error(), "tiers.yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestI05AChainThatIsNoneDenies(t *testing.T) {
	b := defaultBundle(t)
	for name, change := range map[string]func(*policy.Facts){
		"unsorted":        func(f *policy.Facts) { f.Chain = []string{"kubernetes/workload.restart", "httpapi/flag.set"} },
		"no operation":    func(f *policy.Facts) { f.Chain = []string{"rm -rf"} },
		"reach beyond T4": func(f *policy.Facts) { f.Reach = 5 },
		"reach below T0":  func(f *policy.Facts) { f.Reach = -1 },
		"a tier of none":  func(f *policy.Facts) { f.AutonomyTier = 9 },
		"a novel":         func(f *policy.Facts) { f.Reach, f.ReachBy = 2, strings.Repeat("x", 1000) },
		"hidden text":     func(f *policy.Facts) { f.Reach, f.ReachBy = 2, "a\u202eb" },
	} {
		q := lowRisk()
		change(&q.Facts)
		if d := b.Decide(q); d.Verdict != writ.Deny || d.Reason != writ.ReasonInvalidRequest {
			t.Errorf("%s: %s (%s)", name, d.Verdict, d.Reason)
		}
	}
}
