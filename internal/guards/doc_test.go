package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the guards and tests of the table into docs/invariants.md")

// A section of docs/invariants.md is about one invariant.
type section struct {
	id, says      string
	whole, others []string    // tests: on whole processes, and from another side
	proven        [][2]string // guards, with the test that fails without each
}

const (
	wholeLine  = "On whole processes: "
	othersLine = "From another side: "
	headRow    = "| guard | the test that fails without it |"
)

var quote = regexp.MustCompile("`([^`]+)`")

// document reads the page: what stands before its sections, and these.
func document(t *testing.T, root string) (before string, all []section) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs", "invariants.md"))
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(b), "\n## ")
	for _, part := range parts[1:] {
		var s section
		for n, line := range strings.Split(part, "\n") {
			names := quoted(line)
			switch {
			case n == 0:
				s.id = line
			case strings.HasPrefix(line, wholeLine):
				s.whole = names
			case strings.HasPrefix(line, othersLine):
				s.others = names
			case strings.HasPrefix(line, "| `") && len(names) == 2:
				s.proven = append(s.proven, [2]string(names))
			case line == "" || line == headRow || line == "|---|---|":
			case s.says == "":
				s.says = line
			default:
				t.Errorf("%s: line %d is none that a section has: %q", s.id, n, line)
			}
		}
		all = append(all, s)
	}
	return parts[0], all
}

// write is document the other way round.
func write(t *testing.T, root, before string, all []section) {
	t.Helper()
	out := new(strings.Builder)
	out.WriteString(before)
	for _, s := range all {
		fmt.Fprintf(out, "\n## %s\n\n%s\n\n", s.id, s.says)
		for _, l := range []struct {
			what  string
			names []string
		}{{wholeLine, s.whole}, {othersLine, s.others}} {
			if len(l.names) > 0 {
				out.WriteString(l.what + "`" + strings.Join(l.names, "`, `") + "`\n\n")
			}
		}
		out.WriteString(headRow + "\n|---|---|\n")
		for _, p := range s.proven {
			fmt.Fprintf(out, "| `%s` | `%s` |\n", p[0], p[1])
		}
	}
	if err := os.WriteFile(filepath.Join(root, "docs", "invariants.md"), []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// quoted returns what a line has in back quotes.
func quoted(line string) []string {
	var out []string
	for _, m := range quote.FindAllStringSubmatch(line, -1) {
		out = append(out, m[1])
	}
	return out
}

// place is how the document names a guard: its file and the declaration that it stands in.
func (g Guard) place(root string) (string, error) {
	set := token.NewFileSet()
	file := filepath.Join(root, filepath.FromSlash(g.File))
	source, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	parsed, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	at := strings.Index(string(source), g.Guard)
	for _, d := range parsed.Decls {
		if set.Position(d.Pos()).Offset > at || at >= set.Position(d.End()).Offset {
			continue
		}
		switch d := d.(type) {
		case *ast.FuncDecl:
			return g.File + " " + d.Name.Name, nil
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					return g.File + " " + v.Names[0].Name, nil
				}
			}
		}
	}
	return "", fmt.Errorf("the guard stands in no function and no variable of %s", g.File)
}

// test is how the document names a test: its package and its function.
func (g Guard) test() string {
	top, _, _ := strings.Cut(g.Test, "/")
	return path.Clean(g.Package) + " " + top
}

// tests finds all tests of the checkout, as test names them.
func tests(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && strings.HasPrefix(d.Name(), "."), d.IsDir() && d.Name() == "testdata":
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				found[filepath.ToSlash(dir)+" "+f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// The document has a section for each invariant, with each guard of the table and its test and no others, and names no test that is
// not there.
func TestTheDocumentOfTheInvariantsTellsWhatTheTableProves(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	before, all := document(t, root)
	var order, want []string
	for _, s := range all {
		order = append(order, s.id)
	}
	for n := 1; n <= 20; n++ {
		want = append(want, fmt.Sprintf("I%02d", n))
	}
	want = append(want, "identity", "passkey", "pages") // no invariants of their own: who may speak, what a person's answer is and what people are shown, on which all of them rest
	if !slices.Equal(order, want) {
		t.Fatalf("the sections are %v, want %v", order, want)
	}
	proven := map[string][][2]string{} // by invariant
	for _, g := range table {
		at, err := g.place(root)
		if err != nil {
			t.Errorf("%s: %v", g, err)
		}
		if !slices.Contains(order, g.Invariant) {
			t.Errorf("%s: the document has no such invariant", g)
		}
		if p := [2]string{at, g.test()}; !slices.Contains(proven[g.Invariant], p) {
			proven[g.Invariant] = append(proven[g.Invariant], p)
		}
	}
	exists := tests(t, root)
	if *update {
		for i := range all {
			s := &all[i]
			s.proven = proven[s.id]
			s.others = slices.DeleteFunc(s.others, func(name string) bool {
				return !exists[name] || slices.ContainsFunc(s.proven, func(p [2]string) bool { return p[1] == name })
			})
		}
		write(t, root, before, all)
		return
	}
	for _, s := range all {
		if s.says == "" {
			t.Errorf("%s: the document does not say what it is", s.id)
		}
		for _, p := range proven[s.id] {
			if !slices.Contains(s.proven, p) {
				t.Errorf("%s: the document does not name the guard `%s` with its test `%s`", s.id, p[0], p[1])
			}
		}
		for _, p := range s.proven {
			if !slices.Contains(proven[s.id], p) {
				t.Errorf("%s: the document names the guard `%s` with the test `%s`, which the table does not prove", s.id, p[0], p[1])
			}
		}
		for _, name := range slices.Concat(s.others, s.whole) {
			if !exists[name] {
				t.Errorf("%s: there is no test `%s`", s.id, name)
			}
		}
	}
}
