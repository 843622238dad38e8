package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"os"
	"path/filepath"
	"regexp"
)

// A Guard is a piece of the program that an invariant rests on, and the test that notices when it is gone.
type Guard struct {
	Invariant string // I01 to I20, or a few words
	File      string // from the root of the checkout, with slashes
	Guard     string // exact source text; it must occur once in File
	Instead   string // what to put in its place, see Guard.instead; the file must still compile
	Package   string // the test's package: ./internal/…
	Test      string // one top-level test, or one subtest with slashes
}

func (g Guard) String() string { return g.Invariant + " " + g.File + " " + g.Test }

// condition matches the line that opens an if statement: its optional first statement, and its condition.
var condition = regexp.MustCompile(`^if (.*; )?([^;]+) \{$`)

// instead returns what stands for the guard. If the entry does not say, a condition becomes one that never holds but
// still mentions its variables, as the compiler wants, and anything else becomes nothing.
func (g Guard) instead() string {
	if g.Instead != "" {
		return g.Instead
	}
	if !condition.MatchString(g.Guard) {
		return ""
	}
	return condition.ReplaceAllString(g.Guard, "if ${1}false && ($2) {")
}

// without returns the file's text with the guard replaced.
func (g Guard) without(root string) ([]byte, error) {
	switch "" {
	case g.Invariant, g.File, g.Guard, g.Package, g.Test:
		return nil, errors.New("an entry needs an invariant, a file, a guard, a package and a test")
	}
	instead := g.instead()
	if g.Guard == instead {
		return nil, errors.New("the replacement is the guard itself")
	}
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(g.File)))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(source, []byte(g.Guard)); n != 1 {
		return nil, fmt.Errorf("the guard occurs %d times in %s, not once: %q", n, g.File, g.Guard)
	}
	changed := bytes.Replace(source, []byte(g.Guard), []byte(instead), 1)
	if _, err := format.Source(changed); err != nil {
		return nil, fmt.Errorf("without the guard %s is no Go source: %w", g.File, err)
	}
	return changed, nil
}

// checkout finds the root of the module from the working directory.
func checkout() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above it", start)
		}
	}
}
