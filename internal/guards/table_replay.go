package main

// replays are the lines on which reading many records fast rests: that it reads what the plain way reads, or refuses.
var replays = []Guard{
	{
		Invariant: "I05",
		File:      "internal/canon/form.go",
		Guard:     "if before != nil && compare(before, name) >= 0 {",
		Instead:   "if before != nil && compare(before, name) > 0 {",
		Package:   "./internal/canon",
		Test:      "TestWhatIsCanonicalIsSeenInPlace",
	},
	{
		Invariant: "I05",
		File:      "internal/ledger/plain.go",
		Guard:     "return dst, err == nil && len(dst) > n && strict.EncodedLen(len(dst)-n) == len(text)",
		Instead:   "return dst, err == nil && len(dst) > n",
		Package:   "./internal/ledger",
		Test:      "FuzzAnEnvelopeIsReadAsCanonReadsIt",
	},
	{
		Invariant: "I05",
		File:      "internal/ledger/skim.go",
		Guard:     "if whole && ok && len(m.sig) == ed25519.SignatureSize {",
		Instead:   "if whole && ok && len(m.sig) <= ed25519.SignatureSize {",
		Package:   "./internal/ledger",
		Test:      "TestI05SkimmingTakesTheEnvelopesThatOpeningTakes",
	},
	{
		Invariant: "I05",
		File:      "internal/policy/factsread.go",
		Guard:     "return r.read(f, v) && r.wrote(f, v.Bytes())",
		Instead:   "return r.read(f, v)",
		Package:   "./internal/policy",
		Test:      "TestI05FactsThatWouldBeWrittenOtherwiseAreNotRead",
	},
}
