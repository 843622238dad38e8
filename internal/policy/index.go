package policy

import (
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// An index finds the policies whose head can match a request: by action first, then by resource. It is sound because
// a head that names an action or a resource matches only that entity and what lies below it, and the ancestors of
// both are known. Actions are closed at load, so the first level is complete: one entry for each action.
type index map[string]*shelf

// A shelf holds the policies that can match one action, sorted by id.
type shelf struct {
	action cedarx.Entity
	class  int              // shelves of one class hold the same policies, none of which asks for the action: 0 is a class of its own
	any    []*cedarx.Policy // whatever the resource
	named  map[cedarx.UID][]*cedarx.Policy
	reads  []int // of contextFacts, those that some policy here reads; nil when all may be

	agents, people bool // the schema lets these ask for the action, on a service, with Writ's facts
}

// newIndex builds one shelf for each choice of policies and shares it among the actions that have it: thousands of actions
// differ in a few groups.
func newIndex(s *cedarx.Schema, rules map[string]*rule) index {
	heads, of := []cedarx.Scope{}, map[string]int{} // the different heads, as far as actions go
	headOf := make(map[string]int, len(rules))
	for id, r := range rules {
		scope := r.policy.Scope()
		key := scopeKey(scope)
		i, known := of[key]
		if !known {
			i, of[key] = len(heads), len(heads)
			heads = append(heads, scope)
		}
		headOf[id] = i
	}
	ids := slices.Sorted(maps.Keys(rules))
	out, shelves := index{}, map[string]*shelf{}
	for _, name := range s.Actions() {
		action, _ := s.Action(name)
		matching := make([]byte, len(heads))
		for i, h := range heads {
			if h.Actions == nil || slices.ContainsFunc(h.Actions, func(uid cedarx.UID) bool { return uid == action.UID || action.Parents.Contains(uid) }) {
				matching[i] = 1
			}
		}
		same, known := shelves[string(matching)]
		if !known {
			same = fill(ids, rules, headOf, matching, len(shelves)+1)
			shelves[string(matching)] = same
		}
		own := *same
		own.action, own.agents, own.people = action, admits(s, action.UID, typeAgent), admits(s, action.UID, typeHuman)
		out[name] = &own
	}
	return out
}

func scopeKey(s cedarx.Scope) string {
	if s.Actions == nil {
		return "*"
	}
	var w strings.Builder
	for _, a := range s.Actions {
		w.WriteString(string(a.ID))
		w.WriteByte(0)
	}
	return w.String()
}

// fill puts the policies with a matching head on a shelf, sorted by id.
func fill(ids []string, rules map[string]*rule, headOf map[string]int, matching []byte, class int) *shelf {
	sh := &shelf{class: class, named: map[cedarx.UID][]*cedarx.Policy{}}
	var reads factSet
	for _, id := range ids {
		if matching[headOf[id]] == 0 {
			continue
		}
		p := rules[id].policy
		reads |= rules[id].reads
		if rules[id].readsAction {
			sh.class = 0
		}
		if to := p.Scope().Resource; to == (cedarx.UID{}) {
			sh.any = append(sh.any, p)
		} else {
			sh.named[to] = append(sh.named[to], p)
		}
	}
	sh.reads = reads.places()
	return sh
}

// admits asks the engine's validator whether a principal of this kind can ask for the action on a service. What it says of
// these two sets of facts, the fullest and the barest, it says of all: the loader has compared the schema's context with
// contextFacts, where each fact has one type. So no request is validated while it waits for its decision.
func admits(s *cedarx.Schema, action cedarx.UID, kind string) bool {
	for _, f := range []*Facts{fullest(), {}} {
		q := cedarx.Request{
			Principal: cedarx.NewUID(kind, "x"), Action: action, Resource: cedarx.NewUID(typeService, "x"), Context: f.context(),
		}
		if s.CheckRequest(q) != nil {
			return false
		}
	}
	return true
}

// accepts reports whether the schema lets this principal ask for the action.
func (sh *shelf) accepts(principal cedarx.UID) bool {
	switch principal.Type {
	case typeAgent:
		return sh.agents
	case typeHuman:
		return sh.people
	}
	return false
}

// writes reports whether an action is known to change anything.
func (x index) writes(action string) bool {
	sh, known := x[action]
	return known && sh.action.Parents.Contains(cedarx.ActionUID(groupMutate))
}

// find returns the policies that can match the resource, sorted by id. Each policy stands under one key only, so none
// comes twice.
func (sh *shelf) find(resource cedarx.Entity) []*cedarx.Policy {
	if len(sh.named) == 0 {
		return sh.any
	}
	own := sh.named[resource.UID]
	for parent := range resource.Parents.All() {
		own = merge(own, sh.named[parent])
	}
	return merge(sh.any, own)
}

// merge joins two lists that are sorted by id. It returns one of them when the other is empty, and changes neither.
func merge(a, b []*cedarx.Policy) []*cedarx.Policy {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	out := make([]*cedarx.Policy, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].ID <= b[0].ID {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
