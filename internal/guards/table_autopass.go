package main

// autopasses are the guards of decisions on autonomy by passkey: what is signed, whose passkey it is, and that it counts once.
var autopasses = []Guard{
	{
		Invariant: "passkey", File: "internal/approval/autonomy.go", Guard: "by, err := prove(forAutonomy, s.Person, a, roster)", Instead: "by, err := prove(forPolicy, s.Person, a, roster)",
		Package: "./internal/approval", Test: "TestPitfall20ADecisionOnAutonomyIsNoAnswerAskOrPolicyAndNoneOfThemIsADecision",
	},
	{
		Invariant: "passkey", File: "internal/approval/autonomy.go", Guard: "if by.proof.Strength() < least.Strength() {",
		Package: "./internal/approval", Test: "TestADecisionOnAutonomyByPasskeyProvesWhatItsKeyProvesAndNoLess",
	},
	{
		Invariant: "passkey", File: "internal/approval/autonomy.go", Guard: "case by.since.After(s.NotBefore):", Instead: "case false:",
		Package: "./internal/approval", Test: "TestPitfall25AKeyThatIsNewerThanTheMoveDecidesNothing",
	},
	{
		Invariant: "passkey", File: "internal/approval/autonomy.go", Guard: "if !cameUp.IsZero() && d.since.After(cameUp) {",
		Package: "./internal/control", Test: "TestPitfall25APasskeyThatIsNewerThanTheProposalDecidesForMoreCareOnly",
	},
	{
		Invariant: "passkey", File: "internal/control/autonomy.go", Guard: "if ask.Passkey != nil {",
		Package: "./internal/control", Test: "TestPitfall20OnlyADecisionThatWasBegunHereLastIsTaken",
	},
	{
		Invariant: "passkey", File: "internal/control/autonomymay.go", Guard: "roster, err := c.withPasskeys(tx, signed.Passkey)", Instead: "roster, err := c.roster(tx)",
		Package: "./internal/control", Test: "TestD10ADecisionByPasskeyIsOnePersonsWordBesideOneByKey",
	},
	{
		Invariant: "passkey", File: "internal/control/autonomymay.go", Guard: "if err != nil || !slices.Contains(v.Groups, owner) || slices.Contains(people, v.Person) {", Instead: "if !slices.Contains(v.Groups, owner) && false {",
		Package: "./internal/control", Test: "TestPitfall23APasskeyThatIsRemovedTakesItsDecisionWithIt",
	},
	{
		Invariant: "passkey", File: "internal/control/autonomyask.go", Guard: "if _, err := writ.ParseAutonomyStatement(ask.Statement); err != nil {",
		Package: "./internal/control", Test: "TestNoPasskeyIsAskedForWhatCannotBeDecided",
	},
	{
		Invariant: "passkey", File: "verify/autonomy.go", Guard: "case v.Passkey != nil && !s.asserted(index, v.Passkey, v.Counter):", Instead: "case false:",
		Package: "./verify", Test: "TestADecisionOnAutonomyByPasskeyIsCheckedOffline",
	},
	{
		Invariant: "passkey", File: "verify/autonomy.go", Guard: "case s.removed(a.passkey):", Instead: "case false:",
		Package: "./verify", Test: "TestADecisionOnAutonomyByPasskeyIsCheckedOffline",
	},
	{
		Invariant: "I02", File: "verify/autonomy.go", Guard: "case b.To < b.From && !s.proposed(index, b, v):", Instead: "case false:",
		Package: "./verify", Test: "TestADecisionOnAutonomyByPasskeyIsCheckedOffline",
	},
	{
		Invariant: "passkey", File: "internal/web/autonomy.go", Guard: "if v.Digest = writ.DigestOf(b); !v.Digest.Equal(named) {",
		Package: "./internal/web", Test: "TestThePageForADecisionShowsTheRecordOfItsDigestAndNothingElse",
	},
}
