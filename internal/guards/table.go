package main

// table lists the guards, in the order of the invariants: one entry for each line that one rests on.
var table = []Guard{
	{
		Invariant: "I03",
		File:      "internal/canon/canon.go",
		Guard:     "if !bytes.Equal(again, b) {",
		Package:   "./internal/canon",
		Test:      "TestParseTakesOnlyTheCanonicalForm",
	},
	{
		Invariant: "I03",
		File:      "internal/canon/canon.go",
		Guard:     "if !bytes.Equal(again, want) {",
		Package:   "./internal/canon",
		Test:      "TestParseLooseTakesSpaceAndOrderButNothingElse",
	},
	{
		Invariant: "I03",
		File:      "internal/canon/canon.go",
		Guard:     "return fmt.Errorf(\"%w: null\", ErrForm)",
		Instead:   "return nil",
		Package:   "./internal/canon",
		Test:      "TestMarshalRefusesWhatTwoReadersWouldDisagreeAbout",
	},
}
