package policy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/playbook/strictyaml"
)

// fileBases holds the full sets of facts that cases start from.
const fileBases = dirTests + "/bases.yaml"

// A testFile is one topic: cases on one base.
type testFile struct {
	Base  string     `yaml:"base"`
	Cases []testCase `yaml:"cases"`
}

// A testCase changes only what it is about.
type testCase struct {
	Name       string         `yaml:"name"`
	Base       string         `yaml:"base"` // instead of the file's
	Playbook   *string        `yaml:"playbook"`
	Operations *[]string      `yaml:"operations"`
	Set        map[string]any `yaml:"set"`
	Unset      []string       `yaml:"unset"`
	Want       wanted         `yaml:"want"`
}

// wanted is exact: what a case does not name must not be in the decision.
type wanted struct {
	Effect      string         `yaml:"effect"`
	Reason      string         `yaml:"reason"` // checked when given
	Policies    []string       `yaml:"policies"`
	Errors      []string       `yaml:"errors"`
	Approvals   map[string]int `yaml:"approvals"`
	Proof       string         `yaml:"proof"`
	MaxTTL      string         `yaml:"max_ttl"`
	MaxPermille int            `yaml:"max_permille"`
	MaxObjects  int            `yaml:"max_objects"`
}

// A base is a request in which everything is set.
type base struct {
	Playbook   string         `yaml:"playbook"`
	Operations []string       `yaml:"operations"`
	Facts      map[string]any `yaml:"facts"`
}

func parseBases(src []byte) (map[string]base, error) {
	var f struct {
		Bases map[string]base `yaml:"bases"`
	}
	if err := strictyaml.Unmarshal(src, &f); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Bases)) {
		b := f.Bases[name]
		if _, err := (testCase{}).request(b); err != nil {
			return nil, fmt.Errorf("base %s: %w", writ.Printable(name, 60), err)
		}
	}
	return f.Bases, nil
}

// request is the base with the case's changes.
func (c testCase) request(from base) (Request, error) {
	members := maps.Clone(from.Facts)
	if members == nil {
		members = map[string]any{}
	}
	for _, name := range c.Unset {
		if _, ok := members[name]; !ok {
			return Request{}, fmt.Errorf("unset: the base has no fact %q", writ.Printable(name, 60))
		}
		delete(members, name)
	}
	maps.Copy(members, c.Set)
	for name, v := range members {
		if s, ok := v.(string); ok && strings.HasPrefix(s, "+") { // seconds from now on, as a duration
			d, err := time.ParseDuration(s[1:])
			now, isInt := whole(members["now"])
			if err != nil || !isInt {
				return Request{}, fmt.Errorf("fact %q: %q is no duration from now on", writ.Printable(name, 60), writ.Printable(s, 40))
			}
			members[name] = now + int64(d/time.Second)
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		return Request{}, fmt.Errorf("%w: facts: %w", writ.ErrInvalid, err)
	}
	q := Request{Playbook: from.Playbook, Operations: from.Operations}
	if err := canon.ParseLoose(raw, &q.Facts); err != nil {
		return Request{}, fmt.Errorf("%w: facts: %w", writ.ErrInvalid, err)
	}
	if c.Playbook != nil {
		q.Playbook = *c.Playbook
	}
	if c.Operations != nil {
		q.Operations = *c.Operations
	}
	return q, nil
}

// whole returns a YAML number.
func whole(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case uint64:
		return int64(n), n < canon.MaxInt
	case int:
		return int64(n), true
	}
	return 0, false
}

// outcome is what a case compares, in words.
func (w wanted) outcome() (string, error) {
	ttl, err := time.ParseDuration("0" + w.MaxTTL)
	if w.MaxTTL == "" {
		ttl, err = 0, nil
	}
	if err != nil || w.Effect != string(writ.Deny) && w.Effect != string(writ.Allow) && w.Effect != string(writ.Requires) {
		return "", fmt.Errorf("%w: want: effect is deny, allow or requires, and max_ttl a duration", writ.ErrInvalid)
	}
	return describe(w.Effect, w.Reason, w.Policies, w.Errors, writ.Requirements{
		Approvals: w.Approvals, Proof: writ.ProofLevel(w.Proof), MaxTTL: int(ttl / time.Second),
		MaxPermille: w.MaxPermille, MaxObjects: w.MaxObjects,
	}), nil
}

func describe(effect, reason string, policies, errs []string, r writ.Requirements) string {
	var w strings.Builder
	w.WriteString(effect)
	if reason != "" {
		fmt.Fprintf(&w, " (%s)", reason)
	}
	list := func(label string, ids []string) {
		if len(ids) > 0 {
			fmt.Fprintf(&w, "; %s %s", label, strings.Join(slices.Sorted(slices.Values(ids)), ", "))
		}
	}
	list("by", policies)
	list("errors in", errs)
	for _, g := range slices.Sorted(maps.Keys(r.Approvals)) {
		fmt.Fprintf(&w, "; %d of %s", r.Approvals[g], g)
	}
	if r.Proof != "" {
		fmt.Fprintf(&w, "; proof %s", r.Proof)
	}
	for _, c := range []struct {
		label string
		n     int
	}{{"max_ttl", r.MaxTTL}, {"max_permille", r.MaxPermille}, {"max_objects", r.MaxObjects}} {
		if c.n > 0 {
			fmt.Fprintf(&w, "; %s %d", c.label, c.n)
		}
	}
	return w.String()
}
