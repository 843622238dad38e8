package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// pitfallCount is how many known ways to get policy wrong docs/policy.md has a row for.
const pitfallCount = 22

// Each pitfall of policy has a row, in order, and each test that a row names is there.
func TestThePitfallsOfPolicyAreShownByTests(t *testing.T) {
	root, err := checkout()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "policy.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := tables(string(page))
	rows := all[len(all)-1]
	if len(rows) != pitfallCount {
		t.Fatalf("the last table has %d rows, want one for each of %d pitfalls", len(rows), pitfallCount)
	}
	exists := tests(t, root)
	for i, cells := range rows {
		if len(cells) != 3 || cells[0] != strconv.Itoa(i+1) || cells[1] == "" {
			t.Errorf("row %d is %v", i+1, cells)
			continue
		}
		named := quoted(cells[2])
		if len(named) == 0 {
			t.Errorf("pitfall %d names no test", i+1)
		}
		for _, name := range named {
			if !exists[name] {
				t.Errorf("pitfall %d: there is no test `%s`", i+1, name)
			}
		}
	}
}
