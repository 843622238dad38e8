package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/store"
)

// declare indexes the agents of the configuration by identity.
func declare(all []writ.Agent) (map[writ.Principal]writ.Agent, error) {
	out, names := map[writ.Principal]writ.Agent{}, map[string]bool{}
	for _, a := range all {
		if err := a.Check(); err != nil {
			return nil, err
		}
		if a.State == "" {
			a.State = writ.AgentActive
		}
		if _, twice := out[a.Principal()]; twice || names[a.Name] {
			return nil, fmt.Errorf("%w: agent %q: its name or its identity stands twice in the configuration", writ.ErrInvalid, a.Name)
		}
		a.Declared, names[a.Name] = true, true
		out[a.Principal()] = a
	}
	return out, nil
}

// agentID is the id of an identity's row: an identity is registered once, and once removed it stays so.
func agentID(p writ.Principal) string { return writ.DigestOf([]byte(identity(p))).String() }

// registered returns an identity's registration, whatever its state. What the configuration declares goes before what
// stands in the store, but for the state: what people have suspended or removed stays so, whatever file a server was
// started with.
func (c *Control) registered(tx *store.Tx, p writ.Principal) (a writ.Agent, ok bool, err error) {
	if p.Kind != writ.KindAgent || !p.Valid() {
		return a, false, nil
	}
	declared, isDeclared := c.declared[p]
	kept, row, err := store.Load[writ.Agent](tx, store.Agents, agentID(p))
	switch {
	case errors.Is(err, writ.ErrNotFound):
		return declared, isDeclared, nil
	case err != nil:
		return a, false, err
	}
	kept.State = writ.AgentState(row.State)
	if !isDeclared {
		return kept, !kept.Declared, nil // once declared, and taken out of the configuration
	}
	return merge(declared, kept), true, nil
}

// merge puts the state that people set over a declared agent. The stricter of two states holds.
func merge(declared, kept writ.Agent) writ.Agent {
	if kept.State == writ.AgentActive && declared.State != writ.AgentActive {
		return declared
	}
	declared.State, declared.By, declared.Reason, declared.Since = kept.State, kept.By, kept.Reason, kept.Since
	return declared
}

// Admit lets an agent through the doors while its registration holds.
func (c *Control) Admit(ctx context.Context, by writ.Principal) error {
	if err := c.Store.Glance(ctx, func(tx *store.Tx) error { _, err := c.agent(tx, by); return err }); err != nil {
		return err
	}
	c.sawAgent(ctx, by)
	return nil
}

// agent returns the caller's registration, and refuses one that is not active.
func (c *Control) agent(tx *store.Tx, by writ.Principal) (writ.Agent, error) {
	a, ok, err := c.registered(tx, by)
	switch {
	case err != nil:
		return a, err
	case !ok || a.State == writ.AgentRemoved:
		return a, &writ.Refusal{
			Code: writ.ReasonAgentUnregistered, Kind: writ.ErrDenied, Detail: "this identity is not a registered agent",
			Hint: "the person who answers for it registers it: writ agent add",
		}
	case a.State != writ.AgentActive:
		return a, &writ.Refusal{
			Code: writ.ReasonAgentSuspended, Kind: writ.ErrDenied, Detail: "this agent is suspended",
			Hint: "a person of its team lets it go on: writ agent resume " + a.Name,
		}
	}
	return a, nil
}

// asker admits agents with one of the roles, and people.
func (c *Control) asker(ctx context.Context, by writ.Principal, roles ...writ.AgentRole) (a writ.Agent, err error) {
	if by.Kind != writ.KindAgent {
		return c.askerIn(nil, by, roles...)
	}
	err = c.Store.Glance(ctx, func(tx *store.Tx) error { a, err = c.askerIn(tx, by, roles...); return err })
	return a, err
}

// askerIn is asker in a transaction, which only agents need.
func (c *Control) askerIn(tx *store.Tx, by writ.Principal, roles ...writ.AgentRole) (a writ.Agent, err error) {
	switch {
	case by.Kind == writ.KindHuman && by.Valid():
		return a, nil
	case by.Kind != writ.KindAgent:
		return a, writ.Refuse(writ.ReasonKind, "only an agent or a person may call this")
	}
	if a, err = c.agent(tx, by); err != nil {
		return writ.Agent{}, err
	}
	if !slices.ContainsFunc(roles, func(r writ.AgentRole) bool { return slices.Contains(a.Roles, r) }) {
		return writ.Agent{}, writ.Refuse(writ.ReasonRoleMissing, fmt.Sprintf("agent %s has the roles %v; this call needs one of %v", a.Name, a.Roles, roles))
	}
	return a, nil
}

// mayClass refuses an agent that is not active, and one that is not registered for playbooks of this class.
func (c *Control) mayClass(tx *store.Tx, by writ.Principal, pb playbook.Playbook) error {
	if by.Kind != writ.KindAgent {
		return nil
	}
	a, err := c.agent(tx, by)
	if err == nil && !a.May(pb.Class) {
		err = &writ.Refusal{
			Code: writ.ReasonClass, Kind: writ.ErrDenied, Detail: fmt.Sprintf("agent %s is not registered for playbooks of class %s", a.Name, pb.Class),
			Hint: "its classes: " + strings.Join(a.Classes, ", "),
		}
	}
	return err
}

// Agents lists the registrations, by name; people only.
func (c *Control) Agents(ctx context.Context, by writ.Principal) ([]writ.Agent, error) {
	if err := person(by); err != nil {
		return nil, err
	}
	return c.allAgents(ctx)
}

// Agent returns one registration by its name; people only. The newest one counts, since an identity that was replaced
// keeps its name.
func (c *Control) Agent(ctx context.Context, by writ.Principal, name string) (a writ.Agent, err error) {
	if err := person(by); err != nil {
		return a, err
	}
	err = c.Store.View(ctx, func(tx *store.Tx) error { a, err = c.named(tx, name); return err })
	return a, err
}

// named finds a registration by its name.
func (c *Control) named(tx *store.Tx, name string) (writ.Agent, error) {
	for p, a := range c.declared {
		if a.Name == name {
			a, _, err := c.registered(tx, p)
			return a, err
		}
	}
	rows, err := tx.Find(store.Agents, store.Filter{Key: name, Newest: true, Limit: 1})
	if err != nil || name == "" || len(rows) == 0 {
		return writ.Agent{}, first(err, c.unknownAgent(name))
	}
	a, err := store.Decode[writ.Agent](rows[0])
	if err == nil && a.Declared { // it left the configuration
		err = c.unknownAgent(name)
	}
	a.State = writ.AgentState(rows[0].State)
	return a, err
}

func (c *Control) unknownAgent(name string) error {
	return &writ.Refusal{
		Code: writ.ReasonUnknownAgent, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("there is no agent %q", writ.Printable(name, 60)),
		Hint: "writ agent list shows them",
	}
}

// allAgents returns every registration, by name.
func (c *Control) allAgents(ctx context.Context) ([]writ.Agent, error) {
	var out []writ.Agent
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		out = nil
		kept, rows, err := find[writ.Agent](tx, store.Agents, store.Filter{})
		if err != nil {
			return err
		}
		over := map[writ.Principal]writ.Agent{}
		for i, a := range kept {
			a.State = writ.AgentState(rows[i].State)
			if _, declared := c.declared[a.Principal()]; declared {
				over[a.Principal()] = a
			} else if !a.Declared {
				out = append(out, a)
			}
		}
		for p, a := range c.declared {
			if k, ok := over[p]; ok {
				a = merge(a, k)
			}
			out = append(out, a)
		}
		return nil
	})
	slices.SortStableFunc(out, func(a, b writ.Agent) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}
