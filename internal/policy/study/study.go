// Package study answers questions about sets of policies: why one decision came out as it did and what would have to be
// different, what another set would have said to recorded decisions, where two sets differ, which rules never matter,
// and who could do what. All of it is advice for people, and none of it is a gate: only policy.Bundle.Decide decides.
//
// Searches try requests around the values that the rules compare with. They find examples and prove nothing: their
// results speak of "no request found among N". The same arguments give the same result; the package reads no clock and
// has no randomness of its own.
package study

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// A Move is one fact that differs between two requests. A value is as the record has it; empty means absent.
type Move struct {
	Fact string `json:"fact"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

func (m Move) String() string {
	return fmt.Sprintf("%s: %s → %s", m.Fact, orAbsent(m.From), orAbsent(m.To))
}

func orAbsent(s string) string {
	if s == "" {
		return "absent"
	}
	return writ.Printable(s, 80)
}

// moves lists in what two requests differ, sorted by name. Facts that Decide sets itself are left out.
func moves(from, to policy.Request) []Move {
	return apart(members(from), members(to))
}

func apart(a, b map[string]string) []Move {
	var out []Move
	for _, k := range slices.Sorted(maps.Keys(merge(a, b))) {
		if k != "tierProof" && a[k] != b[k] {
			out = append(out, Move{k, a[k], b[k]})
		}
	}
	return out
}

func merge(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// members are the facts in their JSON form by name, and what is asked for.
func members(q policy.Request) map[string]string {
	out := map[string]string{}
	b, err := json.Marshal(q.Facts)
	if err != nil {
		return out // facts that cannot be written are denied anyway
	}
	var raw map[string]json.RawMessage
	if json.NewDecoder(bytes.NewReader(b)).Decode(&raw) != nil {
		return out
	}
	for k, v := range raw {
		out[k] = strings.Trim(string(v), `"`)
	}
	out["playbook"], out["operations"] = q.Playbook, strings.Join(q.Operations, " ")
	return out
}

// Outcome is a decision in one line.
func Outcome(d writ.Decision) string {
	var w strings.Builder
	if d.Observed {
		w.WriteString("observed, would be ")
	}
	w.WriteString(string(d.Verdict))
	if d.Verdict == writ.Deny {
		fmt.Fprintf(&w, " (%s)", d.Reason)
	}
	if s := Needs(d.Requirements); s != "" {
		fmt.Fprintf(&w, ": %s", s)
	}
	if len(d.Policies) > 0 {
		fmt.Fprintf(&w, " by %s", strings.Join(d.Policies, ", "))
	}
	if len(d.Errors) > 0 {
		fmt.Fprintf(&w, ", errors in %s", strings.Join(d.Errors, ", "))
	}
	return w.String()
}

// Needs is what is required, in words; empty for nothing.
func Needs(r writ.Requirements) string {
	var parts []string
	for _, g := range slices.Sorted(maps.Keys(r.Approvals)) {
		parts = append(parts, fmt.Sprintf("%d of %s", r.Approvals[g], g))
	}
	if r.Proof != "" {
		parts = append(parts, fmt.Sprintf("proof %s", r.Proof))
	}
	for _, c := range []struct {
		format string
		n      int
	}{{"at most %d s", r.MaxTTL}, {"at most %d‰", r.MaxPermille}, {"at most %d objects", r.MaxObjects}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf(c.format, c.n))
		}
	}
	return strings.Join(parts, ", ")
}

// asksLess reports whether b demands less than a in anything: fewer people, a weaker proof, or a wider cap.
func asksLess(a, b writ.Requirements) bool {
	for group, n := range a.Approvals {
		if b.Approvals[group] < n {
			return true
		}
	}
	wider := func(a, b int) bool { return a > 0 && (b == 0 || b > a) }
	return b.Proof.Strength() < a.Proof.Strength() || wider(a.MaxTTL, b.MaxTTL) || wider(a.MaxPermille, b.MaxPermille) || wider(a.MaxObjects, b.MaxObjects)
}
