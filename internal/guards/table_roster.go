package main

// turns are the guards of who is on call: sources that only narrow, turns that are handed over, approvals that are taken back,
// and people who have answered too much.
var turns = []Guard{
	{
		Invariant: "I02",
		File:      "internal/control/recall.go",
		Guard:     "if run.Run.State != writ.RunGranted || len(run.Begun) > 0 {",
		Package:   "./internal/control",
		Test:      "TestI14ARecallWinsUntilTheRunsFirstStepIsOnTheLedgerAndLosesAfterIt",
	},
	{
		Invariant: "I02",
		File:      "internal/control/recall.go",
		Guard:     "return c.stopRun(tx, run, rrow, by, writ.ReasonRecalled)",
		Instead:   "return nil",
		Package:   "./internal/control",
		Test:      "TestI14ARecallWinsUntilTheRunsFirstStepIsOnTheLedgerAndLosesAfterIt",
	},
	{
		Invariant: "I02",
		File:      "internal/control/recall.go",
		Guard:     "a.Recalled, arow.State = &at, stateRecalled",
		Instead:   "a.Recalled = &at",
		Package:   "./internal/control",
		Test:      "TestARecalledApprovalDoesNotCountAndItsAuthorAnswersNoSecondTime",
	},
	{
		Invariant: "I02",
		File:      "internal/control/recall.go",
		Guard:     "if a.Person == me {",
		Instead:   "if a.Person == me || true {",
		Package:   "./internal/control",
		Test:      "TestARecalledApprovalDoesNotCountAndItsAuthorAnswersNoSecondTime",
	},
	{
		Invariant: "I02",
		File:      "verify/decide.go",
		Guard:     "if at, back := p.recalled[d]; back {",
		Package:   "./verify",
		Test:      "TestI02AnApprovalThatWasTakenBackBeforeTheRunCountsForNoGrantAndNoStep",
	},
	{
		Invariant: "I02",
		File:      "verify/act.go",
		Guard:     "case g.recall > 0:",
		Instead:   "case false:",
		Package:   "./verify",
		Test:      "TestI02AnApprovalThatWasTakenBackBeforeTheRunCountsForNoGrantAndNoStep",
	},
	{
		Invariant: "I02",
		File:      "verify/recall.go",
		Guard:     "case v.Person != b.Approver:",
		Instead:   "case false:",
		Package:   "./verify",
		Test:      "TestI02AnApprovalThatWasTakenBackBeforeTheRunCountsForNoGrantAndNoStep",
	},
	{
		Invariant: "I05",
		File:      "internal/control/oncall.go",
		Guard:     "fresh := !doc.AsOf.IsZero() && now.Sub(doc.AsOf) <= o.MaxAge && doc.AsOf.Sub(now) <= o.MaxAge",
		Instead:   "fresh := !doc.AsOf.IsZero()",
		Package:   "./internal/control",
		Test:      "TestI05ASourceThatFailsOrIsStaleOrNamesNobodyLeavesTheFallbackOrNobody",
	},
	{
		Invariant: "I02",
		File:      "internal/control/oncall.go",
		Guard: `if i < 0 { // the source only narrows
				continue
			}`,
		Instead: `if i < 0 {
				out.Turns = append(out.Turns, turnOf(t.Person, t.Until))
				continue
			}`,
		Package: "./internal/control",
		Test:    "TestASourceOnlyNarrowsAndMakesNobodyOfItsGroup",
	},
	{
		Invariant: "I02",
		File:      "internal/control/team.go",
		Guard:     "err = c.narrow(tx, out)",
		Package:   "./internal/control",
		Test:      "TestWhoIsOnCallByTheSourceAnswersAsOnCallAndNobodyElseOfTheGroupDoes",
	},
	{
		Invariant: "I05",
		File:      "internal/control/oncall.go",
		Guard:     "if now.Before(t.From) || !t.Until.IsZero() && !now.Before(t.Until) {",
		Instead:   "if now.Before(t.From) {",
		Package:   "./internal/control",
		Test:      "TestPitfall23ATurnThatEndedBetweenAnswerAndRunNoLongerCounts",
	},
	{
		Invariant: "I11",
		File:      "internal/control/delegate.go",
		Guard:     "case d.From == taker || d.To == taker || d.To == giver: // no chains",
		Instead:   "case false:",
		Package:   "./internal/control",
		Test:      "TestI02ATurnIsNeverHandedToAnAgentARequesterAStrangerOrOnwards",
	},
	{
		Invariant: "I02",
		File:      "internal/control/delegate.go",
		Guard:     "if err := c.apartFrom(tx, ask.Group, ask.To, roster); err != nil {",
		Package:   "./internal/control",
		Test:      "TestI02ATurnIsNeverHandedToAnAgentARequesterAStrangerOrOnwards",
	},
	{
		Invariant: "I02",
		File:      "internal/control/delegate.go",
		Guard:     "} else if agent {",
		Instead:   "} else if false && agent {",
		Package:   "./internal/control",
		Test:      "TestI02ATurnIsNeverHandedToAnAgentARequesterAStrangerOrOnwards",
	},
	{
		Invariant: "I11",
		File:      "internal/control/delegate.go",
		Guard:     "if now.Before(d.Until) && !now.Before(d.At.Add(-maxBack)) {",
		Instead:   "if !now.Before(d.At.Add(-maxBack)) {",
		Package:   "./internal/control",
		Test:      "TestATurnThatWasHandedOverIsTheOthersUntilItEndsByItself",
	},
	{
		Invariant: "I11",
		File:      "internal/control/oncall.go",
		Guard: `if i < 0 || !slices.ContainsFunc(of, func(m approval.Member) bool { return m.Person() == d.To }) {
			continue // its giver is not on call: it moves a turn and makes none
		}`,
		Instead: `if i < 0 {
			out.Turns = append(out.Turns, writ.Turn{Person: d.To})
			continue
		}`,
		Package: "./internal/control",
		Test:    "TestATurnIsGivenBackByEitherAndIsWorthNothingWithoutItsGiversTurn",
	},
	{
		Invariant: "I02",
		File:      "internal/control/answer.go",
		Guard:     "if alone(rows) { // beyond their limit, people decide beside somebody who is below it",
		Instead:   "if false && alone(rows) {",
		Package:   "./internal/control",
		Test:      "TestBeyondTheLimitOfAShiftAnApprovalCountsOnlyBesideThatOfSomebodyBelowIt",
	},
	{
		Invariant: "I20",
		File:      "internal/rota/rota.go",
		Guard:     "CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },",
		Package:   "./internal/rota",
		Test:      "TestI20NoErrorOfASourceShowsItsAddressOrItsToken",
	},
	{
		Invariant: "I05",
		File:      "internal/rota/pagerduty.go",
		Guard:     "if o.Schedule == nil || !slices.Contains(s.schedules, o.Schedule.ID) {",
		Package:   "./internal/rota",
		Test:      "TestI05WhatAnOnCallToolDoesNotSayExactlyIsNoAnswer",
	},
	{
		Invariant: "I05",
		File:      "internal/rota/pagerduty.go",
		Guard:     "if !unique(b) {",
		Package:   "./internal/rota",
		Test:      "TestI05WhatAnOnCallToolDoesNotSayExactlyIsNoAnswer",
	},
}
