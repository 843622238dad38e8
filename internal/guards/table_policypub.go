package main

// changes are the guards of how a policy set comes into force, and of what is observed only.
var changes = []Guard{
	{
		Invariant: "I02", File: "internal/approval/policychange.go", Guard: "case slices.Contains(q.Roster[v.member].people(), c.Proposer):", Instead: "case false:",
		Package: "./internal/control", Test: "TestAPolicySetComesIntoForceByTwoPeopleWhoDidNotProposeIt",
	},
	{
		Invariant: "I03", File: "internal/approval/policychange.go", Guard: "case !s.Digest.Equal(q.Digest):", Instead: "case false:",
		Package: "./internal/control", Test: "TestAPolicySetComesIntoForceByTwoPeopleWhoDidNotProposeIt",
	},
	{
		Invariant: "I05", File: "internal/control/policyforce.go", Guard: "if c.PolicyGate == nil || was.Version == 0 ||", Instead: "if true || c.PolicyGate == nil || was.Version == 0 ||",
		Package: "./internal/control", Test: "TestAPolicySetComesIntoForceByTwoPeopleWhoDidNotProposeIt",
	},
	{
		Invariant: "I05", File: "internal/control/policychange.go", Guard: "if err == nil && report.OK() {", Instead: "if err == nil {",
		Package: "./internal/control", Test: "TestASetThatIsNotTestedSignedOrNewerIsNotProposed",
	},
	{
		Invariant: "I05", File: "internal/control/policyanswer.go", Guard: "case writ.PolicyChangeState(row.State) != writ.PolicyWaiting:", Instead: "case false:",
		Package: "./internal/control", Test: "TestAChangeOfTheSetEndsWithoutForceInEveryOtherWay",
	},
	{
		Invariant: "I05", File: "internal/control/planned.go", Guard: "if d.Observed {", Instead: "if false && d.Observed {",
		Package: "./internal/control", Test: "TestAnObservedPlaybookIsDecidedAndNothingOfItRuns",
	},
}
