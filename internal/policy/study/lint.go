package study

import (
	"fmt"
	"slices"

	"github.com/writ-dev/writ/internal/policy"

	"github.com/writ-dev/writ"
)

// A Finding is something about a rule that is probably not meant. No finding is proof, and none keeps a set from being
// loaded.
type Finding struct {
	Rule string `json:"rule"`
	File string `json:"file"`
	Line int    `json:"line"`
	What string `json:"what"`
}

// Lint searches n requests for rules that never matter: that hold for none of them, that hold only where another of
// their folder holds too, grants that never come to an allow, and requirements that nobody can meet. It returns how many
// requests it tried. Errors wrap writ.ErrInvalid: the set has no tests to begin from.
func Lint(b *policy.Bundle, n int) ([]Finding, int, error) {
	from, err := seeds(b)
	if err != nil {
		return nil, 0, err
	}
	w := watched{rules: map[string]*watchedRule{}}
	for _, r := range b.Rules() {
		w.rules[r.ID] = &watchedRule{}
	}
	tried := explore(newSpace(b), requests(from), n, func(q policy.Request) string {
		t := b.Trace(q)
		w.look(b, t)
		return shape(t)
	})
	var out []Finding
	for _, r := range b.Rules() {
		if what := w.rules[r.ID].judge(r, tried); what != "" {
			out = append(out, Finding{r.ID, r.File, r.Line, what})
		}
	}
	return out, tried, nil
}

type watched struct{ rules map[string]*watchedRule }

type watchedRule struct {
	held     int
	always   []string // others of its folder that held whenever it did
	passed   bool     // a grant: an ask that it holds for was allowed or waits for people; a requirement: people could lift it
	standing int      // a requirement: how often it was among the rules that decided
}

func (w *watched) look(b *policy.Bundle, t policy.Trace) {
	d := t.Decision
	if d.Reason == writ.ReasonInvalidRequest || d.Reason == writ.ReasonPolicyError {
		return
	}
	for _, id := range t.Satisfied {
		r, rule := w.rules[id], folderOf(b, id)
		var beside []string
		for _, other := range t.Satisfied {
			if other != id && folderOf(b, other) == rule {
				beside = append(beside, other)
			}
		}
		if r.held == 0 {
			r.always = beside
		} else {
			r.always = slices.DeleteFunc(r.always, func(o string) bool { return !slices.Contains(beside, o) })
		}
		r.held++
		if slices.Contains(d.Policies, id) {
			r.standing++
		}
		r.passed = r.passed || rule == policy.Grants && d.Verdict != writ.Deny || rule == policy.Requirements && d.Verdict == writ.Requires
	}
}

func folderOf(b *policy.Bundle, id string) policy.Folder {
	r, _ := b.Rule(id)
	return r.Folder
}

// judge says what is odd about a rule, or nothing.
func (w *watchedRule) judge(r policy.Rule, tried int) string {
	switch {
	case w.held == 0:
		return fmt.Sprintf("no request found among %d for which it holds: it may never fire", tried)
	case r.Folder == policy.Grants && !w.passed:
		return fmt.Sprintf("no request found among %d that it brings to an allow: limits or requirements contradict it", tried)
	case r.Folder == policy.Requirements && w.standing > 0 && !w.passed:
		return fmt.Sprintf("no request found among %d in which meeting it helps: its annotations may demand less than its condition", tried)
	case len(w.always) > 0:
		return fmt.Sprintf("no request found among %d for which it holds and %s does not: it may be shadowed", tried, w.always[0])
	}
	return ""
}
