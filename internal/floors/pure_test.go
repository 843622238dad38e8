package floors_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func isPure(name string) bool {
	f, ok := floor[name]
	return ok && (f == 1 || f == 2 || slices.Contains(pure, name))
}

func TestPureLogicImportsNoInputOrOutput(t *testing.T) {
	for name, p := range load(t) {
		for _, path := range p.Imports {
			if isPure(name) && slices.Contains(standard, path) {
				t.Errorf("%s imports %s: pure logic does not", name, path)
			}
		}
	}
}

func TestPureLogicReadsNoClock(t *testing.T) {
	for name, p := range load(t) {
		if !isPure(name) {
			continue
		}
		for _, path := range p.files() {
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, use := range clockUses(set, f) {
				t.Errorf("%s: pure logic is given the time", use)
			}
		}
	}
}

// clockUses finds the mentions of the functions that read the clock, calls or not, under whatever name the file imports
// package time.
func clockUses(set *token.FileSet, f *ast.File) (uses []string) {
	name := ""
	for _, spec := range f.Imports {
		if spec.Path.Value != `"time"` {
			continue
		}
		name = "time"
		if spec.Name != nil {
			name = spec.Name.Name
		}
	}
	switch name {
	case "", "_":
		return nil
	case ".":
		return []string{set.Position(f.Package).String() + ": imports time with a dot"}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Name == name && slices.Contains(clock, s.Sel.Name) {
				uses = append(uses, fmt.Sprintf("%s: time.%s", set.Position(s.Pos()), s.Sel.Name))
			}
		}
		return true
	})
	return uses
}

func TestEveryPackageHasOneCommentInTheFileNamedLikeIt(t *testing.T) {
	for name, p := range load(t) {
		files := p.files()
		if len(files) == 0 { // tests only
			for _, f := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
				files = append(files, filepath.Join(p.Dir, f))
			}
		}
		if len(files) == 0 {
			t.Errorf("%s has no Go file", name)
			continue
		}
		var commented []string
		for _, path := range files {
			if doc := parse(t, path).Doc; doc != nil && strings.TrimSpace(doc.Text()) != "" {
				commented = append(commented, filepath.Base(path))
			}
		}
		if len(commented) != 1 {
			t.Errorf("%s: want one package comment, found %d: %v", name, len(commented), commented)
			continue
		}
		if want := strings.TrimSuffix(p.Name, "_test"); p.Name != "main" && len(p.files()) > 0 && commented[0] != want+".go" {
			t.Errorf("%s: the package comment is in %s, not in %s.go", name, commented[0], want)
		}
	}
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
