package main

// ownJudgements are the guards of what a runner judges by itself, of how it becomes known, and of what it signs.
var ownJudgements = []Guard{
	{
		Invariant: "I12",
		File:      "internal/runner/check.go",
		Guard:     "if err := j.trust.trust.Ceiling.AllowsTime(j.r.Now()); err != nil {",
		Package:   "./internal/runner",
		Test:      "TestI12TheServerAloneCannotActBeyondTheCeiling",
	},
	{
		Invariant: "I12",
		File:      "internal/quorum/quorum.go",
		Guard:     "if _, twice := keys[id]; twice {",
		Package:   "./internal/runner",
		Test:      "TestPitfall27AnyFaultOfTheCeilingStopsAllWork",
	},
	{
		Invariant: "I17",
		File:      "verify/receipt.go",
		Guard:     "case err != nil || !call.Equal(r.Call) || r.Operation != i.body.Operation || r.Object != i.body.Object.Location:",
		Instead:   "case false && (err != nil || !call.Equal(r.Call) || r.Operation != i.body.Operation || r.Object != i.body.Object.Location):",
		Package:   "./verify",
		Test:      "TestR33AReceiptThatTheLogDoesNotBearIsFound",
	},
	{
		Invariant: "I20",
		File:      "internal/config/secret.go",
		Guard:     `c.want(!literal.MatchString(ref), "%s must be the path of a file of mode 0600, or env:NAME, not the secret itself: a secret does not belong here", key)`,
		Package:   "./internal/config",
		Test:      "TestI20ASecretThatStandsInAConfigurationIsRefused",
	},
	{
		Invariant: "identity",
		File:      "internal/control/enrol.go",
		Guard:     "if err != nil || !kept.Equal(hash) || row.State != string(writ.RunnerInvited) || d.Runner != in.Runner || d.Until == nil || !c.now().Before(*d.Until) {",
		Package:   "./internal/control",
		Test:      "TestWhatFitsNoOpenInvitationIsNotEnrolled",
	},
	{
		Invariant: "identity",
		File:      "internal/control/enrol.go",
		Guard:     "if !c.knows(in.Runner) || !enrol.Proved(public, in.Proof, in.Runner, c.fingerprint(), in.At, c.now()) {",
		Package:   "./internal/control",
		Test:      "TestWhatFitsNoOpenInvitationIsNotEnrolled",
	},
	{
		Invariant: "identity",
		File:      "internal/control/enrol.go",
		Guard:     "case row.State != string(writ.RunnerEnrolled) || !c.knows(d.Runner):",
		Instead:   "case false && (row.State != string(writ.RunnerEnrolled) || !c.knows(d.Runner)):",
		Package:   "./internal/control",
		Test:      "TestARemovedRunnerIsNobodyAndItsRunsEndAsALostOnes",
	},
	{
		Invariant: "identity",
		File:      "internal/control/enrol.go",
		Guard:     "if wait > 0 {",
		Package:   "./internal/control",
		Test:      "TestFailedEnrolmentsAreBoundedInTime",
	},
	{
		Invariant: "identity",
		File:      "internal/server/fleet.go",
		Guard:     "if err == nil && !active {",
		Package:   "./internal/server",
		Test:      "TestARunnerOfSPIFFEConnectsByItsSVIDAndEnrolsTheKeyItSignsWith",
	},
}
