package control

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// moving are the states in which a plan will change by itself or by somebody's answer.
var moving = []writ.PlanState{writ.PlanPlanning, writ.PlanWaiting, writ.PlanReady, writ.PlanGranted}

// Plan returns a plan as its caller may see it. With a wait it returns when the state has moved on from the one the
// call found, or when the plan no longer moves by itself, or when the wait is over.
func (c *Control) Plan(ctx context.Context, by writ.Principal, id writ.PlanID, wait time.Duration) (writ.PlanStatus, error) {
	out, err := c.planStatus(ctx, by, id)
	if err == nil && wait > 0 && slices.Contains(moving, out.State) {
		first, asked := out.State, len(out.EvidenceAsked)
		err = c.awaitIn(ctx, out.Incident, wait, func() (bool, error) {
			var err error
			out, err = c.planStatus(ctx, by, id)
			return out.State != first || len(out.EvidenceAsked) != asked || !slices.Contains(moving, out.State), err
		})
	}
	if err != nil {
		return writ.PlanStatus{}, err
	}
	if err := c.addText(ctx, by, &out); err != nil {
		return writ.PlanStatus{}, err
	}
	return out, c.addAnswering(ctx, by, &out)
}

func (c *Control) planStatus(ctx context.Context, by writ.Principal, id writ.PlanID) (writ.PlanStatus, error) {
	var out writ.PlanStatus
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		p, row, err := store.Load[planRow](tx, store.Plans, string(id))
		if err == nil && by.Kind != writ.KindHuman && !p.Proposal.By.Same(by) {
			err = writ.ErrNotFound // an agent sees its own plans only
		}
		if err != nil {
			return notFound(err, "plan", string(id))
		}
		out, err = c.show(tx, by, p, writ.PlanState(row.State))
		return err
	})
	return out, err
}

// show puts together what a caller may see of a plan. People see the bytes and who decided; agents see codes.
func (c *Control) show(tx *store.Tx, by writ.Principal, p planRow, state writ.PlanState) (writ.PlanStatus, error) {
	out := writ.PlanStatus{
		ID: p.ID, Incident: p.Proposal.Incident, State: state, Reason: p.Reason, Detail: p.Detail, Hint: nextOf(p, state), RetryAt: p.RetryAt, Title: p.Title,
		Service: p.Service, Environment: p.Environment, Playbook: p.Proposal.Playbook, Parameters: p.Proposal.Parameters,
		Requester: p.Proposal.By, Digest: p.Digest, Run: p.Run, ReadAgain: p.Reread.status(), Emergency: p.Proposal.Emergency, DryRun: p.Proposal.DryRun, CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt,
	}
	if !p.Change.Calendars.IsZero() {
		out.Change = &p.Change
	}
	if p.Decision != nil {
		out.Needs = p.Decision.Requirements
	}
	answers, _, err := find[approvalRow](tx, store.Approvals, store.Filter{Key: string(p.ID)})
	if err != nil {
		return out, err
	}
	for _, a := range answers {
		s := writ.ApprovalStatus{Answer: a.Answer, Slot: a.Slot, Proof: a.Approval.Proof, At: a.Approval.At, Recalled: a.Recalled}
		if by.Kind == writ.KindHuman {
			s.Approver, s.Key, s.Shift = a.Person, a.Approval.Key, a.Shift
		}
		out.Approvals = append(out.Approvals, s)
	}
	if by.Kind != writ.KindHuman {
		return out, c.showAsked(tx, by, p, &out)
	}
	if err := c.showAsked(tx, by, p, &out); err != nil {
		return out, err
	}
	if out.Decision = p.Decision; len(p.Bytes) > 0 {
		plan, _, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return out, err
		}
		out.Bytes, out.Plan = p.Bytes, &plan
	}
	for _, ref := range p.Proposal.Evidence {
		ev, _, err := store.Load[evidenceRow](tx, store.Evidence, string(ref.ID))
		if err != nil {
			return out, err
		}
		out.Evidence = append(out.Evidence, ev.Evidence.whole())
	}
	return out, nil
}

// addText adds the claim and the reasons of answers, which live off the ledger; people only.
func (c *Control) addText(ctx context.Context, by writ.Principal, s *writ.PlanStatus) error {
	if err := c.addAsked(ctx, s); err != nil || by.Kind != writ.KindHuman {
		return err
	}
	var claim writ.Commitment
	var reasons []writ.Commitment
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		p, _, err := store.Load[planRow](tx, store.Plans, string(s.ID))
		if err != nil {
			return err
		}
		claim = p.Proposal.Claim
		answers, _, err := find[approvalRow](tx, store.Approvals, store.Filter{Key: string(s.ID)})
		for _, a := range answers {
			reasons = append(reasons, a.Reason)
		}
		return err
	})
	if err != nil {
		return err
	}
	if s.Claim, err = c.text(ctx, claim); err != nil {
		return err
	}
	for i := range min(len(reasons), len(s.Approvals)) {
		if s.Approvals[i].Reason, err = c.text(ctx, reasons[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Control) text(ctx context.Context, at writ.Commitment) (string, error) {
	if at.IsZero() {
		return "", nil
	}
	b, _, _, err := c.Store.Blob(ctx, at)
	return string(b), err
}

// Plans lists plans, newest first: all of them for people, its own for an agent.
func (c *Control) Plans(ctx context.Context, by writ.Principal, f writ.PlanFilter) ([]writ.PlanStatus, string, error) {
	if _, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair); err != nil {
		return nil, "", err
	}
	page, err := pageOf(f.Cursor, f.Limit)
	if err != nil {
		return nil, "", err
	}
	page.State, page.Incident = string(f.State), string(f.Incident)
	var out []writ.PlanStatus
	var next string
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		plans, rows, more, err := list(tx, store.Plans, page, func(p planRow) bool { return by.Kind == writ.KindHuman || p.Proposal.By.Same(by) })
		if err != nil {
			return err
		}
		next = more
		for i, p := range plans {
			p.Bytes = nil // a list shows none, and they are not parsed for it
			s, err := c.show(tx, by, p, writ.PlanState(rows[i].State))
			if err != nil {
				return err
			}
			out = append(out, s)
		}
		return nil
	})
	return out, next, err
}

// Withdraw takes a plan back: its requester or a person may, until its run has started.
func (c *Control) Withdraw(ctx context.Context, by writ.Principal, id writ.PlanID, because string) (writ.PlanStatus, error) {
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		p, row, err := store.Load[planRow](tx, store.Plans, string(id))
		if err == nil && by.Kind != writ.KindHuman && !p.Proposal.By.Same(by) {
			err = writ.ErrNotFound
		}
		if err != nil {
			return notFound(err, "plan", string(id))
		}
		state := writ.PlanState(row.State)
		if state != writ.PlanPlanning && state != writ.PlanWaiting && state != writ.PlanReady {
			hint := "look at the plan: nothing of it is carried out any more"
			if state == writ.PlanGranted {
				hint = "stop its run instead"
			}
			return &writ.Refusal{Code: writ.ReasonWithdrawn, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the plan is %s; only one that is planning, waiting or ready can be withdrawn", state), Hint: hint}
		}
		return c.endPlan(tx, p, row, writ.PlanWithdrawn, assignment.Refused{Code: writ.ReasonWithdrawn, Detail: because})
	})
	if err != nil {
		return writ.PlanStatus{}, c.deny(ctx, "withdraw", by, id, err)
	}
	return c.Plan(ctx, by, id, 0)
}
