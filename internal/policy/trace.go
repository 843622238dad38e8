package policy

import (
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// A Trace is a decision with every rule that could have had a say. It is for explanations and searches, never a gate.
type Trace struct {
	Decision  writ.Decision
	Satisfied []string // ids of the rules whose conditions hold for at least one action of the ask, sorted
	Silent    []string // ids of those whose heads match and whose conditions do not hold for any, sorted
}

// Trace decides a request as Decide does, and looks at every rule on its own besides.
func (b *Bundle) Trace(q Request) Trace {
	t := Trace{Decision: b.Decide(q)}
	if b == nil || t.Decision.Reason == writ.ReasonInvalidRequest {
		return t
	}
	b.raise(&q.Facts, q.Playbook, q.Operations)
	e, actions, err := b.evaluator(&q.Facts, q, manner{find: (*shelf).find})
	if err != nil {
		return t
	}
	heads := map[string]bool{}
	for _, name := range actions {
		sh, known := b.index[name]
		if !known {
			continue
		}
		found := e.find(sh, e.service)
		ids, err := cedarx.Satisfied(found, cedarx.Entities{sh.action, e.principal, e.service},
			cedarx.Request{Principal: e.principal.UID, Action: sh.action.UID, Resource: e.service.UID, Context: e.facts.contextOf(sh.reads)})
		if err != nil {
			return t
		}
		t.Satisfied = union(t.Satisfied, ids)
		for _, p := range found {
			heads[p.ID] = true
		}
	}
	for id := range heads {
		if !slices.Contains(t.Satisfied, id) {
			t.Silent = append(t.Silent, id)
		}
	}
	slices.Sort(t.Silent)
	return t
}

// Uses is what one rule reads, by id; nothing for an unknown one.
func (b *Bundle) Uses(id string) cedarx.Uses {
	if b == nil || b.rules[id] == nil {
		return cedarx.Uses{}
	}
	return b.rules[id].policy.Uses()
}

// Words are what a request can be made of: the closed vocabularies of the schema, and the actions. All are sorted.
type Words struct {
	Envs, Roles, Planes []string
	Playbooks           []string // names
	Operations          []string // that change something, in a plan
	Readers             []string
}

// Words returns the bundle's.
func (b *Bundle) Words() Words {
	if b == nil {
		return Words{}
	}
	w := Words{Envs: slices.Clone(b.known.Envs), Roles: slices.Clone(b.known.Roles), Planes: slices.Clone(b.known.Planes)}
	for _, a := range b.schema.Actions() {
		switch name, isPlaybook := cutPlaybook(a); {
		case isPlaybook:
			w.Playbooks = append(w.Playbooks, name)
		case b.index.writes(a):
			w.Operations = append(w.Operations, a)
		default:
			w.Readers = append(w.Readers, a)
		}
	}
	return w
}
