package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// maxAgents bounds the registrations, past ones too, so that a list of them is one page of the store.
const maxAgents = store.MaxRows

// AddAgent registers an agent. Whoever registers it answers for it: the caller becomes its owner, must be of the team
// that it is registered for, and cannot approve what it asks for. The entry in the ledger is durable on return.
func (c *Control) AddAgent(ctx context.Context, by writ.Principal, a writ.Agent) (writ.Agent, error) {
	a.Owner, a.State, a.Declared, a.By, a.Since = writ.Person{Iss: by.Iss, Sub: by.Sub}, writ.AgentActive, false, by, new(c.now())
	slices.Sort(a.Roles)
	slices.Sort(a.Classes)
	a.Roles, a.Classes = slices.Compact(a.Roles), slices.Compact(a.Classes)
	err := c.addAgent(ctx, by, a)
	return a, c.deny(ctx, "agent add", by, "", err)
}

func (c *Control) addAgent(ctx context.Context, by writ.Principal, a writ.Agent) error {
	if err := first(person(by), a.Check()); err != nil {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := c.ofTeam(tx, by, a.Team); err != nil {
			return err
		}
		if _, err := c.named(tx, a.Name); err == nil {
			return &writ.Refusal{Code: writ.ReasonAgentExists, Kind: writ.ErrConflict, Detail: fmt.Sprintf("there is, or was, an agent named %s", a.Name), Hint: "give it a name of its own: what the old one did stays under its name"}
		} else if !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		return c.createAgent(tx, a, nil)
	})
}

// createAgent writes a registration and its entry. was is the identity that it takes the place of.
func (c *Control) createAgent(tx *store.Tx, a writ.Agent, was *writ.Principal) error {
	if _, ok, err := c.registered(tx, a.Principal()); err != nil {
		return err
	} else if ok {
		return &writ.Refusal{
			Code: writ.ReasonAgentExists, Kind: writ.ErrConflict, Detail: "this identity is, or was, registered already",
			Hint: "writ agent list shows who has it; one that was removed stays out, so give the agent a new identity",
		}
	}
	if n, err := tx.Count(store.Agents, store.Filter{}, maxAgents); err != nil || n >= maxAgents {
		return first(err, &writ.Refusal{Code: writ.ReasonTooLarge, Kind: writ.ErrConflict, Detail: fmt.Sprintf("%d agents were registered by command; more have to be declared in the server's configuration", maxAgents)})
	}
	if err := c.enterAgent(tx, a, was); err != nil {
		return err
	}
	err := store.Create(tx, store.Agents, store.Row{ID: agentID(a.Principal()), Key: a.Name, State: string(a.State)}, a)
	if errors.Is(err, writ.ErrConflict) {
		err = &writ.Refusal{Code: writ.ReasonAgentExists, Kind: writ.ErrConflict, Detail: "this identity was declared in a configuration before", Hint: "declare it there again, or give the agent another identity"}
	}
	return err
}

func (c *Control) enterAgent(tx *store.Tx, a writ.Agent, was *writ.Principal) error {
	body := writ.AgentBody{
		Name: a.Name, Agent: a.Principal(), Team: a.Team, Owner: a.Owner, Roles: a.Roles, Classes: a.Classes, State: a.State, By: a.By, Was: was,
	}
	_, err := c.append(tx, writ.EntryAgent, "", body)
	return err
}

// SetAgent suspends an agent, lets it go on, or removes it for good. Suspending and removing need a person, as a freeze
// does, and end in the same transaction whatever the agent has: its plans that wait are withdrawn, its grants are
// revoked, its runs stop at their next step and are undone, and from then on every door refuses it. Letting it go on
// needs a person of its team, and brings none of that back.
func (c *Control) SetAgent(ctx context.Context, by writ.Principal, name string, to writ.AgentState, reason string) (writ.Agent, error) {
	a, err := c.setAgent(ctx, by, name, to, reason)
	return a, c.deny(ctx, "agent "+string(to), by, "", err)
}

func (c *Control) setAgent(ctx context.Context, by writ.Principal, name string, to writ.AgentState, reason string) (a writ.Agent, err error) {
	if err := first(person(by), reasoned(reason)); err != nil {
		return a, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		if a, err = c.named(tx, name); err != nil {
			return err
		}
		if a.State == to {
			return nil
		}
		if err := a.State.Move(to); err != nil {
			return &writ.Refusal{Code: writ.ReasonAgentState, Kind: writ.ErrConflict, Detail: fmt.Sprintf("agent %s is %s, and cannot become %s", name, a.State, to), Hint: "an agent that was removed stays so; register a new one"}
		}
		if to == writ.AgentActive {
			if err := c.ofTeam(tx, by, a.Team); err != nil {
				return err
			}
			if d := c.declared[a.Principal()]; a.Declared && d.State != writ.AgentActive {
				return &writ.Refusal{Code: writ.ReasonAgentDeclared, Kind: writ.ErrConflict, Detail: fmt.Sprintf("agent %s is suspended in the server's configuration", name), Hint: "take suspended: true out of it"}
			}
		}
		a.State, a.By, a.Reason, a.Since = to, by, reason, new(c.now())
		return c.putAgent(tx, a)
	})
	return a, err
}

// putAgent writes an agent's new state with its entry, and ends what it has if it may not go on.
func (c *Control) putAgent(tx *store.Tx, a writ.Agent) error {
	if err := c.enterAgent(tx, a, nil); err != nil {
		return err
	}
	_, row, err := store.Load[writ.Agent](tx, store.Agents, agentID(a.Principal()))
	switch {
	case errors.Is(err, writ.ErrNotFound): // declared, and touched for the first time
		err = store.Create(tx, store.Agents, store.Row{ID: agentID(a.Principal()), Key: a.Name, State: string(a.State)}, a)
	case err == nil:
		was := row.State
		row.State = string(a.State)
		err = store.Save(tx, store.Agents, row, was, a)
	}
	if err != nil || a.State == writ.AgentActive {
		return err
	}
	return c.endAgent(tx, a)
}

// RotateAgent gives an agent a new identity: the old one is removed, with everything it has. A person of its team may,
// and becomes its owner.
func (c *Control) RotateAgent(ctx context.Context, by writ.Principal, name, iss, sub, reason string) (writ.Agent, error) {
	a, err := c.rotateAgent(ctx, by, name, iss, sub, reason)
	return a, c.deny(ctx, "agent rotate", by, "", err)
}

func (c *Control) rotateAgent(ctx context.Context, by writ.Principal, name, iss, sub, reason string) (a writ.Agent, err error) {
	if err := first(person(by), reasoned(reason)); err != nil {
		return a, err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error {
		old, err := c.named(tx, name)
		switch {
		case err != nil:
			return err
		case old.Declared:
			return &writ.Refusal{Code: writ.ReasonAgentDeclared, Kind: writ.ErrConflict, Detail: fmt.Sprintf("agent %s is declared in the server's configuration", name), Hint: "change iss and sub there; suspend the agent until the servers have it"}
		case old.State == writ.AgentRemoved:
			return &writ.Refusal{Code: writ.ReasonAgentState, Kind: writ.ErrConflict, Detail: fmt.Sprintf("agent %s is removed", name), Hint: "register a new one: writ agent add"}
		}
		if err := c.ofTeam(tx, by, old.Team); err != nil {
			return err
		}
		a = old
		a.Iss, a.Sub, a.Owner, a.By, a.Reason, a.Since = iss, sub, writ.Person{Iss: by.Iss, Sub: by.Sub}, by, reason, new(c.now())
		if err := a.Check(); err != nil {
			return err
		}
		was := old.Principal()
		if err := c.createAgent(tx, a, &was); err != nil {
			return err
		}
		old.State, old.By, old.Reason, old.Since = writ.AgentRemoved, by, reason, a.Since
		return c.putAgent(tx, old)
	})
	return a, err
}

// ofTeam admits people of a team.
func (c *Control) ofTeam(tx *store.Tx, by writ.Principal, team string) error {
	teams, err := c.teams(tx, by)
	if err != nil || slices.Contains(teams, team) {
		return err
	}
	return &writ.Refusal{Code: writ.ReasonNotYours, Kind: writ.ErrDenied, Detail: fmt.Sprintf("only a person of team %s may give its agents power", writ.Printable(team, 60)), Hint: "anybody may suspend one: writ agent suspend"}
}

// endAgent takes back whatever an agent has: what was asked for and is not decided, what was granted, what runs.
func (c *Control) endAgent(tx *store.Tx, a writ.Agent) error {
	why := assignment.Refused{Code: writ.ReasonAgentSuspended, Detail: "a person suspended the agent that asked for it"}
	if a.State == writ.AgentRemoved {
		why = assignment.Refused{Code: writ.ReasonAgentUnregistered, Detail: "a person removed the agent that asked for it"}
	}
	err := each(tx, store.HandOffs, stateOn, func(d handOffRow, _ store.Row) error {
		if !d.HandOff.From.Same(a.Principal()) && !d.HandOff.To.Same(a.Principal()) {
			return nil
		}
		_, row, err := store.Load[handOffRow](tx, store.HandOffs, string(d.HandOff.ID)) // it may have gone with one before it
		if err != nil || row.State != stateOn {
			return err
		}
		return c.dropHandOff(tx, d.HandOff, a.By)
	})
	if err != nil {
		return err
	}
	return c.endAsks(tx, a.By, why, func(p planRow) bool { return p.Proposal.By.Same(a.Principal()) })
}

// endAsks withdraws the plans that are not granted yet, and stops the runs, of those asks that are theirs.
func (c *Control) endAsks(tx *store.Tx, by writ.Principal, why assignment.Refused, theirs func(planRow) bool) error {
	for _, state := range []writ.PlanState{writ.PlanPlanning, writ.PlanWaiting, writ.PlanReady} {
		err := each(tx, store.Plans, string(state), func(p planRow, row store.Row) error {
			if !theirs(p) {
				return nil
			}
			return c.endPlan(tx, p, row, writ.PlanWithdrawn, why)
		})
		if err != nil {
			return err
		}
	}
	for _, state := range []writ.RunState{writ.RunGranted, writ.RunRunning} {
		err := each(tx, store.Runs, string(state), func(run runRow, row store.Row) error {
			p, _, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
			if err != nil || !theirs(p) {
				return err
			}
			return c.stopRun(tx, run, row, by, why.Code)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// each goes through the rows of a state, page by page; fn may move the row it is given.
func each[T any](tx *store.Tx, t store.Table, state string, fn func(T, store.Row) error) error {
	f := store.Filter{State: state}
	for {
		docs, rows, err := find[T](tx, t, f)
		if err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			if err := fn(docs[i], rows[i]); err != nil {
				return err
			}
		}
		f.AfterSeq = rows[len(rows)-1].Seq
	}
}

// reasoned demands a reason.
func reasoned(reason string) error {
	if reason == "" || utf8.RuneCountInString(reason) > maxBecause {
		return &writ.Refusal{Code: writ.ReasonForm, Detail: fmt.Sprintf("reason must have 1 to %d characters", maxBecause), Kind: writ.ErrInvalid}
	}
	return nil
}

// first returns the first error that there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
