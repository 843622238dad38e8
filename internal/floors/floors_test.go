// Package floors holds the rules about which package may import which, as tests over the source tree. A package
// imports only packages of lower floors; what else is allowed or forbidden stands in table_test.go with its reason.
package floors_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/writ-dev/writ"

// goPackage is what the rules need of `go list -json`. Names of our own packages are the table's: see short.
type goPackage struct {
	Dir        string
	ImportPath string
	Name       string
	GoFiles    []string
	CgoFiles   []string
	Imports    []string

	IgnoredGoFiles []string // left out by build tags on this platform
	TestGoFiles    []string
	XTestGoFiles   []string
}

// short turns an import path into the name the table uses: "." for the root package, no "internal/".
func short(path string) string {
	if path == module {
		return "."
	}
	path = strings.TrimPrefix(path, module+"/")
	return strings.TrimPrefix(path, "internal/")
}

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// files are all non-test files, those for other platforms too, with their folder.
func (p *goPackage) files() []string {
	var paths []string
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) {
		if !strings.HasSuffix(name, "_test.go") {
			paths = append(paths, filepath.Join(p.Dir, name))
		}
	}
	return paths
}

// load lists every package of the module by its short name, once for all tests.
func load(t *testing.T) map[string]*goPackage {
	t.Helper()
	packages, err := list()
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

// list reads the imports of files for other platforms from the files themselves, so that a ban holds on all of them.
var list = sync.OnceValues(func() (map[string]*goPackage, error) {
	cmd := exec.Command("go", "list", "-e", "-json", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, &stderr)
	}
	packages := map[string]*goPackage{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", cmd, err)
		}
		for _, path := range p.files() {
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return nil, err
			}
			for _, spec := range f.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", path, err)
				}
				if !slices.Contains(p.Imports, imported) {
					p.Imports = append(p.Imports, imported)
				}
			}
		}
		slices.Sort(p.Imports)
		packages[short(p.ImportPath)] = &p
	}
	if packages["."] == nil || packages["canon"] == nil {
		return nil, fmt.Errorf("%s does not list the root package and canon: %d packages", cmd, len(packages))
	}
	return packages, nil
})

func TestEveryPackageHasAFloor(t *testing.T) {
	for name := range load(t) {
		if _, ok := floor[name]; !ok {
			t.Errorf("package %s is not in the table of floors: give it one in internal/floors/table_test.go", name)
		}
	}
}

func TestPackagesImportOnlyLowerFloors(t *testing.T) {
	for _, problem := range upward(load(t), floor, sameFloor) {
		t.Error(problem)
	}
}

// upward finds the imports that do not go down.
func upward(packages map[string]*goPackage, floor map[string]int, allowed map[edge]string) (problems []string) {
	for name, p := range packages {
		from, known := floor[name]
		if !known {
			continue // TestEveryPackageHasAFloor says so
		}
		for _, path := range p.Imports {
			if !ours(path) {
				continue
			}
			to, known := floor[short(path)]
			e := edge{name, short(path)}
			switch {
			case !known || to < from:
			case to == from && (from == assembly || allowed[e] != ""):
			default:
				problems = append(problems, fmt.Sprintf("%s (floor %d) imports %s (floor %d)", e.from, from, e.to, to))
			}
		}
	}
	slices.Sort(problems)
	return problems
}

func TestNobodyImportsWhatIsBanned(t *testing.T) {
	packages := load(t)
	for _, b := range bans {
		for _, problem := range b.broken(packages) {
			t.Errorf("%s\n\tbanned because %s", problem, b.because)
		}
	}
}

// broken finds the packages that break the ban, each with the chain of imports that does.
func (b ban) broken(packages map[string]*goPackage) (problems []string) {
	for name := range packages {
		if !matches(b.who, name) || matches(b.except, name) {
			continue
		}
		if chain := reach(packages, name, b); chain != nil {
			problems = append(problems, strings.Join(chain, " imports "))
		}
	}
	slices.Sort(problems)
	return problems
}

// reach returns the shortest chain of imports from a package to something banned, or nil. It follows our own packages
// only, and only the first step unless the ban is transitive.
func reach(packages map[string]*goPackage, start string, b ban) []string {
	seen := map[string]bool{start: true}
	for queue := [][]string{{start}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		p := packages[chain[len(chain)-1]]
		if p == nil {
			continue
		}
		for _, path := range p.Imports {
			name := path
			if ours(path) {
				name = short(path)
			}
			next := append(slices.Clone(chain), name)
			if matches(b.what, name) {
				return next
			}
			if b.transitive && ours(path) && !seen[name] {
				seen[name] = true
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// matches says whether a name is one of the patterns: a package, or with /... at the end a package and all below it,
// or with /* at the end only what is below it.
func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
			return name == prefix || strings.HasPrefix(name, prefix+"/")
		}
		if prefix, ok := strings.CutSuffix(pattern, "/*"); ok {
			return strings.HasPrefix(name, prefix+"/")
		}
		return name == pattern || pattern == "*"
	})
}

func TestTablesNameOnlyPackagesThatTheyKnow(t *testing.T) {
	for e, because := range sameFloor {
		from, ok1 := floor[e.from]
		to, ok2 := floor[e.to]
		if !ok1 || !ok2 || from != to || because == "" {
			t.Errorf("%s -> %s: both on one floor and a reason, please", e.from, e.to)
		}
	}
	for _, b := range bans {
		for _, pattern := range slices.Concat(b.who, b.what, b.except) {
			if foreign := strings.Contains(pattern, ".") && pattern != "."; foreign || pattern == "*" || slices.Contains(standard, pattern) {
				continue
			}
			base := strings.TrimSuffix(strings.TrimSuffix(pattern, "/..."), "/*")
			if _, ok := floor[base]; !ok {
				t.Errorf("ban on %v: %s is no package of the table", b.what, pattern)
			}
		}
	}
	for _, name := range pure {
		if _, ok := floor[name]; !ok {
			t.Errorf("pure logic: %s is no package of the table", name)
		}
	}
	if _, err := os.Stat(filepath.Join("..", "canon")); err != nil {
		t.Error(err) // the short names leave internal/ out
	}
}
