package control

import (
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/store"
)

// planned takes a runner's plan or its refusal, decides the plan and, when policy allows it outright, issues the
// grant: all in one transaction.
func (c *Control) planned(ctx context.Context, runner writ.RunnerID, a assignmentRow, ans assignment.Answer) error {
	if ans.Planned == nil && ans.Refused == nil {
		return fmt.Errorf("%w: an answer without a plan or a refusal", writ.ErrInvalid)
	}
	var asked planRow
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		asked, _, err = store.Load[planRow](tx, store.Plans, string(a.Plan.Plan))
		return err
	})
	if err != nil {
		return err
	}
	// What was asked for never changes, so everything that compares with it happens before the transaction.
	tainted, err := c.tainted(ctx, asked)
	if err != nil {
		return err
	}
	var plan writ.Plan
	var misfit error
	if ans.Planned != nil {
		plan, misfit = c.checkPlanned(runner, asked, *a.Plan, *ans.Planned)
	}
	var veto *vetoAnswer
	if ans.Planned != nil && misfit == nil {
		asked.Tainted, asked.Digest = tainted, writ.DigestOf(ans.Planned.Plan)
		if veto, err = c.askVeto(ctx, asked, plan, false); err != nil {
			return err
		}
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		p, prow, err := store.Load[planRow](tx, store.Plans, string(a.Plan.Plan))
		if err != nil {
			return err
		}
		p.Tainted, p.veto = tainted, veto
		if err := c.close(tx, a.ID); err != nil {
			return err
		}
		if writ.PlanState(prow.State) != writ.PlanPlanning {
			return nil // it was withdrawn or has expired meanwhile
		}
		if ans.Planned == nil {
			return c.endPlan(tx, p, prow, writ.PlanRefused, *printable(*ans.Refused))
		}
		if misfit != nil {
			return c.endPlan(tx, p, prow, writ.PlanRefused, assignment.Refused{Code: writ.ReasonPlanMismatch, Detail: misfit.Error()})
		}
		at, err := appendLeaf(tx, ans.Planned.Entry, plan.Incident)
		if err != nil {
			return err
		}
		p.Title, p.Bytes, p.Digest, p.Leaf, p.ExpiresAt = plan.Title, ans.Planned.Plan, writ.DigestOf(ans.Planned.Plan), at.hash, plan.Window.NotAfter
		p.Reread, p.MaxTier = readWhenMade(plan, p.CreatedAt, c.now()), ans.Planned.MaxTier
		fault.Before(fault.ControlPlan)
		d, err := c.decide(tx, &p, plan, writ.PhasePlan, "")
		fault.After(fault.ControlPlan)
		if err != nil {
			return err
		}
		if d.Observed {
			return c.onlyObserved(tx, p, prow, d)
		}
		if ended, err := c.beyond(tx, p, prow, plan, d); ended || err != nil {
			return err
		}
		if p.Proposal.DryRun && d.Verdict != writ.Deny {
			return c.tried(tx, p, prow, plan, d)
		}
		if ended, err := c.overtaken(tx, p, prow, plan, d); ended || err != nil {
			return err
		}
		switch d.Verdict {
		case writ.Allow:
			return c.goOn(tx, p, prow, plan, true)
		case writ.Requires:
			// What may not run anyway is not put before people.
			if ended, err := c.endRepeated(tx, p, prow, plan); ended || err != nil {
				return err
			}
			prow.Due = millis(p.ExpiresAt)
			return c.movePlan(tx, p, prow, writ.PlanWaiting)
		}
		return c.denied(tx, p, prow, plan, d)
	})
}

// checkPlanned checks that the plan is what was asked for and that the runner's own entry says the same.
func (c *Control) checkPlanned(runner writ.RunnerID, p planRow, asked assignment.Planning, got assignment.Planned) (writ.Plan, error) {
	plan, err := c.fits(p, asked, got)
	if err != nil {
		return plan, err
	}
	e, err := c.runnerEntry(runner, got.Entry)
	if err != nil {
		return plan, err
	}
	return plan, says(e, plan, writ.DigestOf(got.Plan))
}

// movePlan writes the plan back in its next state.
func (c *Control) movePlan(tx *store.Tx, p planRow, row store.Row, next writ.PlanState) error {
	was := row.State
	if err := writ.PlanState(was).Move(next); err != nil {
		return err
	}
	row.State = string(next)
	if next == writ.PlanWaiting {
		p.AskedAt = c.now()
		if p.FirstAsked == nil {
			p.FirstAsked = new(c.now())
		}
	}
	if next.Final() {
		row.Due = 0
		if err := c.overGlass(tx, p.Proposal.Emergency); err != nil {
			return err
		}
	}
	if next != writ.PlanPlanning && next != writ.PlanWaiting && next != writ.PlanReady {
		if err := freeSlot(tx, string(p.ID)); err != nil {
			return err
		}
	}
	if err := store.Save(tx, store.Plans, row, was, p); err != nil {
		return err
	}
	switch {
	case next == writ.PlanWaiting:
		return c.tellPlan(tx, p, writ.NoticePlanWaiting)
	case next == writ.PlanExpired && writ.PlanState(was) == writ.PlanWaiting:
		return c.tellPlan(tx, p, writ.NoticePlanExpired)
	}
	return nil
}

// endPlan ends a plan that will not run, with its reason and its entry.
func (c *Control) endPlan(tx *store.Tx, p planRow, row store.Row, state writ.PlanState, why assignment.Refused) error {
	p.Reason, p.Detail, p.Hint = why.Code, writ.Printable(why.Detail, 400), writ.Printable(why.Hint, 400)
	e, err := c.append(tx, writ.EntryPlanEnd, p.Proposal.Incident, writ.PlanEndBody{Plan: p.ID, State: state, Reason: p.Reason}, ref("proposal", p.ProposalLeaf)...)
	if err != nil {
		return err
	}
	if err := c.reckonDenied(tx, p, state, e.hash); err != nil {
		return err
	}
	return c.movePlan(tx, p, row, state)
}

// because joins a decision's sentences.
func because(d writ.Decision) string {
	if len(d.Because) > 0 {
		return strings.Join(d.Because, " ")
	}
	return "no rule allows this"
}
