package main

// advices are the guards of what decides beside the rules: calendars, the external decision point, and questions about access.
var advices = []Guard{
	{
		Invariant: "I05",
		File:      "internal/control/decide.go",
		Guard:     "c.calendarFacts(f, now)",
		Package:   "./internal/control",
		Test:      "TestAFreezeOfTheCalendarDeniesAndEnds",
	},
	{
		Invariant: "I05",
		File:      "internal/calendar/calendar.go",
		Guard:     "open := !closes.IsZero() && (out.Open == nil || *out.Open)",
		Instead:   "open := !closes.IsZero()",
		Package:   "./internal/calendar",
		Test:      "TestOneMoreCalendarNeverAllowsMore",
	},
	{
		Invariant: "I05",
		File:      "internal/calendar/event.go",
		Guard:     "if s+offsetAt(s, zone) == wall.Unix() {",
		Package:   "./internal/calendar",
		Test:      "TestInstantsAroundChangesOfTheClocks",
	},
	{
		Invariant: "I05",
		File:      "internal/control/decide.go",
		Guard:     `if phase == writ.PhaseGrant && d.Allowed() && q.Facts.Veto != "" && q.Facts.Veto != vetoPermit {`,
		Package:   "./internal/control",
		Test:      "TestPitfall16TheVetoDeniesWhatPolicyAllows",
	},
	{
		Invariant: "I05",
		File:      "internal/control/veto.go",
		Guard:     "case p.veto == nil || !p.veto.digest.Equal(p.Digest) || c.now().Sub(p.veto.at) > vetoLife:",
		Instead:   "case p.veto == nil:",
		Package:   "./internal/control",
		Test:      "TestAnAnswerThatIsOldWhenTheGrantIsIssuedIsNone",
	},
	{
		Invariant: "I05",
		File:      "internal/control/veto.go",
		Guard:     "if err != nil || !d.Allowed() && !(approving && d.Verdict == writ.Requires) {",
		Instead:   "if err != nil {",
		Package:   "./internal/control",
		Test:      "TestPitfall16ATrueDoesNotRescueADeny",
	},
	{
		Invariant: "I05",
		File:      "internal/veto/veto.go",
		Guard:     `if raw, ok := about["obligations"]; ok && string(raw) != "[]" {`,
		Package:   "./internal/veto",
		Test:      "TestPitfall16OnlyAPlainTruePermits",
	},
	{
		Invariant: "I05",
		File:      "internal/veto/veto.go",
		Guard:     "CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },",
		Package:   "./internal/veto",
		Test:      "TestPitfall16OnlyAPlainTruePermits",
	},
	{
		Invariant: "I04",
		File:      "internal/control/advise.go",
		Guard:     "case by.Kind == writ.KindAgent && by.Same(subject):",
		Instead:   "case by.Kind == writ.KindAgent:",
		Package:   "./internal/control",
		Test:      "TestAnAgentAsksAboutItselfOnly",
	},
	{
		Invariant: "I04",
		File:      "internal/control/advise.go",
		Guard:     "if !plan.Requester.Same(q.Subject) || plan.Service != q.Service || policy.PlaybookAction(plan.Playbook.Name) != q.Action {",
		Package:   "./internal/control",
		Test:      "TestAdviceOnAPlanIsForItsOwnSubjectActionAndServiceOnly",
	},
}
