package study

import (
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// An Explanation says why a request is decided as it is.
type Explanation struct {
	Decision writ.Decision `json:"decision"`
	Outcome  string        `json:"outcome"`
	Rules    []Cited       `json:"rules"`   // that decided, sorted by id
	Mattered []Fact        `json:"facts"`   // each of which, changed alone, gives another answer or takes a deciding rule away
	Changes  []Flip        `json:"changes"` // the smallest ones found that lead to another verdict
	Tried    int           `json:"tried"`   // requests
}

// Cited is a rule with its place.
type Cited struct {
	ID     string `json:"id"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
}

// Fact is one fact with its value; empty means absent.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// A Flip leads to another verdict.
type Flip struct {
	Moves   []Move       `json:"moves"`
	Verdict writ.Verdict `json:"verdict"`
	Outcome string       `json:"outcome"`
}

// Bounds of an explanation: it answers while somebody waits. Three facts at once are 166,000 requests and more, so the
// last round is cut off.
const (
	maxExplain  = 30_000 // requests
	maxTogether = 3      // facts changed at once
	maxPerKind  = 3      // changes told for each verdict
)

// Explain decides a request and searches around it.
func Explain(b *policy.Bundle, q policy.Request) Explanation {
	t := b.Trace(q)
	x := Explanation{Decision: t.Decision, Outcome: Outcome(t.Decision), Rules: cite(b, t.Decision), Tried: 1}
	if t.Decision.Reason == writ.ReasonInvalidRequest {
		return x
	}
	s := near(newSpace(b), b, t)
	have := members(q)
	var steps []step
	for _, d := range s.dimensions {
		mattered := false
		for _, change := range d.changes {
			n := copied(q)
			change(&n)
			to, changed := members(n)[d.fact], moves(q, n)
			if len(changed) != 1 || slices.ContainsFunc(steps, func(s step) bool { return s.fact == d.fact && s.to == to }) {
				continue // not another request, or more than this fact
			}
			steps = append(steps, step{d.fact, to, change})
			x.Tried++
			mattered = mattered || unsettles(t.Decision, b.Decide(n))
		}
		if mattered {
			x.Mattered = append(x.Mattered, Fact{d.fact, have[d.fact]})
		}
	}
	slices.SortFunc(x.Mattered, func(a, b Fact) int { return strings.Compare(a.Name, b.Name) })
	x.search(b, q, steps)
	return x
}

// step sets one fact to one value.
type step struct {
	fact, to string
	apply    func(*policy.Request)
}

// near keeps the facts that a rule reads whose head matches the request: no other can matter.
func near(s space, b *policy.Bundle, t policy.Trace) space {
	read := map[string]bool{}
	for _, id := range slices.Concat(t.Satisfied, t.Silent) {
		for _, m := range b.Uses(id).Members {
			read[m] = true
		}
	}
	s.dimensions = slices.DeleteFunc(s.dimensions, func(d dimension) bool { return !read[d.rule] })
	return s
}

// unsettles reports whether is gives another answer than was, or lacks a rule that decided.
func unsettles(was, is writ.Decision) bool {
	return is.Verdict != was.Verdict || is.Reason != was.Reason || slices.ContainsFunc(was.Policies, func(id string) bool { return !slices.Contains(is.Policies, id) })
}

// differs reports whether two decisions have another verdict, reason, rules or requirements.
func differs(a, b writ.Decision) bool {
	return a.Verdict != b.Verdict || a.Reason != b.Reason || !slices.Equal(a.Policies, b.Policies) || Needs(a.Requirements) != Needs(b.Requirements)
}

// search finds the fewest facts that lead to each other verdict, one fact at a time first.
func (x *Explanation) search(b *policy.Bundle, q policy.Request, steps []step) {
	found := map[writ.Verdict]int{x.Decision.Verdict: maxPerKind}
	if x.Decision.Verdict == writ.Requires { // what people can bring about comes first, however many facts it is
		n := copied(q)
		meet(&n.Facts, x.Decision.Requirements)
		d := b.Decide(n)
		x.Changes = append(x.Changes, Flip{moves(q, n), d.Verdict, Outcome(d)})
	}
	for size := 1; size <= maxTogether; size++ {
		x.together(b, q, steps, size, nil, found)
		for v, n := range found { // a longer way to a verdict that has a shorter one says nothing
			if n > 0 {
				found[v] = maxPerKind
			}
		}
	}
}

// meet sets the facts to exactly what is required.
func meet(f *policy.Facts, r writ.Requirements) {
	f.ApprovalsOwner = max(f.ApprovalsOwner, r.Approvals[policy.GroupOwner])
	f.ApprovalsOncall = max(f.ApprovalsOncall, r.Approvals[policy.GroupOncall])
	f.Proof = max(f.Proof, r.Proof.Strength())
	for _, c := range []struct {
		of    **int
		limit int
	}{{&f.TTL, r.MaxTTL}, {&f.MaxPermille, r.MaxPermille}, {&f.MaxObjects, r.MaxObjects}} {
		if c.limit > 0 && (*c.of == nil || **c.of > c.limit) {
			*c.of = new(c.limit)
		}
	}
}

// together tries every choice of size steps on different facts.
func (x *Explanation) together(b *policy.Bundle, q policy.Request, steps []step, size int, chosen []step, found map[writ.Verdict]int) {
	if size == 0 {
		x.Tried++
		n := copied(q)
		for _, s := range chosen {
			s.apply(&n)
		}
		d := b.Decide(n)
		if d.Reason == writ.ReasonInvalidRequest || found[d.Verdict] >= maxPerKind {
			return
		}
		c := Flip{moves(q, n), d.Verdict, Outcome(d)}
		if slices.ContainsFunc(x.Changes, func(o Flip) bool { return o.Verdict == c.Verdict && slices.EqualFunc(o.Moves, c.Moves, sameFact) }) {
			return // another value of the same facts
		}
		found[d.Verdict]++
		x.Changes = append(x.Changes, c)
		return
	}
	for i, s := range steps {
		if x.Tried >= maxExplain || full(found) {
			return
		}
		if !slices.ContainsFunc(chosen, func(c step) bool { return c.fact == s.fact }) {
			x.together(b, q, steps[i+1:], size-1, append(chosen, s), found)
		}
	}
}

func sameFact(a, b Move) bool { return a.Fact == b.Fact }

// full reports whether nothing is looked for any more.
func full(found map[writ.Verdict]int) bool {
	for _, v := range []writ.Verdict{writ.Allow, writ.Requires, writ.Deny} {
		if found[v] < maxPerKind {
			return false
		}
	}
	return true
}

func cite(b *policy.Bundle, d writ.Decision) []Cited {
	var out []Cited
	for _, id := range append(slices.Clone(d.Policies), d.Errors...) {
		if r, ok := b.Rule(id); ok {
			out = append(out, Cited{r.ID, r.File, r.Line, r.Reason, r.Text})
		}
	}
	return out
}
