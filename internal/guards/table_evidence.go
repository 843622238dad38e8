package main

// evidencing are the guards of readings from databases, and of what is handed out to check a reading.
var evidencing = []Guard{
	{
		Invariant: "I07",
		File:      "internal/connector/postgres/postgres.go",
		Guard:     "if err := connector.CheckParameters(v.reader().Parameters, q.With); err != nil {",
		Package:   "./internal/connector/postgres",
		Test:      "TestI07NoTextOfAnAgentComesIntoAQueryOfAView",
	},
	{
		Invariant: "I04",
		File:      "internal/connector/postgres/postgres.go",
		Guard:     "if !slices.ContainsFunc(q.Scope, writ.Location(v.Object).Within) {",
		Package:   "./internal/connector/postgres",
		Test:      "TestI07NoTextOfAnAgentComesIntoAQueryOfAView",
	},
	{
		Invariant: "I06",
		File:      "internal/connector/postgres/lease.go",
		Guard:     "err = x.dead(ctx, l)",
		Instead:   "err = nil",
		Package:   "./internal/connector/postgres",
		Test:      "TestI06AReadersCredentialDiesWithItsReading",
	},
	{
		Invariant: "I12",
		File:      "internal/connector/postgres/read.go",
		Guard:     "if err := x.narrow(ctx, tx); err != nil {",
		Package:   "./internal/connector/postgres",
		Test:      "TestT0AReaderThatMayDoMoreThanReadItsViewsReadsNothing",
	},
	{
		Invariant: "I12",
		File:      "internal/connector/postgres/lease.go",
		Guard:     "if much {\n\t\t\treturn writ.Refuse",
		Instead:   "if much && false {\n\t\t\treturn writ.Refuse",
		Package:   "./internal/connector/postgres",
		Test:      "TestT0AReaderThatMayDoMoreThanReadItsViewsReadsNothing",
	},
	{
		Invariant: "I04",
		File:      "internal/connector/postgres/config.go",
		Guard:     "case c.Writable:",
		Instead:   "case false && c.Writable:",
		Package:   "./internal/connector/postgres",
		Test:      "TestConfigurationsThatCannotBeBoundedAreRefused",
	},
	{
		Invariant: "I17",
		File:      "verify/evidence.go",
		Guard:     "case !content.Opens(commitment):",
		Instead:   "case false:",
		Package:   "./verify",
		Test:      "TestR27AReadingIsVerifiedOfflineAgainstTheLedger",
	},
	{
		Invariant: "I17",
		File:      "verify/evidence.go",
		Guard:     "if whole.Altered.Verdict != OK {",
		Package:   "./verify",
		Test:      "TestR27AReadingIsVerifiedOfflineAgainstTheLedger",
	},
}
