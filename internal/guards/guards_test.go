package main

import (
	"strings"
	"testing"
)

// roundTrip is the guard that the tests of the machinery take out: canon refuses what does not survive a round trip.
var roundTrip = Guard{
	Invariant: "self-test",
	File:      "internal/canon/canon.go",
	Guard:     "if !bytes.Equal(w.form, b) {",
	Package:   "./internal/canon",
	Test:      "TestParseTakesOnlyTheCanonicalForm/member_order",
}

// but returns roundTrip with a change.
func but(change func(*Guard)) Guard {
	g := roundTrip
	change(&g)
	return g
}

func TestGuardIsProvenOnlyByATestThatFailsWithoutIt(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		guard Guard
		want  string // part of the error; empty for a proven guard
	}{
		"a subtest notices":   {roundTrip, ""},
		"a test notices":      {but(func(g *Guard) { g.Test = "TestParseTakesOnlyTheCanonicalForm" }), ""},
		"nobody notices":      {but(func(g *Guard) { g.Test = "TestMarshalRefusesWhatTwoReadersWouldDisagreeAbout" }), "does not fail without the guard: pass"},
		"no such test":        {but(func(g *Guard) { g.Test = "TestThatNobodyWrote" }), "there is no such test"},
		"no such subtest":     {but(func(g *Guard) { g.Test = "TestParseTakesOnlyTheCanonicalForm/nobody" }), "there is no such test"},
		"no such package":     {but(func(g *Guard) { g.Package = "./internal/nobody" }), "nobody"},
		"no such file":        {but(func(g *Guard) { g.File = "internal/canon/nobody.go" }), "no such file"},
		"not in the file":     {but(func(g *Guard) { g.Guard = "if nobody {" }), "occurs 0 times"},
		"twice in the file":   {but(func(g *Guard) { g.Guard = "if !bytes.Equal(w.form, " }), "occurs 2 times"},
		"replaced by itself":  {but(func(g *Guard) { g.Instead = g.Guard }), "the guard itself"},
		"no Go source":        {but(func(g *Guard) { g.Instead = "if {" }), "no Go source"},
		"it does not compile": {but(func(g *Guard) { g.Instead = "if nobody {" }), "does not compile"},
		"incomplete":          {but(func(g *Guard) { g.Invariant = "" }), "needs an invariant"},
	}
	var guards []Guard
	for _, c := range cases {
		guards = append(guards, c.guard)
	}
	c := checker{root: root}
	c.passing(t.Context(), guards)
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.check(t.Context(), test.guard)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("want it proven, got %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
		})
	}
	if err := (&checker{root: root}).check(t.Context(), roundTrip); err == nil {
		t.Error("a guard is proven although its test was never run with it in place")
	}
}

func TestConditionIsTurnedOffAndAnythingElseTakenOut(t *testing.T) {
	for guard, want := range map[string]string{
		"if n != 1 {":                            "if false && (n != 1) {",
		"if err := f(a, b); err != nil || !ok {": "if err := f(a, b); false && (err != nil || !ok) {",
		"return errStale":                        "",
		"if n != 1 {\n\t\treturn errSpent\n\t}":  "",
	} {
		if got := (Guard{Guard: guard}).instead(); got != want {
			t.Errorf("%q: want %q, got %q", guard, want, got)
		}
	}
	if got := (Guard{Guard: "if n != 1 {", Instead: "if n > 1 {"}).instead(); got != "if n > 1 {" {
		t.Errorf("the entry's own replacement: got %q", got)
	}
}

// The table is run as a whole by ./test all; here only its form is checked, so that a guard that was edited away is
// noticed at once.
func TestEveryGuardInTheTableIsInItsFileOnce(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Guard]bool{}
	for _, g := range table {
		if _, err := g.without(root); err != nil {
			t.Errorf("%s: %v", g, err)
		}
		if seen[g] {
			t.Errorf("%s: twice in the table", g)
		}
		seen[g] = true
	}
}
