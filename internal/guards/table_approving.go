package main

// approvings are the guards of the origin for approving: whose session it takes, which requests are for it, and what its
// page shows.
var approvings = []Guard{
	{
		Invariant: "passkey",
		File:      "internal/authn/approving.go",
		Guard:     "if err != nil || login.IsZero() || subtle.ConstantTimeCompare([]byte(challenge), []byte(t.part(\"approve\"))) != 1 {",
		Instead:   "if _ = subtle.ConstantTimeCompare([]byte(challenge), nil); err != nil || login.IsZero() {",
		Package:   "./internal/authn",
		Test:      "TestACodeOfAHandOverIsWorthNothingInAnotherBrowser",
	},
	{
		Invariant: "passkey",
		File:      "internal/web/approve.go",
		Guard:     "if !digest.Equal(p.Digest) || plan.ID != p.ID {",
		Instead:   "if _ = digest; false {",
		Package:   "./internal/web",
		Test:      "TestThePageForApprovingShowsNothingButTheBytesOfTheDigest",
	},
	{
		Invariant: "passkey",
		File:      "internal/web/approve.go",
		Guard:     "if p, err = fromBytes(p); err != nil {",
		Instead:   "if _, err = fromBytes(p); err != nil {",
		Package:   "./internal/web",
		Test:      "TestThePageForApprovingShowsNothingButTheBytesOfTheDigest",
	},
	{
		Invariant: "passkey",
		File:      "internal/web/approving.go",
		Guard:     "c.Auth, c.LoginPath = a.Entrance, pathEnter",
		Instead:   "c.LoginPath = pathEnter",
		Package:   "./internal/web",
		Test:      "TestOnlyASessionOfTheApprovingOriginCountsThere",
	},
	{
		Invariant: "passkey",
		File:      "internal/web/approving.go",
		Guard:     "err != nil || kind != \"application/json\" {",
		Instead:   "err != nil && kind != \"application/json\" {",
		Package:   "./internal/web",
		Test:      "TestACallOfTheScriptIsJSONOfItsOwnOriginAndSession",
	},
	{
		Invariant: "passkey",
		File:      "internal/web/handover.go",
		Guard:     "if d.Approving == nil || !v.Waiting || v.Moved {",
		Instead:   "if d.Approving == nil || !v.Waiting {",
		Package:   "./internal/web",
		Test:      "TestAPlanThatWaitsHasALinkToThePageForApproving",
	},
	{
		Invariant: "passkey",
		File:      "internal/server/approving.go",
		Guard:     "if r.Host == host {",
		Instead:   "if r.Host == host || r.URL.Path != \"\" {",
		Package:   "./internal/server",
		Test:      "TestTheApprovingOriginIsToldByItsExactHost",
	},
}
