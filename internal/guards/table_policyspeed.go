package main

// shortcuts are the guards of the short ways in which policy decides: what is remembered must say what is so now.
var shortcuts = []Guard{
	{
		Invariant: "I05",
		File:      "internal/policy/evaluate.go",
		Guard:     "if !e.strict && !sh.accepts(e.principal.UID) {",
		Package:   "./internal/policy",
		Test:      "TestI05WhoMayAskForAnActionIsTheSchemasWord",
	},
	{
		Invariant: "I05",
		File:      "internal/policy/entity.go",
		Guard:     "if known && !strict && p.team == f.Team && p.suspended == f.Suspended && p.oncall == f.Oncall && p.lost == f.AutonomyLost && slices.Equal(p.roles, f.Roles) {",
		Instead:   "if known && !strict {",
		Package:   "./internal/policy",
		Test:      "TestI05WhatChangesAboutAnAgentOrServiceCountsAtTheNextDecision",
	},
	{
		Invariant: "I05",
		File:      "internal/policy/entity.go",
		Guard:     "slices.Clone(f.Roles)",
		Instead:   "f.Roles",
		Package:   "./internal/policy",
		Test:      "TestI05WhatChangesAboutAnAgentOrServiceCountsAtTheNextDecision",
	},
	{
		Invariant: "I05",
		File:      "internal/policy/memo.go",
		Guard:     "if m.m == nil || len(m.m) >= maxMemo {",
		Instead:   "if m.m == nil {",
		Package:   "./internal/policy",
		Test:      "TestI05WhatABundleRemembersDecidesNothing",
	},
	{
		Invariant: "I05",
		File:      "internal/policy/context.go",
		Guard:     "if whole {\n\t\tr.reads = allFacts\n\t}",
		Instead:   "_ = whole",
		Package:   "./internal/policy",
		Test:      "TestI05ARuleThatReadsTheWholeContextSeesIt",
	},
	{
		Invariant: "I05",
		File:      "internal/policy/cedarx/shape.go",
		Guard:     "place(w, &w.ids, u)",
		Package:   "./internal/policy/cedarx",
		Test:      "TestAStatementIsJudgedAsIfItWereTheFirst",
	},
	{
		Invariant: "I05",
		File:      "internal/policy/decide.go",
		Guard:     "b.raise(&f, q.Playbook, q.Operations)",
		Package:   "./internal/policy",
		Test:      "TestPitfall14NoFactLowersTheTier",
	},
}
