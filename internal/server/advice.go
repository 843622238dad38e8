package server

import (
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
)

// Advice is what a server's configuration says to questions about policy: the set it would load, what the set can speak
// of, and who could ask for what. Agents that people registered at run time are in the store and not here.
type Advice struct {
	Set        *policy.Bundle
	Vocabulary policy.Vocabulary
	Services   []study.Service  // by name
	Playbooks  []study.Playbook // by name
	Agents     []study.Agent    // as the configuration lists them
}

// ReadAdvice reads what New would read, and opens nothing.
func ReadAdvice(c config.Server, dev bool) (Advice, error) {
	r, err := loadRules(c, dev, nil)
	if err != nil {
		return Advice{}, err
	}
	out := Advice{Set: r.policy.Bundle, Vocabulary: fronted(vocabulary(r), c)}
	for _, name := range slices.Sorted(maps.Keys(r.services)) {
		s := r.services[name]
		out.Services = append(out.Services, study.Service{Name: s.Name, Owner: s.Owner, Environment: s.Environment, Stateful: s.Stateful})
	}
	for _, name := range slices.Sorted(maps.Keys(r.library)) {
		p := r.library[name].Playbook
		asked := study.Playbook{Name: p.Name, Plane: p.Plane, Tier: p.Tier, Undo: p.Undo == writ.UndoInverse}
		for _, s := range p.Steps {
			asked.Operations = append(asked.Operations, string(s.Operation))
			for _, t := range r.targets {
				if o, ok := t.Catalogue.Operation(s.Operation); ok {
					asked.Tier = max(asked.Tier, o.Tier)
				}
			}
		}
		out.Playbooks = append(out.Playbooks, asked)
	}
	for _, a := range c.Agents {
		p := writ.Principal{Kind: writ.KindAgent, Iss: a.Iss, Sub: a.Sub}
		if !p.Valid() {
			return Advice{}, fmt.Errorf("%w: agent %s: iss and sub are required", writ.ErrInvalid, writ.Printable(a.Name, 60))
		}
		out.Agents = append(out.Agents, study.Agent{
			Name: a.Name, Principal: p, Team: a.Team, Roles: slices.Sorted(slices.Values(a.Roles)), Suspended: a.Suspended, Owner: writ.Person(a.Owner),
		})
	}
	return out, nil
}
