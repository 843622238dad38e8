package policy

import (
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook/strictyaml"
)

// A Case is one request of the bundle's own tests.
type Case struct {
	File, Name string
	Request    Request

	want   string // the outcome in words
	reason bool   // want names the reason too
}

// Cases reads the tests that the bundle carries: its bases, which want nothing, and its cases, by file in order. Errors
// wrap writ.ErrInvalid.
func Cases(b *Bundle) ([]Case, error) {
	if b == nil {
		return nil, fmt.Errorf("%w: no policy bundle", writ.ErrInvalid)
	}
	src, ok := b.tests[fileBases]
	if !ok {
		return nil, fmt.Errorf("%w: %s is missing", writ.ErrInvalid, fileBases)
	}
	bases, err := parseBases(src)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", writ.ErrInvalid, fileBases, err)
	}
	var out []Case
	for _, name := range slices.Sorted(maps.Keys(bases)) {
		q, err := (testCase{}).request(bases[name])
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", writ.ErrInvalid, fileBases, err)
		}
		out = append(out, Case{File: fileBases, Name: name, Request: q})
	}
	for _, file := range slices.Sorted(maps.Keys(b.tests)) {
		if file == fileBases {
			continue
		}
		cases, err := parseCases(b.tests[file], bases)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for i := range cases {
			cases[i].File = file
		}
		out = append(out, cases...)
	}
	return out, nil
}

// parseCases reads one topic.
func parseCases(src []byte, bases map[string]base) ([]Case, error) {
	var f testFile
	if err := strictyaml.Unmarshal(src, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	var out []Case
	seen := map[string]bool{}
	for _, c := range f.Cases {
		name := c.Base
		if name == "" {
			name = f.Base
		}
		from, known := bases[name]
		if c.Name == "" || seen[c.Name] || !known {
			return nil, fmt.Errorf("%w: case %q needs a name of its own and a known base", writ.ErrInvalid, writ.Printable(c.Name, 80))
		}
		seen[c.Name] = true
		q, err := c.request(from)
		if err != nil {
			return nil, fmt.Errorf("%w: case %q: %w", writ.ErrInvalid, writ.Printable(c.Name, 80), err)
		}
		want, err := c.Want.outcome()
		if err != nil {
			return nil, fmt.Errorf("case %q: %w", writ.Printable(c.Name, 80), err)
		}
		out = append(out, Case{Name: c.Name, Request: q, want: want, reason: c.Want.Reason != ""})
	}
	return out, nil
}

// got is what d compares with want.
func (c Case) got(d writ.Decision) string {
	reason := ""
	if c.reason {
		reason = string(d.Reason)
	}
	return describe(string(d.Verdict), reason, d.Policies, d.Errors, d.Requirements)
}
