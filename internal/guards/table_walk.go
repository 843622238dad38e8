package main

// walks are the guards of what people do in a browser from login to run: sessions under a login, who can reach what, the lab.
var walks = []Guard{
	{
		Invariant: "passkey",
		File:      "internal/control/session.go",
		Guard:     "return c.parentGood(tx, s.Parent)",
		Instead:   "return nil",
		Package:   "./internal/control",
		Test:      "TestASessionOpenedUnderALoginDoesNotOutliveIt",
	},
	{
		Invariant: "passkey",
		File:      "internal/control/session.go",
		Guard:     "if err := c.logoutUnder(tx, row, by); err != nil {",
		Instead:   "if err := error(nil); err != nil {",
		Package:   "./internal/control",
		Test:      "TestASessionOpenedUnderALoginDoesNotOutliveIt",
	},
	{
		Invariant: "passkey",
		File:      "internal/control/sessionunder.go",
		Guard:     "case !login.Parent.IsZero() || !login.Person.Principal().Same(who):",
		Instead:   "case !login.Parent.IsZero():",
		Package:   "./internal/control",
		Test:      "TestOnlyAGoodLoginOfTheSamePersonOpensAnother",
	},
	{
		Invariant: "pages",
		File:      "internal/control/lab.go",
		Guard:     "!slices.Contains(append([]writ.Person{m.Person()}, m.Accounts...), without) {",
		Instead:   "without.Sub != \"\" {",
		Package:   "./internal/control",
		Test:      "TestReachIsWhatPolicySaysForEveryAgentOfTheService",
	},
	{
		Invariant: "pages",
		File:      "internal/web/again.go",
		Guard:     "if v := d.planView(by, p); !v.Anew() {",
		Instead:   "if v := d.planView(by, p); false && v.Kept {",
		Package:   "./internal/web",
		Test:      "TestAPlanThatCameToNothingIsAskedForAnewAndNoOtherIs",
	},
	{
		Invariant: "pages",
		File:      "internal/web/approve.go",
		Guard:     "v.Look = p.Tier() >= writ.T3",
		Instead:   "v.Look = false",
		Package:   "./internal/web",
		Test:      "TestAtTierThreeTheButtonsWaitForTheChange",
	},
}
