package study_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

// searched is how many requests these tests try: a second's worth.
const searched = 3000

func TestTwoSetsAlikeGiveNoDifference(t *testing.T) {
	d, err := study.Diff(defaults(t), defaults(t), searched)
	if err != nil || len(d.Found) != 0 || d.Tried != searched {
		t.Errorf("%+v, %v", d, err)
	}
}

// A change of one literal by one, of one operator, or of one rule's presence is found, with an example that needs few facts.
func TestDiffFindsWhatALiteralsNeighbourChanges(t *testing.T) {
	for name, c := range map[string]struct {
		file, was, is string
		kind          study.Kind
	}{
		"a limit one higher":         {"limits/when.cedar", "context.sameFixRepeated < 3", "context.sameFixRepeated < 4", study.NowAllowed},
		"a limit one lower":          {"limits/what.cedar", "context.planesAfter <= 2", "context.planesAfter < 2", study.NowDenied},
		"a radius one wider":         {"requirements/risk.cedar", "context.permille > 500", "context.permille > 501", study.NowAllowed},
		"one approval less":          {"requirements/tiers.cedar", "@approvals(\"2\") @approvers(\"owner\") @proof(\"tier\")\n@reason(\"Tiers 3 and 4 need two owners of the service.\")\nforbid (principal, action in Action::\"mutate\", resource is Service)\nwhen { context.tier >= 3 && !context.emergency && (context.approvalsOwner < 2", "@approvals(\"1\") @approvers(\"owner\") @proof(\"tier\")\n@reason(\"Tiers 3 and 4 need two owners of the service.\")\nforbid (principal, action in Action::\"mutate\", resource is Service)\nwhen { context.tier >= 3 && !context.emergency && (context.approvalsOwner < 1", study.AsksLess},
		"the end of a freeze":        {"limits/when.cedar", "context.now < context.changeFreezeUntil", "context.now <= context.changeFreezeUntil", study.NowDenied},
		"a requirement for a higher": {"requirements/tiers.cedar", "context.tier == 2", "context.tier <= 2", study.NowPeople},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := defaults(t), changed(t, c.file, c.was, c.is)
			d, err := study.Diff(before, after, searched)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(d.Found, func(x study.Difference) bool { return x.Kind == c.kind })
			if i < 0 {
				t.Fatalf("no request is %s: %d found", c.kind, len(d.Found))
			}
			x := d.Found[i]
			if study.Outcome(before.Decide(x.Example)) != x.Before || study.Outcome(after.Decide(x.Example)) != x.After {
				t.Errorf("the example does not show it: %+v", x)
			}
			if len(x.Moves) > 4 {
				t.Errorf("the example differs in %d facts from the tests': %v", len(x.Moves), x.Moves)
			}
			if !slices.IsSortedFunc(d.Found, func(a, b study.Difference) int {
				return slices.Index(study.Kinds(), a.Kind) - slices.Index(study.Kinds(), b.Kind)
			}) {
				t.Error("the dangerous do not come first")
			}
		})
	}
}

func TestLintFindsRulesThatNeverMatter(t *testing.T) {
	const head = ` @reason("Planted.") `
	for name, c := range map[string]struct{ file, text, rule, want string }{
		"a rule that never fires":        {"limits/x.cedar", `@id("limits/x")` + head + `forbid (principal, action in Action::"mutate", resource is Service) when { context.tier > 3 && context.tier < 3 };`, "limits/x", "never fire"},
		"a rule that another covers":     {"limits/x.cedar", `@id("limits/x")` + head + `forbid (principal is Agent, action in Action::"mutate", resource is Service) when { principal.suspended && context.tier > 2 };`, "limits/x", "shadowed"},
		"a grant that a limit takes":     {"grants/x.cedar", `@id("grants/x")` + head + `permit (principal is Agent, action in Action::"mutate", resource is Service) when { principal.suspended };`, "grants/x", "contradict"},
		"a requirement that asks little": {"requirements/x.cedar", `@id("requirements/x")` + head + `@discharge("approve") @approvals("1") @approvers("owner") forbid (principal, action in Action::"mutate", resource is Service) when { context.newPlane && context.approvalsOwner < 3 };`, "requirements/x", "demand less"},
	} {
		t.Run(name, func(t *testing.T) {
			found, tried, err := study.Lint(changed(t, c.file, "", c.text), searched)
			if err != nil || tried != searched {
				t.Fatal(tried, err)
			}
			if !slices.ContainsFunc(found, func(f study.Finding) bool { return f.Rule == c.rule && strings.Contains(f.What, c.want) && f.Line > 0 }) {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestLintFindsNothingInTheDefaultSet(t *testing.T) {
	found, _, err := study.Lint(defaults(t), 3*searched)
	for _, f := range found {
		t.Errorf("%+v", f)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestWhoCanAsksForEveryAgentPlaybookAndService(t *testing.T) {
	services := []study.Service{{Name: "checkout", Owner: "payments", Environment: "prod"}, {Name: "ledger", Owner: "payments", Environment: "prod", Stateful: true}}
	books := []study.Playbook{
		{Name: "rollback-deployment", Plane: "kubernetes", Tier: writ.T1, Operations: []string{"kubernetes/workload.rollback"}, Undo: true},
		{Name: "restart-workload", Plane: "kubernetes", Tier: writ.T2, Operations: []string{"kubernetes/workload.restart"}, Undo: true},
	}
	agent := func(name string, suspended bool, roles ...string) study.Agent {
		return study.Agent{Name: name, Principal: writ.Principal{Kind: writ.KindAgent, Iss: "https://issuer.example", Sub: name}, Roles: roles, Suspended: suspended}
	}
	got := map[string]writ.Verdict{}
	for _, c := range study.WhoCan(defaults(t), services, books, []study.Agent{agent("mender", false, "repair"), agent("reader", false, "diagnose"), agent("sleeper", true, "repair")}, 1_800_000_000) {
		got[c.Service+" "+c.Playbook+" "+c.Agent] = c.Verdict
	}
	for ask, want := range map[string]writ.Verdict{
		"checkout rollback-deployment mender": writ.Allow, "ledger rollback-deployment mender": writ.Requires, "checkout restart-workload mender": writ.Requires,
		"checkout rollback-deployment reader": writ.Deny, "checkout rollback-deployment sleeper": writ.Deny,
	} {
		if got[ask] != want {
			t.Errorf("%s: %s, want %s", ask, got[ask], want)
		}
	}
	if len(got) != 12 {
		t.Errorf("%d answers", len(got))
	}
}

// A search is the same each time.
func TestASearchIsTheSameEachTime(t *testing.T) {
	next := changed(t, "limits/when.cedar", "context.sameFixRepeated < 3", "context.sameFixRepeated < 4")
	first, _ := study.Diff(defaults(t), next, searched)
	again, _ := study.Diff(defaults(t), next, searched)
	if len(first.Found) != len(again.Found) {
		t.Fatalf("%d and %d", len(first.Found), len(again.Found))
	}
	for i := range first.Found {
		if first.Found[i].Before != again.Found[i].Before || first.Found[i].Count != again.Found[i].Count {
			t.Errorf("%+v and %+v", first.Found[i], again.Found[i])
		}
	}
}
