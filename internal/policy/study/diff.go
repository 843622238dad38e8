package study

import (
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// A Difference is one kind of request that two sets decide differently, with the plainest example found.
type Difference struct {
	Kind    Kind           `json:"kind"`
	Rules   []string       `json:"rules,omitempty"` // that hold under one set and not under the other
	Case    string         `json:"case"`            // of the sets' own tests, from which Moves lead to the example
	Moves   []Move         `json:"moves"`
	Example policy.Request `json:"-"`
	Before  string         `json:"before"`
	After   string         `json:"after"`
	Count   int            `json:"count"` // of the requests tried
}

// Kind says in which direction an answer changed. The order of kinds is that of danger.
type Kind string

const (
	NowAllowed Kind = "now allowed"      // was denied, or asked for people
	NowAsks    Kind = "now asks"         // was denied, and people can now lift it
	AsksLess   Kind = "asks less"        // asked before and asks now, in some part for less
	NowDenied  Kind = "now denied"       // was allowed, or asked
	NowQuiet   Kind = "now observed"     // was allowed, or asked, and is decided without being carried out
	NowPeople  Kind = "now needs people" // was allowed
	OtherRules Kind = "other rules"      // the same verdict by other rules, or for more people
	Same       Kind = "same"
)

// kinds are in the order in which they are told: the dangerous first.
var kinds = []Kind{NowAllowed, NowAsks, AsksLess, NowDenied, NowQuiet, NowPeople, OtherRules, Same}

// Wider reports whether an answer of this kind permits more than before in any part.
func (k Kind) Wider() bool { return k == NowAllowed || k == NowAsks || k == AsksLess }

// kindOf compares two answers to one request.
func kindOf(before, after writ.Decision) Kind {
	was, is := before.Verdict.Rank(), after.Verdict.Rank()
	switch {
	case before.Observed && !after.Observed && after.Verdict == writ.Allow:
		return NowAllowed
	case before.Observed && !after.Observed && after.Verdict == writ.Requires:
		return NowAsks
	case !before.Observed && after.Observed && before.Verdict != writ.Deny:
		return NowQuiet
	case is < was && after.Verdict == writ.Allow:
		return NowAllowed
	case is < was:
		return NowAsks
	case is > was && after.Verdict == writ.Requires:
		return NowPeople
	case is > was:
		return NowDenied
	case after.Verdict == writ.Requires && asksLess(before.Requirements, after.Requirements):
		return AsksLess
	case differs(before, after):
		return OtherRules
	}
	return Same
}

// Differences is the outcome of a search for requests that two sets decide differently.
type Differences struct {
	Tried int          `json:"tried"`
	Found []Difference `json:"found"` // the dangerous first
}

// maxDifferences bounds what is told; each is one combination of rules.
const maxDifferences = 200

// Diff searches n requests for such as two sets decide differently. Errors wrap writ.ErrInvalid: neither set has tests
// to begin from.
func Diff(before, after *policy.Bundle, n int) (Differences, error) {
	from, err := seeds(before, after)
	if err != nil {
		return Differences{}, err
	}
	var out Differences
	at := map[string]int{}
	out.Tried = explore(newSpace(before, after), requests(from), n, func(q policy.Request) string {
		a, b := before.Trace(q), after.Trace(q)
		if d := compare(a, b); d.Kind != Same {
			i, known := at[d.key()]
			if !known && len(out.Found) < maxDifferences {
				d.Example = q
				i, at[d.key()], known = len(out.Found), len(out.Found), true
				out.Found = append(out.Found, d)
			}
			if known {
				out.Found[i].Count++
			}
		}
		return shape(a) + "|" + shape(b)
	})
	shown := make([]map[string]string, len(from))
	for i, c := range from {
		shown[i] = members(c.Request)
	}
	for i := range out.Found {
		out.Found[i].plainest(before, after, from, shown)
	}
	slices.SortStableFunc(out.Found, func(a, b Difference) int {
		if c := slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind); c != 0 {
			return c
		}
		return b.Count - a.Count
	})
	return out, nil
}

// compare says how two sets differ about one request.
func compare(a, b policy.Trace) Difference {
	return Difference{
		Kind: kindOf(a.Decision, b.Decision), Rules: without(a.Satisfied, b.Satisfied), Before: Outcome(a.Decision), After: Outcome(b.Decision),
	}
}

// without lists what is in one of two lists only, sorted.
func without(a, b []string) []string {
	var out []string
	for _, id := range slices.Concat(a, b) {
		if slices.Contains(a, id) != slices.Contains(b, id) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// key puts differences together that are told once: of one kind, by the same rules. When no rule has changed its mind,
// what is demanded has.
func (d Difference) key() string {
	if len(d.Rules) == 0 {
		return string(d.Kind) + d.Before + d.After
	}
	return string(d.Kind) + strings.Join(d.Rules, " ")
}

// plainest takes back every change that the difference does not need, beginning from the nearest case of the tests.
func (d *Difference) plainest(before, after *policy.Bundle, from []policy.Case, shown []map[string]string) {
	example, nearest := members(d.Example), 0
	for i := range shown {
		if len(apart(shown[i], example)) < len(apart(shown[nearest], example)) {
			nearest = i
		}
	}
	base := from[nearest]
	for _, m := range apart(shown[nearest], example) {
		q, ok := back(d.Example, base.Request, m.Fact)
		if !ok {
			continue
		}
		if x := compare(before.Trace(q), after.Trace(q)); x.key() == d.key() {
			d.Example, d.Before, d.After = q, x.Before, x.After
		}
	}
	d.Case, d.Moves = base.Name, moves(base.Request, d.Example)
}

// back returns q with one fact as in from.
func back(q, from policy.Request, fact string) (policy.Request, bool) {
	q = copied(q)
	switch fact {
	case "playbook":
		q.Playbook = from.Playbook
	case "operations":
		q.Operations = slices.Clone(from.Operations)
	case "env":
		q.Facts.Env = from.Facts.Env
	case "service":
		q.Facts.Service = from.Facts.Service
	case "team":
		q.Facts.Team = from.Facts.Team
	case "owningTeam":
		q.Facts.OwningTeam = from.Facts.OwningTeam
	case "roles":
		q.Facts.Roles = from.Facts.Roles
	case "planes":
		q.Facts.Planes = from.Facts.Planes
	case "principal", "owner":
		q.Facts.Principal, q.Facts.Owner = from.Facts.Principal, from.Facts.Owner
	case "changeFreezeUntil":
		q.Facts.ChangeFreezeUntil = from.Facts.ChangeFreezeUntil
	case "now":
		q.Facts.Now = from.Facts.Now
	default:
		for _, n := range numbers {
			if n.name == fact {
				*n.of(&q.Facts) = *n.of(&from.Facts)
				return q, true
			}
		}
		for _, n := range optionals {
			if n.name == fact {
				*n.of(&q.Facts) = *n.of(&from.Facts)
				return q, true
			}
		}
		for _, t := range truths {
			if t.name == fact {
				*t.of(&q.Facts) = *t.of(&from.Facts)
				return q, true
			}
		}
		return q, false
	}
	return q, true
}
