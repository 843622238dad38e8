package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// unread are facts that decisions record and no rule can read: a test need not set them.
var unread = []string{"incident", "owner", "calendars", "veto", "tierProof"}

// SaveCase writes a request, with the answer that the bundle gives now, as a case of the bundle's own tests: a file of
// one case, which changes what is different from the nearest base. The file was read back and passes. Errors wrap
// writ.ErrInvalid: a set without bases has nowhere to put a case, and a name that a case has already is the caller's to avoid.
func SaveCase(b *Bundle, q Request, name string) ([]byte, error) {
	if b == nil {
		return nil, fmt.Errorf("%w: no policy bundle", writ.ErrInvalid)
	}
	bases, err := parseBases(b.tests[fileBases])
	if err != nil || len(bases) == 0 {
		return nil, fmt.Errorf("%w: the set has no %s for a case to begin from", writ.ErrInvalid, fileBases)
	}
	d := b.Decide(q)
	var out []byte
	for _, base := range slices.Sorted(maps.Keys(bases)) {
		src, err := oneCase(base, bases[base], q, d, name)
		if err != nil {
			return nil, err
		}
		if out == nil || len(src) < len(out) {
			out = src
		}
	}
	cases, err := parseCases(out, bases)
	if err != nil {
		return nil, err
	}
	if got := cases[0].got(b.Decide(cases[0].Request)); got != cases[0].want {
		return nil, fmt.Errorf("%w: the case came out otherwise when it was read back: %s", writ.ErrInvalid, got)
	}
	return out, nil
}

// oneCase is the file with one case that begins from this base.
func oneCase(name string, from base, q Request, d writ.Decision, title string) ([]byte, error) {
	was, err := (testCase{}).request(from)
	if err != nil {
		return nil, err
	}
	had, err := rawFacts(was.Facts)
	if err != nil {
		return nil, err
	}
	have, err := rawFacts(q.Facts)
	if err != nil {
		return nil, err
	}
	var w bytes.Buffer
	fmt.Fprintf(&w, "base: %s\ncases:\n  - name: %s\n", quoted(name), quoted(title))
	if q.Playbook != was.Playbook {
		fmt.Fprintf(&w, "    playbook: %s\n", quoted(q.Playbook))
	}
	if !slices.Equal(q.Operations, was.Operations) {
		fmt.Fprintf(&w, "    operations: %s\n", quoted(append([]string{}, q.Operations...)))
	}
	var set, unset []string
	for _, k := range slices.Sorted(maps.Keys(have)) {
		if have[k] != had[k] {
			set = append(set, k+": "+have[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(had)) {
		if have[k] == "" {
			unset = append(unset, k)
		}
	}
	if len(set) > 0 {
		fmt.Fprintf(&w, "    set: {%s}\n", strings.Join(set, ", "))
	}
	if len(unset) > 0 {
		fmt.Fprintf(&w, "    unset: [%s]\n", strings.Join(unset, ", "))
	}
	fmt.Fprintf(&w, "    want: {%s}\n", strings.Join(wants(d), ", "))
	return w.Bytes(), nil
}

// wants is a decision as a case wants it.
func wants(d writ.Decision) []string {
	out := []string{"effect: " + string(d.Verdict)}
	if d.Verdict == writ.Deny {
		out = append(out, "reason: "+string(d.Reason))
	}
	for _, list := range []struct {
		name string
		ids  []string
	}{{"policies", d.Policies}, {"errors", d.Errors}} {
		if len(list.ids) > 0 {
			out = append(out, list.name+": "+quoted(list.ids))
		}
	}
	r := d.Requirements
	if len(r.Approvals) > 0 {
		out = append(out, "approvals: "+quoted(r.Approvals))
	}
	if r.Proof != "" {
		out = append(out, "proof: "+string(r.Proof))
	}
	if r.MaxTTL > 0 {
		out = append(out, "max_ttl: "+(time.Duration(r.MaxTTL)*time.Second).String())
	}
	for _, n := range []struct {
		name string
		of   int
	}{{"max_permille", r.MaxPermille}, {"max_objects", r.MaxObjects}} {
		if n.of > 0 {
			out = append(out, fmt.Sprintf("%s: %d", n.name, n.of))
		}
	}
	return out
}

// rawFacts are the facts that rules can read, each in JSON.
func rawFacts(f Facts) (map[string]string, error) {
	b, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("%w: facts: %w", writ.ErrInvalid, err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return nil, fmt.Errorf("%w: facts: %w", writ.ErrInvalid, err)
	}
	out := map[string]string{}
	for k, v := range raw {
		if !slices.Contains(unread, k) && string(v) != "null" {
			out[k] = string(v)
		}
	}
	return out, nil
}

// quoted is a value in JSON, which is YAML too (YAML 1.2 section 1.3).
func quoted(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return `""` // strings, lists and counts of ours have a form
	}
	return string(b)
}
