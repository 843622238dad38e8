package study_test

import (
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
)

func TestAnExplanationNamesRulesByPlaceAndTheFactsThatMattered(t *testing.T) {
	q := lowRisk()
	q.Facts.ChangeFreezeUntil = new(q.Facts.Now + 3600)
	x := study.Explain(defaults(t), q)
	if x.Decision.Verdict != writ.Deny || len(x.Rules) != 1 || x.Rules[0].ID != "limits/change-freeze" || x.Rules[0].File != "limits/when.cedar" || x.Rules[0].Line < 1 {
		t.Fatalf("%+v", x.Rules)
	}
	mattered := func(name string) bool {
		return slices.ContainsFunc(x.Mattered, func(f study.Fact) bool { return f.Name == name })
	}
	if !mattered("changeFreezeUntil") || mattered("evidenceAgeSeconds") || mattered("permille") {
		t.Errorf("mattered: %v", x.Mattered)
	}
	if len(x.Changes) == 0 || x.Changes[0].Verdict != writ.Allow || len(x.Changes[0].Moves) != 1 || x.Changes[0].Moves[0].Fact != "changeFreezeUntil" {
		t.Errorf("%+v", x.Changes)
	}
}

// What people can bring about comes first.
func TestAnExplanationOfARequirementBeginsWithMeetingIt(t *testing.T) {
	b, q := defaults(t), at(2)
	x := study.Explain(b, q)
	if x.Decision.Verdict != writ.Requires || len(x.Changes) < 2 || x.Changes[0].Verdict != writ.Allow {
		t.Fatalf("%s: %+v", x.Outcome, x.Changes)
	}
	if m := x.Changes[0].Moves; len(m) != 2 || m[0].Fact != "approvalsOwner" || m[0].To != "1" || m[1].Fact != "proof" || m[1].To != "2" {
		t.Errorf("%v", m)
	}
}

func TestTheSmallestChangeIsFoundAlsoWhenItTakesTwoFacts(t *testing.T) {
	q := lowRisk()
	q.Facts.Tainted, q.Facts.IncidentOpen, q.Facts.ChangeFreezeUntil = false, false, new(q.Facts.Now+60)
	x := study.Explain(defaults(t), q)
	if x.Decision.Verdict != writ.Deny || len(x.Changes) == 0 {
		t.Fatalf("%s: %+v", x.Outcome, x.Changes)
	}
	c := x.Changes[0]
	if c.Verdict != writ.Allow || len(c.Moves) != 2 || c.Moves[0].Fact != "changeFreezeUntil" || c.Moves[1].Fact != "incidentOpen" {
		t.Errorf("%+v", c)
	}
}

func TestAnInvalidRequestIsExplainedByItself(t *testing.T) {
	x := study.Explain(defaults(t), policy.Request{})
	if x.Decision.Reason != writ.ReasonInvalidRequest || len(x.Changes) != 0 {
		t.Errorf("%+v", x)
	}
}
