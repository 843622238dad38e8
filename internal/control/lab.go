package control

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
	"github.com/writ-dev/writ/internal/store"
)

// Bounds of a question to the lab: each answers while a person waits.
const (
	maxReached = 6000 // decisions of one Reach, some 60 µs each
	maxRecent  = 2000 // entries of the ledger that one Replay opens, some 300 µs each
)

// Reach answers who could touch services: for each that q leaves, the ways of each agent through each playbook that has a
// target there, by the set in force on a good day, with the people who could agree. People only; it is advice, changes
// nothing and is not recorded. Services beyond what fits are counted in Left.
func (c *Control) Reach(ctx context.Context, by writ.Principal, q study.ReachQuestion) (study.Reach, error) {
	if err := person(by); err != nil {
		return study.Reach{}, err
	}
	agents, roster, err := c.whoCould(ctx)
	if err != nil {
		return study.Reach{}, err
	}
	out := study.Reach{Names: c.labNames(agents)}
	agents = slices.DeleteFunc(agents, func(a writ.Agent) bool { return q.Agent != "" && a.Name != q.Agent })
	set, now := c.inForce().Bundle, c.now().Unix()
	for _, name := range out.Services {
		if q.Service != "" && name != q.Service {
			continue
		}
		ask := c.reachable(name, q.Playbook, agents, roster)
		n := len(ask.Playbooks) * len(agents)
		if out.Asked+n > maxReached && out.Asked > 0 || ctx.Err() != nil {
			out.Left++
			continue
		}
		out.Asked += n
		out.Ways = append(out.Ways, study.Ways(set, ask, now)...)
	}
	return out, ctx.Err()
}

// LabNames are what questions to the lab can be about. People only.
func (c *Control) LabNames(ctx context.Context, by writ.Principal) (study.Names, error) {
	if err := person(by); err != nil {
		return study.Names{}, err
	}
	agents, _, err := c.whoCould(ctx)
	return c.labNames(agents), err
}

func (c *Control) labNames(agents []writ.Agent) study.Names {
	out := study.Names{Services: slices.Sorted(maps.Keys(c.Services)), Playbooks: slices.Sorted(maps.Keys(c.Library))}
	for _, a := range agents {
		out.Agents = append(out.Agents, a.Name)
	}
	return out
}

// whoCould are the agents that are not removed, and the roster as it counts now.
func (c *Control) whoCould(ctx context.Context) (agents []writ.Agent, roster approval.Roster, err error) {
	if agents, err = c.allAgents(ctx); err != nil {
		return nil, nil, err
	}
	agents = slices.DeleteFunc(agents, func(a writ.Agent) bool { return a.State == writ.AgentRemoved })
	err = c.Store.View(ctx, func(tx *store.Tx) (err error) { roster, err = c.roster(tx); return err })
	return agents, roster, err
}

// reachable is what could be asked for on one service. Playbooks without a target there, and those for break-glass alone,
// can be asked for by no agent.
func (c *Control) reachable(name, book string, agents []writ.Agent, roster approval.Roster) study.Ask {
	service := c.Services[name]
	ask := study.Ask{Service: study.Service{Name: service.Name, Owner: service.Owner, Environment: service.Environment, Stateful: service.Stateful}}
	for _, p := range slices.Sorted(maps.Keys(c.Library)) {
		pb := c.Library[p].Playbook
		target, err := c.targetFor(service, pb)
		if book != "" && p != book || err != nil || pb.Emergency {
			continue
		}
		ask.Playbooks = append(ask.Playbooks, bookOf(c.Library[p], target))
	}
	ask.Agents = func(p study.Playbook) (out []study.Agent) {
		for _, a := range agents {
			if a.May(c.Library[p.Name].Playbook.Class) {
				out = append(out, supposed(a))
			}
		}
		return out
	}
	slots := Slots(service.Owner)
	ask.People = func(slot string, without writ.Person) (out []writ.Person) {
		for _, m := range roster {
			if slices.Contains(m.Groups, slots[slot]) && !slices.Contains(append([]writ.Person{m.Person()}, m.Accounts...), without) {
				out = append(out, m.Person())
			}
		}
		return out
	}
	return ask
}

// bookOf is a playbook as policy sees it on a target.
func bookOf(p Published, t Target) study.Playbook {
	out := study.Playbook{Name: p.Playbook.Name, Plane: p.Playbook.Plane, Tier: p.Playbook.Tier, Undo: p.Playbook.Undo == writ.UndoInverse}
	for _, s := range p.Playbook.Steps {
		out.Operations = append(out.Operations, string(s.Operation))
		if o, ok := t.Catalogue.Operation(s.Operation); ok {
			out.Tier = max(out.Tier, o.Tier)
		}
	}
	return out
}

// supposed is a registration as policy sees it.
func supposed(a writ.Agent) study.Agent {
	out := study.Agent{Name: a.Name, Principal: a.Principal(), Team: a.Team, Suspended: a.State != writ.AgentActive, Owner: a.Owner}
	for _, r := range a.Roles {
		out.Roles = append(out.Roles, string(r))
	}
	slices.Sort(out.Roles)
	return out
}

// Suppose makes the request of one agent for a playbook on a service, on a good day. A name that is not there is a refusal
// that lists those that are. People only.
func (c *Control) Suppose(ctx context.Context, by writ.Principal, service, book, agent string) (policy.Request, error) {
	if err := person(by); err != nil {
		return policy.Request{}, err
	}
	s, err := c.Services.Find(service)
	if err != nil {
		return policy.Request{}, err
	}
	pb, err := c.Library.Find(book)
	if err != nil {
		return policy.Request{}, err
	}
	target, err := c.targetFor(s, pb.Playbook)
	if err != nil {
		return policy.Request{}, err
	}
	agents, _, err := c.whoCould(ctx)
	if err != nil {
		return policy.Request{}, err
	}
	i := slices.IndexFunc(agents, func(a writ.Agent) bool { return a.Name == agent })
	if i < 0 {
		return policy.Request{}, &writ.Refusal{Code: writ.ReasonAgentUnregistered, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("there is no agent %q", writ.Printable(agent, 60)), Hint: "writ agent list"}
	}
	of := study.Service{Name: s.Name, Owner: s.Owner, Environment: s.Environment, Stateful: s.Stateful}
	return study.GoodDay(of, bookOf(pb, target), supposed(agents[i]), c.now().Unix()), nil
}

// RulesInForce is the set by which this process decides. People only.
func (c *Control) RulesInForce(_ context.Context, by writ.Principal) (*policy.Bundle, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	return c.inForce().Bundle, nil
}

const (
	// maxExplaining is how many explanations are worked out at once: each asks thousands of requests and keeps a processor busy.
	maxExplaining = 2
	// afterExplain is when to ask again: longer than one takes.
	afterExplain = 2 * time.Second
)

// ExplainPlan says why the newest decision of a plan would be made by the set in force: the rules with their places, the facts
// that mattered, and the smallest changes that lead elsewhere. People only; it changes and records nothing. At most
// maxExplaining are worked out at once; others are refused with ErrBusy.
func (c *Control) ExplainPlan(ctx context.Context, by writ.Principal, id writ.PlanID) (study.Explanation, error) {
	if err := person(by); err != nil {
		return study.Explanation{}, err
	}
	if c.explaining.Add(1) > maxExplaining {
		c.explaining.Add(-1)
		return study.Explanation{}, &writ.Refusal{Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: afterExplain, Detail: fmt.Sprintf("%d questions to policy are being worked out already; that is the limit", maxExplaining)}
	}
	defer c.explaining.Add(-1)
	p, err := c.planStatus(ctx, by, id)
	if err != nil {
		return study.Explanation{}, err
	}
	q, err := study.OfPlan(p)
	if err != nil {
		return study.Explanation{}, err
	}
	x := study.Explain(c.inForce().Bundle, q)
	x.Decision.Plan, x.Decision.PlanDigest = p.ID, p.Digest
	return x, nil
}

// Replay decides the decisions among the newest entries of the ledger again, by the set in force. People only; it changes
// nothing. Decisions whose plan is older than those entries are counted as skipped.
func (c *Control) Replay(ctx context.Context, by writ.Principal) (study.Simulation, error) {
	if err := person(by); err != nil {
		return study.Simulation{}, err
	}
	var b ledger.Bundle
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		from := max(tx.Head()-maxRecent, 0)
		leaves, err := tx.Leaves(from, maxRecent)
		b.Entries = make([]ledger.BundleEntry, len(leaves))
		for i, l := range leaves {
			b.Entries[i] = ledger.BundleEntry{Index: from + int64(i), Leaf: l}
		}
		return err
	})
	if err != nil {
		return study.Simulation{}, err
	}
	records, err := study.FromBundle(b)
	if err != nil {
		return study.Simulation{}, err
	}
	return study.Simulate(c.inForce().Bundle, records, 1), nil
}
