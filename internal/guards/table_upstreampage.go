package main

// doorsAround are the guards of what stands around the agents' door: the bridge's client certificate, and the storefront to
// practise on.
var doorsAround = []Guard{
	{
		Invariant: "I12",
		File:      "cmd/writ/mcpcert.go",
		Guard:     "tlsconfig.AuthorizeID(id))",
		Instead:   "tlsconfig.AuthorizeAny())",
		Package:   "./cmd/writ",
		Test:      "TestI12TheBridgeKnowsTheServerByItsSPIFFEID",
	},
	{
		Invariant: "I05",
		File:      "internal/demo/practice.go",
		Guard:     "if subtle.ConstantTimeCompare(got[:], p.digest[:]) != 1 {",
		Package:   "./internal/demo",
		Test:      "TestThePracticeStorefrontBreaksForItsOwnerAlone",
	},
	{
		Invariant: "I02",
		File:      "internal/web/gateway.go",
		Guard:     "name, err := writ.ParseUpstreamToolName(r.PathValue(\"tool\"))",
		Instead:   "name, err := writ.UpstreamToolName{Upstream: \"kube\", Tool: r.PathValue(\"tool\")}, error(nil)",
		Package:   "./internal/web",
		Test:      "TestAToolIsTurnedOffOnItsPageAndNeverApprovedThere",
	},
}
