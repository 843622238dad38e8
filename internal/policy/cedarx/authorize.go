package cedarx

import (
	"iter"

	"github.com/cedar-policy/cedar-go"
)

// A Result is the engine's answer. On Allow, Reasons are all satisfied permits; otherwise all satisfied forbids, and
// none when nothing matched. Errors are the policies that failed to evaluate; the engine ignores those, so a caller
// must not take an answer that has any.
type Result struct {
	Allow   bool
	Reasons []string
	Errors  []string
}

// Entities is a store of at most a few entities. A missing entity has no attributes and no parents.
type Entities []Entity

// Get implements the engine's entity store.
func (e Entities) Get(uid UID) (Entity, bool) {
	for i := range e {
		if e[i].UID == uid {
			return e[i], true
		}
	}
	return Entity{}, false
}

// Authorize evaluates the policies, which the caller has sorted by id, so that Reasons and Errors are sorted too.
func Authorize(policies []*Policy, entities Entities, q Request) (r Result, err error) {
	defer guard(&err)
	decision, diag := cedar.Authorize(list(policies), entities, q)
	r.Allow = bool(decision)
	if n := len(diag.Reasons); n > 0 {
		r.Reasons = make([]string, n)
		for i, why := range diag.Reasons {
			r.Reasons[i] = string(why.PolicyID)
		}
	}
	for _, e := range diag.Errors {
		r.Errors = append(r.Errors, string(e.PolicyID))
	}
	return r, nil
}

type list []*Policy

func (l list) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, p := range l {
			if !yield(cedar.PolicyID(p.ID), p.compiled) {
				return
			}
		}
	}
}
