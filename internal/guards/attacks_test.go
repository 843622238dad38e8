package main

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// declared are the names of all tests of the checkout, each with its file.
func declared(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	signature := regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(t \*testing\.T\)`)
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata") {
			if d != nil && d.IsDir() && err == nil {
				return filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(file, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(file)
		for _, m := range signature.FindAllStringSubmatch(string(b), -1) {
			out[m[1]] = file
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tableRows are the rows of the tables below a heading, up to the next one.
func tableRows(text, heading string) [][]string {
	_, text, _ = strings.Cut(text, heading+"\n")
	if i := strings.Index(text, "\n#"); i >= 0 {
		text = text[:i]
	}
	var out [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|-") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		out = append(out, cells)
	}
	if len(out) > 0 {
		out = out[1:] // the head
	}
	return out
}

// rowsOf finds the rows that a test is named after; it may play several.
var rowsOf = regexp.MustCompile(`^Test((TOC|UND|INC|APR|CAP|NHI|TEL|VEL|DEP|ROB|MCP)\d\d)+`)

// TestEveryAttackRowIsPlayedOrPending compares the corpus of attacks with the two tables beside it and with the tests.
func TestEveryAttackRowIsPlayedOrPending(t *testing.T) {
	const root = "../.."
	folder := filepath.Join(root, "testdata", "corpus")
	f, err := os.Open(filepath.Join(folder, "attacks.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	left := map[string]int{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var r struct{ ID, Source, Attack, Expected string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil || r.ID == "" || r.Source == "" || r.Attack == "" {
			t.Fatalf("a row without id, source or attack: %s %v", lines.Text(), err)
		}
		left[r.ID]++
	}
	b, err := os.ReadFile(filepath.Join(folder, "attacks.md"))
	if err != nil {
		t.Fatal(err)
	}
	exist := declared(t, root)
	var named []string
	for _, cells := range tableRows(string(b), "### Played") {
		left[cells[0]]--
		found := quoted(cells[1])
		if len(found) == 0 {
			t.Errorf("%s is played by no test", cells[0])
		}
		rowName := strings.ReplaceAll(cells[0], "-", "")
		for _, name := range found {
			if exist[name] == "" {
				t.Errorf("%s: there is no test %s", cells[0], name)
			}
			set, _, external := strings.Cut(cells[0], "-")
			if external = external && (set == "ASB" || set == "ADJ"); external && strings.HasPrefix(name, "Test"+set) { // one test reads all rows of a data set
				named = append(named, name)
				continue
			}
			if !strings.Contains(rowsOf.FindString(name), rowName) {
				t.Errorf("%s: %s is not named after it", cells[0], name)
			}
			named = append(named, name)
		}
	}
	for _, cells := range tableRows(string(b), "### Pending") {
		if cells[1] == "" {
			t.Errorf("%s: no reason", cells[0])
		}
		for id := range strings.FieldsSeq(cells[0]) {
			left[id]--
		}
	}
	for id, n := range left {
		if n != 0 {
			t.Errorf("%s must stand in one of the two tables, once", id)
		}
	}
	// What is named after a row plays it, and is in the table.
	for name, file := range exist {
		if rowsOf.MatchString(name) && !slices.Contains(named, name) {
			t.Errorf("%s in %s is named after a row and not in its table", name, file)
		}
	}
}
