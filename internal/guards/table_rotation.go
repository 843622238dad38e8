package main

// rotations are the guards of the replacement of keys, and of limits that hold across replicas.
var rotations = []Guard{
	{
		Invariant: "I03",
		File:      "internal/control/exchange.go",
		Guard:     "return c.dispatcher(holder) != nil",
		Instead:   "return true",
		Package:   "./internal/control",
		Test:      "TestAPlanThatNamesARetiredDispatchKeyGetsNoGrant",
	},
	{
		Invariant: "I03",
		File:      "internal/rotate/dispatch.go",
		Guard:     "rest > 0 {",
		Instead:   "rest < 0 {",
		Package:   "./internal/rotate",
		Test:      "TestTheDispatchKeyIsReplacedWithoutAnOpenPlanThatNobodyCanPresent",
	},
	{
		Invariant: "I17",
		File:      "verify/succession.go",
		Guard:     "case c.keys.roots != nil && s.Endorsed(c.keys.roots.Public()) < c.keys.roots.Threshold:",
		Instead:   "case false:",
		Package:   "./verify",
		Test:      "TestI17AStolenLogKeyAppointsNoSuccessor",
	},
	{
		Invariant: "I17",
		File:      "verify/succession.go",
		Guard:     "c.keys.log[old].ToSize = index",
		Instead:   "_ = index",
		Package:   "./verify",
		Test:      "TestI17AnAuditorWhoKnowsTheOldKeyFollowsTheLogToTheNext",
	},
	{
		Invariant: "I17",
		File:      "internal/ledger/succession.go",
		Guard:     "if id := KeyID(root); !counted[id] && s.signedBy(root) {",
		Instead:   "if id := KeyID(root); s.signedBy(root) {",
		Package:   "./internal/ledger",
		Test:      "TestASuccessionIsSignedByBothKeysAndCountsEachRootOnce",
	},
	{
		Invariant: "I17",
		File:      "internal/signer/signer.go",
		Guard:     "if err := s.remember(st.Head); err != nil {",
		Instead:   "if err := error(nil); err != nil {",
		Package:   "./internal/signer",
		Test:      "TestI17TheMemoryGoesOverToTheLogsNextKey",
	},
	{
		Invariant: "identity",
		File:      "internal/control/rate.go",
		Guard:     "if len(d.At) >= limit {",
		Instead:   "if len(d.At) > limit {",
		Package:   "./internal/control",
		Test:      "TestNHIAnAgentsTokensAreBoundedForAllReplicasTogether",
	},
	{
		Invariant: "identity",
		File:      "internal/authn/runnersvid.go",
		Guard:     "case s.ID.String() != string(id):",
		Instead:   "case false:",
		Package:   "./internal/authn",
		Test:      "TestARunnerShowsNoSVIDButItsOwn",
	},
}
