package policy

import (
	"maps"
	"slices"

	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// An index finds the policies whose head can match a request: by action first, then by resource. It is sound because
// a head that names an action or a resource matches only that entity and what lies below it, and the ancestors of
// both are known. Actions are closed at load, so the first level is complete: one entry for each action.
type index map[string]*shelf

// A shelf holds the policies that can match one action, sorted by id.
type shelf struct {
	action cedarx.Entity
	any    []*cedarx.Policy // whatever the resource
	named  map[cedarx.UID][]*cedarx.Policy
}

func newIndex(s *cedarx.Schema, rules map[string]*rule) index {
	ids := slices.Sorted(maps.Keys(rules))
	out := index{}
	for _, name := range s.Actions() {
		action, _ := s.Action(name)
		sh := &shelf{action: action, named: map[cedarx.UID][]*cedarx.Policy{}}
		for _, id := range ids {
			p := rules[id].policy
			scope := p.Scope()
			if scope.Actions != nil && !slices.ContainsFunc(scope.Actions, func(uid cedarx.UID) bool {
				return uid == action.UID || action.Parents.Contains(uid)
			}) {
				continue
			}
			if scope.Resource == (cedarx.UID{}) {
				sh.any = append(sh.any, p)
			} else {
				sh.named[scope.Resource] = append(sh.named[scope.Resource], p)
			}
		}
		out[name] = sh
	}
	return out
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
