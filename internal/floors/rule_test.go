package floors_test

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// tree makes packages from lines "name: import import".
func tree(lines ...string) map[string]*goPackage {
	packages := map[string]*goPackage{}
	for _, line := range lines {
		name, imports, _ := strings.Cut(line, ":")
		p := &goPackage{}
		for _, i := range strings.Fields(imports) {
			if !strings.Contains(i, ".") {
				i = module + "/internal/" + i
			}
			p.Imports = append(p.Imports, i)
		}
		packages[name] = p
	}
	return packages
}

func TestUpwardAndSidewardImportsAreFound(t *testing.T) {
	floor := map[string]int{"a": 1, "b": 2, "c": 2, "d": assembly, "e": assembly}
	allowed := map[edge]string{{"b", "c"}: "because"}
	got := upward(tree("a: b", "b: a c", "c: b", "d: e a", "e:"), floor, allowed)
	want := []string{"a (floor 1) imports b (floor 2)", "c (floor 2) imports b (floor 2)"}
	if !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestBansAreFoundThroughOtherPackagesOnlyIfTransitive(t *testing.T) {
	packages := tree("mcp: middle", "middle: approval", "approval:", "jwtuser: example.com/jose/jwt", "token: example.com/jose/jwt")
	for name, test := range map[string]struct {
		ban  ban
		want []string
	}{
		"direct only":  {ban{who: []string{"mcp"}, what: []string{"approval"}}, nil},
		"transitive":   {ban{who: []string{"mcp"}, what: []string{"approval"}, transitive: true}, []string{"mcp imports middle imports approval"}},
		"one importer": {ban{who: []string{"*"}, what: []string{"example.com/jose/jwt"}, except: []string{"token"}}, []string{"jwtuser imports example.com/jose/jwt"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.ban.broken(packages); !slices.Equal(got, test.want) {
				t.Errorf("want %q, got %q", test.want, got)
			}
		})
	}
}

func TestClockIsFoundUnderAnyName(t *testing.T) {
	for source, want := range map[string]int{
		`import "time"; var f = time.Now`:                                     1,
		`import clock "time"; func f() { _ = clock.Since(clock.Time{}) }`:     1,
		`import . "time"; func f() { _ = Now() }`:                             1,
		`import "time"; var d = time.Second`:                                  0,
		`import time "example.com/time"; var f = time.Now`:                    0,
		`import "time"; func f() { _ = time.Until(time.Time{}); time.Now() }`: 2,
	} {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, "x.go", "package x; "+source, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := clockUses(set, f); len(got) != want {
			t.Errorf("%s: want %d, got %q", source, want, got)
		}
	}
}
