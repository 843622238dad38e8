package policy

import (
	"errors"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
)

var (
	errUnknownWord  = errors.New("an environment or a role of the facts is not declared")
	errUnknownPlane = errors.New("a plane of the facts is not declared")
	errNoAction     = errors.New("the request names no playbook, and is not for readings only")
)

// An answer is the outcome for one action, or the join over several.
type answer struct {
	verdict      writ.Verdict
	reason       writ.Reason
	policies     []string // sorted
	because      []string // the ids whose sentences explain it, sorted
	errors       []string
	requirements writ.Requirements
	duties       writ.Duties // of the grants that speak for it
}

// severity orders answers: the higher is the worse. Denials are ordered too, so that one reason is named always.
func (a answer) severity() int {
	order := []writ.Reason{
		writ.ReasonAllowed, writ.ReasonNeedsApproval, writ.ReasonUnmet, writ.ReasonNoGrantRule, writ.ReasonLimit,
		writ.ReasonInvalidRequest, writ.ReasonPolicyError,
	}
	if i := slices.Index(order, a.reason); i >= 0 {
		return i
	}
	return len(order) // unknown is worst
}

// join combines the answers on two actions of one ask. The worst verdict wins and its rules are named; requirements
// of both are joined and never averaged.
func (a answer) join(b answer) answer {
	if b.verdict.Rank() != a.verdict.Rank() {
		if b.verdict.Rank() > a.verdict.Rank() {
			return b
		}
		return a
	}
	out := a
	if b.severity() > a.severity() {
		out.reason = b.reason
	}
	out.policies = union(a.policies, b.policies)
	out.because = union(a.because, b.because)
	out.errors = union(a.errors, b.errors)
	out.requirements = joinRequirements(a.requirements, b.requirements)
	out.duties = a.duties.Join(b.duties)
	return out
}

// union joins two sorted lists.
func union(a, b []string) []string {
	if len(b) == 0 || slices.Equal(a, b) {
		return a
	}
	if len(a) == 0 {
		return b
	}
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// joinRequirements takes the highest count of each group, every group, the strongest proof and the smallest caps.
func joinRequirements(a, b writ.Requirements) writ.Requirements {
	out := a
	if len(b.Approvals) > 0 {
		out.Approvals = maps.Clone(a.Approvals)
		if out.Approvals == nil {
			out.Approvals = map[string]int{}
		}
		for group, n := range b.Approvals {
			out.Approvals[group] = max(out.Approvals[group], n)
		}
	}
	if b.Proof.Strength() > out.Proof.Strength() {
		out.Proof = b.Proof
	}
	out.MaxTTL = smaller(a.MaxTTL, b.MaxTTL)
	out.MaxPermille = smaller(a.MaxPermille, b.MaxPermille)
	out.MaxObjects = smaller(a.MaxObjects, b.MaxObjects)
	return out
}

// smaller returns the lower cap, where 0 is no cap.
func smaller(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
