package main

// gateways are the guards of tools of upstreams: nothing is called but what a person approved, by whom it may, and nothing is
// told that is not recorded.
var gateways = []Guard{
	{
		Invariant: "I05",
		File:      "internal/gateway/call.go",
		Guard:     "if d := offered[i]; d.twice || !d.Digest().Equal(pinned) {",
		Instead:   "if d := offered[i]; d.twice {",
		Package:   "./internal/control",
		Test:      "TestMCP01AChangedToolIsOffUntilItIsApprovedAgain",
	},
	{
		Invariant: "I05",
		File:      "internal/control/front.go",
		Guard:     "case row.State != string(writ.ToolOn):",
		Instead:   "case row.State == \"\":",
		Package:   "./internal/control",
		Test:      "TestMCP01AToolIsOffForEveryReplica",
	},
	{
		Invariant: "I05",
		File:      "internal/control/front.go",
		Guard:     "if err == nil && !f.decision.Allowed() {",
		Instead:   "if false {",
		Package:   "./internal/control",
		Test:      "TestPolicyDecidesAReadingByItsNamedArguments",
	},
	{
		Invariant: "I05",
		File:      "internal/control/front.go",
		Guard:     "now, err := c.mayFront(tx, by, u, fronted{incident: f.incident, name: f.name}, arguments)",
		Instead:   "now, err := f, error(nil)",
		Package:   "./internal/control",
		Test:      "TestAnAnswerToACallThatIsNoLongerAllowedIsNotGiven",
	},
	{
		Invariant: "I05",
		File:      "internal/control/pin.go",
		Guard:     "if writes := d.Writes(); writes != \"\" && !ask.Declared {",
		Package:   "./internal/control",
		Test:      "TestOnlyAPersonOfTheTeamApprovesWhatTheyLookedAt",
	},
	{
		Invariant: "I07",
		File:      "internal/gateway/arguments.go",
		Guard:     "if err := s.check(\"\", m); err != nil {",
		Package:   "./internal/gateway",
		Test:      "TestArgumentsAreHeldAgainstTheApprovedSchema",
	},
	{
		Invariant: "I20",
		File:      "internal/gateway/transport.go",
		Guard:     "r.Header.Set(\"Authorization\", \"Bearer \"+c.secret)",
		Instead:   "r.Header.Set(\"Authorization\", \"Bearer x\")",
		Package:   "./internal/control",
		Test:      "TestAReadingThroughAnUpstreamIsDecidedAndRecorded",
	},
}
