package main

// reading are the guards of evidence: what is read before a grant, and who could have written what was read.
var reading = []Guard{
	{
		Invariant: "I14",
		File:      "internal/control/issue.go",
		Guard:     "if old { // it is decided for the grant on what a new reading shows",
		Instead:   "if old = false; old {",
		Package:   "./internal/control",
		Test:      "TestD1EvidenceThatDoesNotHoldAnyMoreRefusesAndNamesTheClaim",
	},
	{
		Invariant: "I14",
		File:      "internal/control/decide.go",
		Guard:     "if claim, bad := p.Reread.failing(); bad {",
		Package:   "./internal/control",
		Test:      "TestD1EvidenceThatDoesNotHoldAnyMoreRefusesAndNamesTheClaim",
	},
	{
		Invariant: "I04",
		File:      "internal/control/reread.go",
		Guard:     "if len(got.Claims) != len(want) {",
		Package:   "./internal/control",
		Test:      "TestD1AReadingOfSomethingElseIsNone",
	},
	{
		Invariant: "I04",
		File:      "internal/control/reread.go",
		Guard:     "if r.Name != want[i].Name || r.Holds != (r.Code == \"\") {",
		Package:   "./internal/control",
		Test:      "TestD1AReadingOfSomethingElseIsNone",
	},
	{
		Invariant: "I04",
		File:      "internal/control/propose.go",
		Guard:     "if err := c.shown(tx, ask, pb.Playbook); err != nil {",
		Package:   "./internal/control",
		Test:      "TestD1AnAskCitesReadingsThatShowWhatItsPlaybookWants",
	},
	{
		Invariant: "I04",
		File:      "internal/control/reread.go",
		Guard:     "case c.now().Sub(newest.At) > c.EvidenceLife:",
		Instead:   "case false && c.now().Sub(newest.At) > c.EvidenceLife:",
		Package:   "./internal/control",
		Test:      "TestD1AnAskCitesReadingsThatShowWhatItsPlaybookWants",
	},
	{
		Invariant: "I14",
		File:      "internal/runner/reread.go",
		Guard:     "if err != nil || !kept.Digest.Equal(in.Digest) {",
		Instead:   "if err != nil {",
		Package:   "./internal/runner",
		Test:      "TestD1TheRunnerReadsAgainWhatItsPlanRestsOn",
	},
	{
		Invariant: "I14",
		File:      "internal/runner/forward.go",
		Guard:     "if err := x.r.observed(ctx, x.conn, x.plan.Observe, x.kept.Scope); err != nil {",
		Package:   "./internal/runner",
		Test:      "TestD1AClaimThatFailsAfterTheGrantMintsNothing",
	},
}
