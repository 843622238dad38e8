package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// dependencies are what docs/degraded-modes.md has a row for, in its order.
	dependencies = []string{
		"identity provider", "policy (none, or its engine fails)", "database", "ledger (its signer)", "witness", "approver (nobody answers)",
		"inventory", "target", "runner",
	}
	// tiersOf finds which tiers a group of tests is of.
	tiersOf = regexp.MustCompile(`^(T[0-3](?:, T[0-3])*): `)
)

// tables reads the tables of a page, each as rows of cells without its two lines of heading.
func tables(page string) (out [][][]string) {
	open := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			open = false
			continue
		}
		if !open {
			out, open = append(out, nil), true
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out[len(out)-1] = append(out[len(out)-1], cells)
	}
	for i := range out {
		out[i] = out[i][min(2, len(out[i])):]
	}
	return out
}

// Each dependency has an outcome and a test for each tier, each test that is named is there, and each test of a degraded
// mode is named.
func TestTheDocumentOfTheDegradedModesTellsWhatTheTestsProve(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "degraded-modes.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := tables(string(page))
	if len(all) != 2 {
		t.Fatalf("%d tables, want the outcomes and their tests", len(all))
	}
	for i, width := range []int{5, 2} {
		var rows []string
		for _, cells := range all[i] {
			rows = append(rows, cells[0])
			if len(cells) != width || slices.Contains(cells, "") {
				t.Errorf("%s: table %d has %d cells, want %d and none empty", cells[0], i+1, len(cells), width)
			}
		}
		if !slices.Equal(rows, dependencies) {
			t.Fatalf("the rows of table %d are %v, want %v", i+1, rows, dependencies)
		}
	}
	exists, named := tests(t, root), map[string]bool{}
	for _, cells := range all[1] {
		proved := map[string]bool{}
		for _, group := range strings.Split(cells[1], "; ") {
			tiers, names := tiersOf.FindStringSubmatch(group), quoted(group)
			if tiers == nil || len(names) == 0 {
				t.Errorf("%s: %q names no tier or no test", cells[0], group)
				continue
			}
			for _, tier := range strings.Split(tiers[1], ", ") {
				proved[tier] = true
			}
			for _, name := range names {
				named[name] = true
				if !exists[name] {
					t.Errorf("%s: there is no test `%s`", cells[0], name)
				}
			}
		}
		for _, tier := range []string{"T0", "T1", "T2", "T3"} {
			if !proved[tier] {
				t.Errorf("%s: no test is named for %s", cells[0], tier)
			}
		}
	}
	for name := range exists {
		if strings.Contains(name, " TestD14") && !named[name] {
			t.Errorf("the page does not name the test `%s`", name)
		}
	}
}
