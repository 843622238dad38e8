package main

// sets are the guards of policy sets: who signed them, that none goes back, and that no process decides by an old one.
var sets = []Guard{
	{
		Invariant: "I05",
		File:      "internal/control/policyset.go",
		Guard:     "case s.Version < was.Version:",
		Instead:   "case false:",
		Package:   "./internal/control",
		Test:      "TestPitfall08APolicySetNeverGoesBack",
	},
	{
		Invariant: "I05",
		File:      "internal/control/decide.go",
		Guard:     "if late { // another replica",
		Instead:   "if false && late { // another replica",
		Package:   "./internal/control",
		Test:      "TestI05AReplicaBehindTheSetInForceDenies",
	},
	{
		Invariant: "I05",
		File:      "internal/quorum/quorum.go",
		Guard:     "if len(good) < o.Threshold {",
		Package:   "./internal/policy/seal",
		Test:      "TestASetCountsOnlyWithEnoughOfItsOwnersSignatures",
	},
	{
		Invariant: "I05",
		File:      "internal/policy/seal/seal.go",
		Guard:     "if !writ.DigestOf(src).Equal(f.Digest) {",
		Package:   "./internal/policy/seal",
		Test:      "TestEveryByteOfEveryFileIsSigned",
	},
	{
		Invariant: "I05",
		File:      "internal/server/policyset.go",
		Guard:     "if p.owners != nil {",
		Package:   "./internal/server",
		Test:      "TestASetWithOwnersNeedsTheirSignatures",
	},
}
