package main

// doors are the guards of the doors and what they lean on: tokens, pinned keys, redaction, in the order of the invariants.
var doors = []Guard{
	{
		Invariant: "I02",
		File:      "internal/api/approvals.go",
		Guard:     "kinds: people, creates: true,",
		Instead:   "kinds: askers, creates: true,",
		Package:   "./internal/api",
		Test:      "TestI02AnAgentThatCallsApproveIsRefusedAndThatIsRecorded",
	},
	{
		Invariant: "I05",
		File:      "internal/token/token.go",
		Guard:     `if want.Typ == "" {`,
		Package:   "./internal/token",
		Test:      "TestI05NoTypeWantedIsNotAnEmptyType",
	},
	{
		Invariant: "I20",
		File:      "internal/redact/redact.go",
		Guard:     `if (Key(k) || k == "value" && Key(name)) && scalar(e) {`,
		Package:   "./internal/redact",
		Test:      "TestI20ValueLosesItsSecrets",
	},
	{
		Invariant: "I20",
		File:      "internal/pin/file.go",
		Guard:     "case mode.Perm()&0o077 != 0:",
		Instead:   "case false:",
		Package:   "./internal/pin",
		Test:      "TestI20AKeyFileThatOthersMayReadIsRefused",
	},
	{
		Invariant: "I20",
		File:      "internal/mcp/answer.go",
		Guard:     `"Writ could not answer; nothing was changed."`,
		Instead:   "err.Error()",
		Package:   "./internal/mcp",
		Test:      "TestI20ErrorsFromInsideTellNothing",
	},
	{
		Invariant: "I20",
		File:      "internal/api/problem.go",
		Guard:     "if p.Detail == \"\" {\n\t\tp.Detail = writ.Printable(err.Error(), maxDetail)",
		Instead:   "if true {\n\t\tp.Detail = writ.Printable(err.Error(), maxDetail)",
		Package:   "./internal/api",
		Test:      "TestI20ErrorsOfTheInsideAreLoggedAndNotTold",
	},
}
