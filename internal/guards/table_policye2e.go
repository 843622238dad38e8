package main

// overtakings are the guards of plans that another policy set overtakes.
var overtakings = []Guard{
	{
		Invariant: "I03", File: "internal/control/overtaken.go", Guard: "if d.Verdict == writ.Deny || d.Policy.Equal(plan.Policy) {", Instead: "if true || d.Policy.Equal(plan.Policy) {",
		Package: "./internal/control", Test: "TestPitfall08NoGrantForAPlanThatWasMadeUnderAnOlderSet",
	},
	{
		Invariant: "I03", File: "internal/control/overtaken.go", Guard: "if !plan.Policy.Equal(set) {", Instead: "if false && !plan.Policy.Equal(set) {",
		Package: "./internal/control", Test: "TestPitfall08APlanThatWaitsIsDecidedAgainWhenAnotherSetComesIntoForce",
	},
}
