package main

// passkeys are the guards of approvals by passkey: what an assertion must be, whose passkey it is, and that it counts once.
var passkeys = []Guard{
	assertion(`case auth.flags&flagVerified == 0:`, "TestPitfall19AnAssertionMadeOtherwiseIsRefused"),
	assertion(`case auth.flags&flagTouched == 0:`, "TestPitfall19AnAssertionMadeOtherwiseIsRefused"),
	assertion(`case client.origin != c.Origin:`, "TestPitfall19AnAssertionMadeOtherwiseIsRefused"),
	assertion(`case subtle.ConstantTimeCompare(auth.rp[:], rp[:]) != 1:`, "TestPitfall19AnAssertionMadeOtherwiseIsRefused"),
	assertion(`case (auth.flags&flagBackupEligible != 0) != c.Synced:`, "TestPitfall19AnAssertionMadeOtherwiseIsRefused"),
	assertion(`case client.cross:`, "TestPitfall19CrossOriginIsRefused"),
	assertion(`case client.kind != "webauthn.get":`, "TestPitfall20ALoginOrEnrolmentIsNoApproval"),
	assertion(`case subtle.ConstantTimeCompare([]byte(client.challenge), []byte(challenge)) != 1:`, "TestPitfall20ALoginOrEnrolmentIsNoApproval"),
	{
		Invariant: "passkey",
		File:      "internal/approval/assertion.go",
		Guard:     "len(a.Signature) > maxAssertion || !key.verify(",
		Instead:   "len(a.Signature) > maxAssertion && !key.verify(",
		Package:   "./internal/approval",
		Test:      "TestOneAlteredBitOfAnAssertionIsRefused",
	},
	{
		Invariant: "passkey",
		File:      "internal/approval/assertion.go",
		Guard:     "if (auth.counter != 0 || c.Counter != 0) && int64(auth.counter) <= c.Counter {",
		Package:   "./internal/approval",
		Test:      "TestPitfall19AnAssertionMadeOtherwiseIsRefused",
	},
	{
		Invariant: "passkey",
		File:      "internal/approval/prove.go",
		Guard:     `case a.Signature != "":`,
		Instead:   `case false && a.Signature != "":`,
		Package:   "./internal/approval",
		Test:      "TestAnAnswerHasOneProof",
	},
	{
		Invariant: "passkey",
		File:      "internal/approval/judge.go",
		Guard:     "case v.Since.After(q.Plan.MadeAt):",
		Instead:   "case false && v.Since.After(q.Plan.MadeAt):",
		Package:   "./internal/approval",
		Test:      "TestPitfall25APasskeyEnrolledAfterThePlanCannotAnswerIt",
	},
	{
		Invariant: "passkey",
		File:      "internal/passkey/passkey.go",
		Guard:     "return named && err == nil",
		Instead:   "return named || err == nil",
		Package:   "./internal/passkey",
		Test:      "TestANewPasskeyIsOfTheLevelThatItsAttestationShows",
	},
	{
		Invariant: "passkey",
		File:      "internal/control/passkey.go",
		Guard:     "case to == writ.PasskeyActive && own:",
		Instead:   "case false && own:",
		Package:   "./internal/control",
		Test:      "TestAPasskeyCountsOnceAnotherPersonOfTheGroupHasConfirmedIt",
	},
	{
		Invariant: "passkey",
		File:      "internal/control/credential.go",
		Guard:     "if !known || row.State != string(writ.PasskeyActive) || !c.here(p) {",
		Instead:   `if !known || row.State == "" || !c.here(p) {`,
		Package:   "./internal/control",
		Test:      "TestPitfall23AVoteWhosePasskeyWasRemovedSinceNoLongerCounts",
	},
	{
		Invariant: "passkey",
		File:      "internal/control/credential.go",
		Guard:     "if (now != 0 || p.Counter != 0) && now <= p.Counter {",
		Package:   "./internal/control",
		Test:      "TestPitfall19ACounterThatDidNotGrowIsRefused",
	},
	{
		Invariant: "passkey",
		File:      "internal/control/assert.go",
		Guard:     "if begun == nil || begun.Nonce != nonce {",
		Package:   "./internal/control",
		Test:      "TestPitfall20OnlyAStatementThatWasMadeHereForThatAnswerIsTaken",
	},
	{
		Invariant: "passkey",
		File:      "verify/passkey.go",
		Guard:     "case p != nil && p.body.State != writ.PasskeyActive:",
		Instead:   "case false && p.body.State != writ.PasskeyActive:",
		Package:   "./verify",
		Test:      "TestWhatIsWrongWithAnApprovalByPasskeyIsFoundOffline",
	},
	{
		Invariant: "passkey",
		File:      "verify/passkey.go",
		Guard:     "if seen && (counter != 0 || before != 0) && counter <= before {",
		Package:   "./verify",
		Test:      "TestACounterThatGoesBackwardsIsFoundOffline",
	},
}

// assertion is a guard of one case of verifyAssertion.
func assertion(guard, test string) Guard {
	const word = "case "
	return Guard{
		Invariant: "passkey", File: "internal/approval/assertion.go", Guard: guard, Instead: word + "false && (" + guard[len(word):len(guard)-1] + "):",
		Package: "./internal/approval", Test: test,
	}
}
