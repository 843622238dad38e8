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

// In docs/invariants.md a row has the invariant, what it says, its guards, its tests and its tests on whole processes.
const columns = 5

var (
	row   = regexp.MustCompile(`(?m)^\| (I\d\d|identity|passkey|pages) \|(.*)\|$`)
	quote = regexp.MustCompile("`([^`]+)`")
)

var update = flag.Bool("update", false, "write the guards and tests of the table into docs/invariants.md")

// rewrite writes the rows with the table's guards and tests. Tests that the table does not name stay if they are there.
func rewrite(t *testing.T, root string, guards, proofs map[string][]string, exists map[string]bool) {
	t.Helper()
	file := filepath.Join(root, "docs", "invariants.md")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list := func(names []string) string {
		var once []string
		for _, n := range names {
			if n = "`" + n + "`"; !slices.Contains(once, n) {
				once = append(once, n)
			}
		}
		return strings.Join(once, ", ")
	}
	out := row.ReplaceAllStringFunc(string(b), func(line string) string {
		m := row.FindStringSubmatch(line)
		cells := strings.Split(m[2], "|")
		if len(cells) != columns-1 {
			return line
		}
		stay := slices.DeleteFunc(quoted(cells[2]), func(name string) bool { return !exists[name] })
		return fmt.Sprintf("| %s |%s| %s | %s |%s|", m[1], cells[0], list(guards[m[1]]), list(append(stay, proofs[m[1]]...)), cells[3])
	})
	if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
}

// document reads the rows by invariant, each as its cells after the first.
func document(t *testing.T, root string) (order []string, rows map[string][]string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs", "invariants.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows = map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(string(b), -1) {
		cells := strings.Split(m[2], "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != columns-1 || slices.Contains(cells, "") || rows[m[1]] != nil {
			t.Errorf("%s: stands twice, or has an empty cell or not %d: %q", m[1], columns, m[2])
		}
		order, rows[m[1]] = append(order, m[1]), cells
	}
	return order, rows
}

// quoted returns what a cell has in back quotes.
func quoted(cell string) []string {
	var out []string
	for _, m := range quote.FindAllStringSubmatch(cell, -1) {
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

// The document has a row for each invariant, names each guard of the table and its test, claims no guard that is not
// in the table, and no test that is not there.
func TestTheDocumentOfTheInvariantsTellsWhatTheTableProves(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	order, rows := document(t, root)
	var all []string
	for n := 1; n <= 20; n++ {
		all = append(all, fmt.Sprintf("I%02d", n))
	}
	all = append(all, "identity", "passkey", "pages") // no invariants of their own: who may speak, what a person's answer is and what people are shown, on which all of them rest
	if !slices.Equal(order, all) {
		t.Fatalf("the rows are %v, want %v", order, all)
	}
	guards, proofs := map[string][]string{}, map[string][]string{} // by invariant
	for _, g := range table {
		at, err := g.place(root)
		if err != nil {
			t.Errorf("%s: %v", g, err)
		}
		if rows[g.Invariant] == nil {
			t.Errorf("%s: the document has no such invariant", g)
		}
		guards[g.Invariant] = append(guards[g.Invariant], at)
		proofs[g.Invariant] = append(proofs[g.Invariant], g.test())
	}
	exists := tests(t, root)
	if *update {
		rewrite(t, root, guards, proofs, exists)
		return
	}
	for _, id := range order {
		told, proved, whole := quoted(rows[id][1]), quoted(rows[id][2]), quoted(rows[id][3])
		for _, at := range guards[id] {
			if !slices.Contains(told, at) {
				t.Errorf("%s: the document does not name the guard `%s`", id, at)
			}
		}
		for _, at := range told {
			if !slices.Contains(guards[id], at) {
				t.Errorf("%s: the document names the guard `%s`, which the table does not prove", id, at)
			}
		}
		for _, name := range proofs[id] {
			if !slices.Contains(proved, name) {
				t.Errorf("%s: the document does not name the test `%s`", id, name)
			}
		}
		for _, name := range append(proved, whole...) {
			if !exists[name] {
				t.Errorf("%s: there is no test `%s`", id, name)
			}
		}
	}
}
