package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook/strictyaml"
)

// A Report is the outcome of a bundle's own tests.
type Report struct {
	Cases    int
	Failures []Failure
	// NotAlone are the limits and requirements that decide in no case alone. Such a rule could be lost unnoticed, and
	// a bundle with any must not be published.
	NotAlone []string
	// NotUsed are the grants that no case needs.
	NotUsed []string
}

// OK reports whether every case came out as wanted and every rule is covered.
func (r Report) OK() bool {
	return r.Cases > 0 && len(r.Failures) == 0 && len(r.NotAlone) == 0 && len(r.NotUsed) == 0
}

// A Failure is one case that came out differently.
type Failure struct {
	File, Case string
	Want, Got  string // in words
	Facts      string // canonical JSON of what the rules saw
}

func (f Failure) String() string {
	return fmt.Sprintf("%s: %s\n  want %s\n  got  %s\n  facts %s", f.File, f.Case, f.Want, f.Got, f.Facts)
}

// Test runs the tests that the bundle carries in tests/*.yaml. An error wraps writ.ErrInvalid and means that a file
// could not be read; a case that comes out differently is in the report.
func Test(b *Bundle) (Report, error) {
	if b == nil {
		return Report{}, fmt.Errorf("%w: no policy bundle", writ.ErrInvalid)
	}
	src, ok := b.tests[fileBases]
	if !ok {
		return Report{}, fmt.Errorf("%w: %s is missing", writ.ErrInvalid, fileBases)
	}
	bases, err := parseBases(src)
	if err != nil {
		return Report{}, fmt.Errorf("%s: %w", fileBases, err)
	}
	var r Report
	alone, used := map[string]bool{}, map[string]bool{}
	for _, file := range slices.Sorted(maps.Keys(b.tests)) {
		if file == fileBases {
			continue
		}
		if err := runFile(b, file, bases, &r, alone, used); err != nil {
			return Report{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	for _, rule := range b.Rules() {
		switch {
		case rule.Folder == Grants && !used[rule.ID]:
			r.NotUsed = append(r.NotUsed, rule.ID)
		case rule.Folder != Grants && !alone[rule.ID]:
			r.NotAlone = append(r.NotAlone, rule.ID)
		}
	}
	return r, nil
}

func runFile(b *Bundle, file string, bases map[string]base, r *Report, alone, used map[string]bool) error {
	var f testFile
	if err := strictyaml.Unmarshal(b.tests[file], &f); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, c := range f.Cases {
		name := c.Base
		if name == "" {
			name = f.Base
		}
		from, known := bases[name]
		if c.Name == "" || seen[c.Name] || !known {
			return fmt.Errorf("%w: case %q needs a name of its own and a known base", writ.ErrInvalid, writ.Printable(c.Name, 80))
		}
		seen[c.Name] = true
		q, err := c.request(from)
		if err != nil {
			return fmt.Errorf("case %q: %w", c.Name, err)
		}
		want, err := c.Want.outcome()
		if err != nil {
			return fmt.Errorf("case %q: %w", c.Name, err)
		}
		d := b.Decide(q)
		reason := ""
		if c.Want.Reason != "" {
			reason = string(d.Reason)
		}
		r.Cases++
		if got := describe(string(d.Verdict), reason, d.Policies, d.Errors, d.Requirements); got != want {
			r.Failures = append(r.Failures, Failure{File: file, Case: c.Name, Want: want, Got: got, Facts: string(d.Facts)})
			continue
		}
		cover(b, d, alone, used)
	}
	return nil
}

// cover notes which rules a decision rests on: the one forbid that decided alone, and the grants.
func cover(b *Bundle, d writ.Decision, alone, used map[string]bool) {
	var forbids []string
	for _, id := range d.Policies {
		if b.rules[id].Folder == Grants {
			used[id] = true
		} else {
			forbids = append(forbids, id)
		}
	}
	if len(forbids) == 1 && (d.Reason == writ.ReasonLimit || d.Reason == writ.ReasonNeedsApproval) {
		alone[forbids[0]] = true
	}
}
