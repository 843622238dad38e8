package friction_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/friction"
	"github.com/writ-dev/writ/internal/ledger"
)

var start = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)

func id[T ~string](prefix string, n int) T { return T(fmt.Sprintf("%s_%026d", prefix, n)) }

// entry is one of a story's entries, so many milliseconds after the beginning.
func entry(ms int, kind writ.EntryKind, incident int, body any) ledger.Entry {
	return ledger.Entry{Record: writ.Record{Kind: kind, Time: start.Add(time.Duration(ms) * time.Millisecond), Task: id[writ.IncidentID]("inc", incident)}, Body: body}
}

func pln(n int) writ.PlanID { return id[writ.PlanID]("pln", n) }

// decided is a decision on a whole plan that counts as this tier.
func decided(plan, tier int, v writ.Verdict) *writ.DecisionBody {
	return &writ.DecisionBody{Plan: pln(plan), Verdict: v, Facts: fmt.Appendf(nil, `{"tier":%d}`, tier)}
}

// story is a tier 1 plan that ran by itself, a tier 2 plan for which two people were asked, one that policy put into tier 3 and
// nobody answered, one of tier 3 that was denied.
func story() []ledger.Entry {
	run := func(n int) writ.RunID { return id[writ.RunID]("run", n) }
	return []ledger.Entry{
		entry(0, writ.EntryIncident, 1, &writ.IncidentBody{Incident: id[writ.IncidentID]("inc", 1), Service: "shop"}),
		entry(0, writ.EntryProposal, 1, &writ.ProposalBody{Plan: pln(1)}),
		entry(300, writ.EntryPlan, 1, &writ.PlanBody{Plan: pln(1), Tier: writ.T1}),
		entry(400, writ.EntryDecision, 1, decided(1, 1, writ.Allow)),
		entry(400, writ.EntryGrant, 1, &writ.GrantBody{Plan: pln(1), Run: run(1)}),
		entry(900, writ.EntryStepIntent, 1, &writ.StepBody{Run: run(1), Plan: pln(1)}),
		entry(950, writ.EntryDecision, 1, &writ.DecisionBody{Plan: pln(1), Step: "x", Verdict: writ.Deny}), // a step's is none of the plan's

		entry(1000, writ.EntryProposal, 1, &writ.ProposalBody{Plan: pln(2)}),
		entry(1200, writ.EntryPlan, 1, &writ.PlanBody{Plan: pln(2), Tier: writ.T2}),
		entry(2000, writ.EntryDecision, 1, decided(2, 2, writ.Requires)),
		entry(2100, writ.EntryNotice, 1, &writ.NoticeBody{Outcome: writ.OutcomeDelivered}),
		entry(2200, writ.EntryNotice, 1, &writ.NoticeBody{Outcome: writ.OutcomeFailed}),
		entry(30_000, writ.EntryApproval, 1, &writ.ApprovalBody{Plan: pln(2), Answer: writ.Approve}),
		entry(31_000, writ.EntryRecall, 1, &writ.RecallBody{Plan: pln(2)}),
		entry(62_000, writ.EntryApproval, 1, &writ.ApprovalBody{Plan: pln(2), Answer: writ.Approve}),
		entry(62_000, writ.EntryDecision, 1, decided(2, 2, writ.Allow)),
		entry(62_000, writ.EntryGrant, 1, &writ.GrantBody{Plan: pln(2), Run: run(2)}),
		entry(61_000, writ.EntryStepIntent, 1, &writ.StepBody{Run: run(2), Plan: pln(2)}), // by a clock that is behind

		entry(70_000, writ.EntryProposal, 2, &writ.ProposalBody{Plan: pln(3)}),
		entry(70_000, writ.EntryPlan, 2, &writ.PlanBody{Plan: pln(3), Tier: writ.T2}),
		entry(70_000, writ.EntryDecision, 2, decided(3, 3, writ.Requires)),
		entry(970_000, writ.EntryPlanEnd, 2, &writ.PlanEndBody{Plan: pln(3), State: writ.PlanExpired}),
		entry(980_000, writ.EntryProposal, 2, &writ.ProposalBody{Plan: pln(4)}),
		entry(980_500, writ.EntryPlan, 2, &writ.PlanBody{Plan: pln(4), Tier: writ.T3}),
		entry(981_000, writ.EntryDecision, 2, decided(4, 3, writ.Deny)),
		entry(981_000, writ.EntryPlanEnd, 2, &writ.PlanEndBody{Plan: pln(4), State: writ.PlanDenied}),
		entry(990_000, writ.EntryProposal, 2, &writ.ProposalBody{Plan: pln(5)}), // no runner made it
	}
}

func TestR47WhatWritAddedIsCountedFromTheLedgerByIncidentAndTier(t *testing.T) {
	t.Parallel()
	one := friction.Line{Incident: id[writ.IncidentID]("inc", 1), Service: "shop", Plans: 2, Runs: 2, Prompts: 1, Approvals: 1, Recalls: 1, Notices: 1,
		DecidingMillis: 1400, PeopleSeconds: 60, StartingMillis: 500, LongestSeconds: 60}
	two := friction.Line{Incident: id[writ.IncidentID]("inc", 2), Plans: 2, Prompts: 1, Denied: 1, Expired: 1, DecidingMillis: 1000, PeopleSeconds: 900, LongestSeconds: 900}
	want := friction.Report{
		Entries: 27, From: start, Until: start.Add(980 * time.Second), Incidents: []friction.Line{one, two},
		Tiers: []friction.Line{
			{Tier: "T1", Plans: 1, Runs: 1, DecidingMillis: 400, StartingMillis: 500},
			{Tier: "T2", Plans: 1, Runs: 1, Prompts: 1, Approvals: 1, Recalls: 1, DecidingMillis: 1000, PeopleSeconds: 60, LongestSeconds: 60},
			{Tier: "T3", Plans: 2, Prompts: 1, Denied: 1, Expired: 1, DecidingMillis: 1000, PeopleSeconds: 900, LongestSeconds: 900},
		},
		Total: friction.Line{Plans: 4, Runs: 2, Prompts: 2, Approvals: 1, Recalls: 1, Denied: 1, Expired: 1, Notices: 1, DecidingMillis: 2400, PeopleSeconds: 960, StartingMillis: 500, LongestSeconds: 900},
	}
	got := friction.Count(story(), time.Time{}, "")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got.Total.AddedSeconds() != 962 {
		t.Errorf("%d seconds were added", got.Total.AddedSeconds())
	}
	if got := friction.Count(story(), time.Time{}, two.Incident); len(got.Incidents) != 1 || got.Total.Plans != 2 || got.Total.Notices != 0 {
		t.Errorf("of one incident: %+v", got)
	}
	if got := friction.Count(story(), start.Add(975*time.Second), ""); got.Total.Plans != 1 || got.Total.Denied != 1 {
		t.Errorf("of the newest: %+v", got)
	}
}
