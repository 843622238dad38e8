package policy_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// Pitfall 13.
func TestI05NoBundleDenies(t *testing.T) {
	var none *policy.Bundle
	d := none.Decide(lowRisk())
	wantVerdict(t, d, writ.Deny, writ.ReasonNoGrantRule)
	if d.Allowed() || !none.Digest().IsZero() || len(d.Because) == 0 {
		t.Errorf("%+v", d)
	}
}

func TestI05AFailedLoadLeavesTheOldBundleAsItWas(t *testing.T) {
	old := defaultBundle(t)
	before := old.Decide(lowRisk())
	src := sources(t)
	src["limits/x.cedar"] = []byte("forbid")
	if b, err := policy.LoadSources(src, vocabulary()); b != nil || err == nil {
		t.Fatal("it was loaded")
	}
	if d := cmp.Diff(before, old.Decide(lowRisk()), cmpDigest); d != "" {
		t.Error(d)
	}
}

var cmpDigest = cmp.Comparer(func(a, b writ.Digest) bool { return a == b })

func TestI05AnUnknownActionIsDenied(t *testing.T) {
	b := defaultBundle(t)
	for name, change := range map[string]func(*policy.Request){
		"operation":                   func(q *policy.Request) { q.Operations = append(q.Operations, "kubernetes/pod.exec") },
		"playbook":                    func(q *policy.Request) { q.Playbook = "rm-rf" },
		"group":                       func(q *policy.Request) { q.Operations = []string{"mutate"} },
		"nothing":                     func(q *policy.Request) { q.Playbook, q.Operations = "", nil },
		"a step without its playbook": func(q *policy.Request) { q.Playbook = "" },
	} {
		q := lowRisk()
		change(&q)
		if d := b.Decide(q); d.Verdict != writ.Deny || d.Reason != writ.ReasonInvalidRequest {
			t.Errorf("%s: %s (%s)", name, d.Verdict, d.Reason)
		}
	}
}

func TestI05AnEngineThatPanicsDenies(t *testing.T) {
	d := policy.DecideBroken(defaultBundle(t), lowRisk())
	wantVerdict(t, d, writ.Deny, writ.ReasonPolicyError)
	if len(d.Errors) == 0 {
		t.Error("the reason policy_error names nothing")
	}
}

// Pitfall 1: beside a satisfied permit, a forbid that fails to evaluate ends in a denial that names it.
func TestI05ErroringForbidDenies(t *testing.T) {
	for name, condition := range map[string]string{
		"an overflow":  `context.now * 9223372036854775807 > 0`,
		"an underflow": `-9223372036854775807 - context.now < 0`,
	} {
		b := loadOnly(t, map[string]string{
			"grants/a.cedar": `@id("grants/a")` + head + permitAll + `;`,
			"limits/b.cedar": `@id("limits/b")` + head + forbidAll + ` when { ` + condition + ` };`,
		})
		d := b.Decide(lowRisk())
		wantVerdict(t, d, writ.Deny, writ.ReasonPolicyError)
		if !slices.Equal(d.Errors, []string{"limits/b"}) {
			t.Errorf("%s: errors %v", name, d.Errors)
		}
	}
}

func TestI05AnErrorUnderMetRequirementsDenies(t *testing.T) {
	b := loadOnly(t, map[string]string{
		"grants/a.cedar":       `@id("grants/a")` + head + permitAll + `;`,
		"requirements/b.cedar": `@id("requirements/b")` + head + approve + forbidAll + unmet,
		"limits/c.cedar":       `@id("limits/c")` + head + forbidAll + ` when { context.approvalsOwner * 9223372036854775807 > 9223372036854775806 && context.approvalsOwner * 9223372036854775807 * 2 > 0 };`,
	})
	d := b.Decide(lowRisk())
	if d.Verdict != writ.Deny || d.Reason != writ.ReasonPolicyError || !slices.Equal(d.Errors, []string{"limits/c"}) {
		t.Errorf("%+v", d)
	}
}

func TestI05FactsThatAreNoFactsDeny(t *testing.T) {
	b := defaultBundle(t)
	for name, change := range map[string]func(*policy.Facts){
		"no principal":         func(f *policy.Facts) { f.Principal = writ.Principal{} },
		"a runner asks":        func(f *policy.Facts) { f.Principal.Kind = writ.KindRunner },
		"an issuer with a bar": func(f *policy.Facts) { f.Principal.Iss = "https://a|b" },
		"no service":           func(f *policy.Facts) { f.Service = "" },
		"no owning team":       func(f *policy.Facts) { f.OwningTeam = "" },
		"no clock":             func(f *policy.Facts) { f.Now = 0 },
		"an unknown env":       func(f *policy.Facts) { f.Env = "production" },
		"an unknown role":      func(f *policy.Facts) { f.Roles = []string{"admin"} },
		"an unknown plane":     func(f *policy.Facts) { f.Planes = []string{"mainframe"} },
		"a tier beyond four":   func(f *policy.Facts) { f.Tier = 5 },
		"a tier below zero":    func(f *policy.Facts) { f.Tier = -1 },
		"a severity of zero":   func(f *policy.Facts) { f.Severity = new(0) },
		"a negative radius":    func(f *policy.Facts) { f.Permille = new(-1) },
		"negative failures":    func(f *policy.Facts) { f.Failures = new(-1) },
		"a huge number":        func(f *policy.Facts) { f.ApprovalsOwner = 1 << 60 },
		"a proof beyond A":     func(f *policy.Facts) { f.Proof = 5 },
		"broken text":          func(f *policy.Facts) { f.Service = "a\xff" },
	} {
		q := lowRisk()
		change(&q.Facts)
		if d := b.Decide(q); d.Verdict != writ.Deny || d.Reason != writ.ReasonInvalidRequest || !json.Valid(d.Facts) {
			t.Errorf("%s: %s (%s)", name, d.Verdict, d.Reason)
		}
	}
}

// Pitfall 12: a fact that could not be computed never helps. A freeze is the documented exception: absent means none.
func TestI05AnAbsentFactIsNeverMoreAllowed(t *testing.T) {
	b := defaultBundle(t)
	for name, change := range map[string]func(*policy.Facts){
		"severity": func(f *policy.Facts) { f.Severity = nil }, "targets": func(f *policy.Facts) { f.Targets = nil },
		"permille": func(f *policy.Facts) { f.Permille = nil }, "concurrent": func(f *policy.Facts) { f.Concurrent = nil },
		"failures": func(f *policy.Facts) { f.Failures = nil }, "sameFixRepeated": func(f *policy.Facts) { f.SameFixRepeated = nil },
		"planesAfter": func(f *policy.Facts) { f.PlanesAfter = nil }, "unsettled": func(f *policy.Facts) { f.Unsettled = nil },
	} {
		q := lowRisk()
		change(&q.Facts)
		if d := b.Decide(q); d.Verdict == writ.Allow {
			t.Errorf("without %s: %s by %v", name, d.Verdict, d.Policies)
		}
	}
}

// R35: role membership alone never yields an allow for anything that writes.
func TestR35ARoleAloneIsNeverEnough(t *testing.T) {
	b := defaultBundle(t)
	for tier := range 5 {
		q := at(tier)
		q.Facts = policy.Facts{
			Principal: q.Facts.Principal, Registered: true, Roles: []string{"diagnose", "repair"}, Incident: q.Facts.Incident,
			Service: "checkout", OwningTeam: "payments", Env: "dev", Tier: tier, Now: q.Facts.Now,
		}
		if d := b.Decide(q); d.Verdict == writ.Allow {
			t.Errorf("tier %d is allowed by %v", tier, d.Policies)
		}
	}
}

// R01: an agent that diagnoses cannot repair, whoever approves.
func TestR01DiagnosisAndRepairAreSeparateAuthority(t *testing.T) {
	b := defaultBundle(t)
	for tier := 1; tier <= 4; tier++ {
		q := at(tier)
		q.Facts.Roles, q.Facts.ApprovalsOwner, q.Facts.ApprovalsOncall, q.Facts.Proof = []string{"diagnose"}, 5, 5, 4
		if d := b.Decide(q); d.Verdict != writ.Deny || d.Reason != writ.ReasonNoGrantRule {
			t.Errorf("tier %d: %s (%s)", tier, d.Verdict, d.Reason)
		}
	}
}

// R07: the same agent and role, other live facts, another verdict.
func TestR07AuthorityFollowsTheFacts(t *testing.T) {
	b := defaultBundle(t)
	wantVerdict(t, b.Decide(lowRisk()), writ.Allow, writ.ReasonAllowed, "grants/low-risk")
	q := lowRisk()
	q.Facts.Concurrent = new(1)
	wantVerdict(t, b.Decide(q), writ.Deny, writ.ReasonLimit, "limits/one-change-at-a-time")
}

// Pitfall 10.
func TestACallerThatLooksAtAllowedOnlyTakesRequiresForNo(t *testing.T) {
	d := defaultBundle(t).Decide(at(2))
	if d.Verdict != writ.Requires || d.Allowed() {
		t.Errorf("%+v", d)
	}
}

// Pitfall 11: no fact that people can bring about passes a limit.
func TestNoApprovalPassesALimit(t *testing.T) {
	b := defaultBundle(t)
	for name, change := range map[string]func(*policy.Facts){
		"limits/registered": func(f *policy.Facts) { f.Registered = false }, "limits/suspended": func(f *policy.Facts) { f.Suspended = true },
		"limits/incident-closed": func(f *policy.Facts) { f.IncidentOpen = false }, "limits/evidence": func(f *policy.Facts) { f.EvidenceFresh = false },
		"limits/change-freeze":  func(f *policy.Facts) { f.ChangeFreezeUntil = new(f.Now + 1) },
		"limits/change-window":  func(f *policy.Facts) { f.InWindow = new(false) },
		"limits/self-diagnosed": func(f *policy.Facts) { f.SelfDiagnosed = true }, "limits/plane-budget": func(f *policy.Facts) { f.PlanesAfter = new(3) },
		"limits/same-fix": func(f *policy.Facts) { f.SameFixRepeated = new(3) }, "limits/blast-radius": func(f *policy.Facts) { f.Permille = new(1001) },
		"limits/cluster-wide": func(f *policy.Facts) { f.Cluster = true }, "limits/one-change-at-a-time": func(f *policy.Facts) { f.Concurrent = new(1) },
	} {
		q := at(3)
		q.Facts.ApprovalsOwner, q.Facts.ApprovalsOncall, q.Facts.Proof = 9, 9, 4
		change(&q.Facts)
		wantVerdict(t, b.Decide(q), writ.Deny, writ.ReasonLimit, name)
	}
}

// A plan is decided as its playbook and each of its operations: the worst answer counts, requirements join.
func TestTheWorstAnswerOfAPlanCounts(t *testing.T) {
	b := loadOnly(t, map[string]string{
		"grants/a.cedar": `@id("grants/a")` + head + permitAll + `;`,
		"limits/b.cedar": `@id("limits/b")` + head + `forbid (principal, action == Action::"kubernetes/workload.scale", resource is Service);`,
		"requirements/c.cedar": `@id("requirements/c")` + head + approve +
			`@proof("C") forbid (principal, action == Action::"playbook/restart-workload", resource is Service) when { context.approvalsOwner < 1 || context.proof < 2 };` +
			`@id("requirements/d")` + head + `@discharge("approve") @approvals("2") @approvers("owner")` +
			`forbid (principal, action == Action::"kubernetes/workload.restart", resource is Service) when { context.approvalsOwner < 2 };` +
			`@id("requirements/e")` + head + `@discharge("approve") @approvals("1") @approvers("oncall") @proof("B")` +
			`forbid (principal, action == Action::"kubernetes/workload.restart", resource is Service) when { context.approvalsOncall < 1 || context.proof < 3 };` +
			`@id("requirements/f")` + head + `@discharge("clamp") @max_ttl("5m") @max_objects("3")` +
			`forbid (principal, action == Action::"kubernetes/workload.restart", resource is Service) unless { context has ttl && context.ttl <= 300 && context has maxObjects && context.maxObjects <= 3 };` +
			`@id("requirements/g")` + head + `@discharge("clamp") @max_ttl("2m") @max_permille("200")` +
			`forbid (principal, action == Action::"playbook/restart-workload", resource is Service) unless { context has ttl && context.ttl <= 120 && context has maxPermille && context.maxPermille <= 200 };`,
	})
	q := lowRisk()
	wantVerdict(t, b.Decide(q), writ.Allow, writ.ReasonAllowed, "grants/a")
	q.Operations = []string{"kubernetes/workload.rollback", "kubernetes/workload.scale"}
	wantVerdict(t, b.Decide(q), writ.Deny, writ.ReasonLimit, "limits/b")

	q.Playbook, q.Operations = "restart-workload", []string{"kubernetes/workload.restart", "kubernetes/workload.rollback"}
	q.Facts.TTL = new(600)
	d := b.Decide(q)
	wantVerdict(t, d, writ.Requires, writ.ReasonNeedsApproval,
		"grants/a", "requirements/c", "requirements/d", "requirements/e", "requirements/f", "requirements/g")
	want := writ.Requirements{Approvals: map[string]int{"owner": 2, "oncall": 1}, Proof: writ.ProofB, MaxTTL: 120, MaxPermille: 200, MaxObjects: 3}
	if diff := cmp.Diff(want, d.Requirements); diff != "" {
		t.Error(diff)
	}
	q.Facts.ApprovalsOwner, q.Facts.ApprovalsOncall, q.Facts.Proof = 2, 1, 3
	q.Facts.TTL, q.Facts.MaxPermille, q.Facts.MaxObjects = new(120), new(200), new(3)
	wantVerdict(t, b.Decide(q), writ.Allow, writ.ReasonAllowed, "grants/a")
	q.Operations = append(q.Operations, "kubernetes/workload.scale")
	wantVerdict(t, b.Decide(q), writ.Deny, writ.ReasonLimit, "limits/b")
}

// An annotation that asks for less than the condition demands leads nowhere: the answer is no, not "collect this".
func TestARequirementThatItsOwnAnnotationCannotMeetDenies(t *testing.T) {
	b := loadOnly(t, map[string]string{
		"grants/a.cedar":       `@id("grants/a")` + head + permitAll + `;`,
		"requirements/b.cedar": `@id("requirements/b")` + head + approve + forbidAll + ` when { context.approvalsOwner < 2 };`,
	})
	wantVerdict(t, b.Decide(lowRisk()), writ.Deny, writ.ReasonUnmet, "requirements/b")
}

// Pitfall 14: tiers.yaml raises and never lowers.
func TestRaisesOnlyEverRaiseTheTier(t *testing.T) {
	src := sources(t)
	src["tiers.yaml"] = bytes.Replace(src["tiers.yaml"], []byte("raises: []"), []byte(`raises:
  - {service: checkout, environment: prod, at_least: T2}
  - {playbook: restart-workload, at_least: T3}
  - {service: checkout, at_least: T0}
`), 1)
	b, err := policy.LoadSources(src, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	tierOf := func(q policy.Request) int {
		f, err := policy.ParseFacts(b.Decide(q).Facts)
		if err != nil {
			t.Fatal(err)
		}
		return f.Tier
	}
	for stated := range 5 {
		q := at(stated)
		if got := tierOf(q); got != max(stated, 2) {
			t.Errorf("tier %d became %d", stated, got)
		}
		q.Facts.Env = "dev"
		if got := tierOf(q); got != stated {
			t.Errorf("elsewhere, tier %d became %d", stated, got)
		}
		q.Playbook = "restart-workload"
		if got := tierOf(q); got != max(stated, 3) {
			t.Errorf("for the playbook, tier %d became %d", stated, got)
		}
	}
	q := lowRisk()
	q.Facts.TierProof = 0 // what a caller says of it is ignored
	wantVerdict(t, b.Decide(q), writ.Requires, writ.ReasonNeedsApproval, "grants/approved-repair", "requirements/one-approver")
}

func TestABundleIsSafeForConcurrentUse(t *testing.T) {
	b := defaultBundle(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for tier := range 5 {
				if d := b.Decide(at(tier)); d.Verdict == "" {
					t.Error("no verdict")
				}
			}
		})
	}
	wg.Wait()
}

func TestSentencesAndIDsAreSortedAndComplete(t *testing.T) {
	q := at(3)
	q.Facts.Tainted, q.Facts.Permille = true, new(900)
	d := defaultBundle(t).Decide(q)
	if !slices.IsSorted(d.Policies) || len(d.Because) != 3 || strings.Join(d.Because, "") == "" {
		t.Errorf("%v, %q", d.Policies, d.Because)
	}
	for _, id := range d.Policies {
		if _, ok := defaultBundle(t).Rule(id); !ok {
			t.Errorf("%s is no rule", id)
		}
	}
}

// Pitfall 14: whatever the facts say of chains, planes and all else, the tier that counts is never below the one stated, and
// with a raise never below what it was without.
func TestPitfall14NoFactLowersTheTier(t *testing.T) {
	src := sources(t)
	src["tiers.yaml"] = bytes.Replace(src["tiers.yaml"], []byte("raises: []"), []byte("raises: [{service: checkout, at_least: T2}, {environment: prod, at_least: T1}]"), 1)
	raised, err := policy.LoadSources(src, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	plain := defaultBundle(t)
	tier := func(b *policy.Bundle, q policy.Request) int {
		f, err := policy.ParseFacts(b.Decide(q).Facts)
		if err != nil {
			t.Fatal(err)
		}
		return f.Tier
	}
	lifted := 0
	for i, q := range randomRequests(rand.New(rand.NewPCG(13, 14)), 500) {
		q.Facts.NewPlane, q.Facts.Hops, q.Facts.Emergency = i%2 == 0, new(i%4), i%5 == 0
		before, after := tier(plain, q), tier(raised, q)
		if before != q.Facts.Tier || after < before {
			t.Fatalf("tier %d became %d, and %d with raises", q.Facts.Tier, before, after)
		}
		if after > before {
			lifted++
		}
	}
	if lifted < 50 {
		t.Errorf("only %d were raised", lifted)
	}
}
