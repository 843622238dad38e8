package control

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// stateRecalled is of an approval that its author took back.
const stateRecalled = "recalled"

// Recall takes the caller's own approval of a plan back. It is decided in one transaction with the run's first step: until
// the ledger has taken that step's intent the recall wins, the grant is revoked and no step of the run is allowed any
// more; after it, the refusal says to stop the run instead. A plan that still waits goes on waiting without it. Whoever
// took an approval back cannot answer the plan again.
func (c *Control) Recall(ctx context.Context, by writ.Principal, id writ.PlanID) (writ.PlanStatus, error) {
	err := person(by)
	if err == nil {
		err = c.Store.Update(ctx, func(tx *store.Tx) error { return c.recall(tx, by, id) })
	}
	if err != nil {
		return writ.PlanStatus{}, c.deny(ctx, "recall", by, id, err)
	}
	return c.Plan(ctx, by, id, 0)
}

func (c *Control) recall(tx *store.Tx, by writ.Principal, id writ.PlanID) error {
	p, row, err := store.Load[planRow](tx, store.Plans, string(id))
	if err != nil {
		return notFound(err, "plan", string(id))
	}
	a, arow, err := c.own(tx, by, id)
	if err != nil {
		return err
	}
	digest, err := a.Approval.Digest()
	if err != nil {
		return err
	}
	state := writ.PlanState(row.State)
	body := writ.RecallBody{Approval: a.Approval.ID, Digest: digest, Plan: id, PlanDigest: p.Digest, Approver: a.Person}
	var run runRow
	var rrow store.Row
	switch state {
	case writ.PlanWaiting, writ.PlanReady:
	case writ.PlanGranted:
		if run, rrow, err = store.Load[runRow](tx, store.Runs, string(p.Run)); err != nil {
			return err
		}
		if run.Run.State != writ.RunGranted || len(run.Begun) > 0 {
			return &writ.Refusal{Code: writ.ReasonTooLateToRecall, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the run is %s already", run.Run.State),
				Hint: fmt.Sprintf("stop it, which undoes what it has done: writ run stop %s --reason …", p.Run)}
		}
		body.Run = p.Run
	default:
		return &writ.Refusal{Code: writ.ReasonTooLateToRecall, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the plan is %s; an approval is taken back while it waits, is ready, or is granted and has not begun", state)}
	}
	if _, err := c.append(tx, writ.EntryRecall, p.Proposal.Incident, body, ref("approval", a.Leaf)...); err != nil {
		return err
	}
	at := c.now()
	a.Recalled, arow.State = &at, stateRecalled
	if err := store.Save(tx, store.Approvals, arow, stateCounted, a); err != nil {
		return err
	}
	switch state {
	case writ.PlanGranted: // revoked: no runner that has not begun it will
		return c.stopRun(tx, run, rrow, by, writ.ReasonRecalled)
	case writ.PlanReady:
		return c.unready(tx, p, row)
	}
	return c.tellPlan(tx, p, writ.NoticePlanWaiting) // the others are asked once more
}

// own finds the caller's approval that counts, under whichever account it was given.
func (c *Control) own(tx *store.Tx, by writ.Principal, id writ.PlanID) (approvalRow, store.Row, error) {
	all, rows, err := find[approvalRow](tx, store.Approvals, store.Filter{Key: string(id), State: stateCounted})
	if err != nil {
		return approvalRow{}, store.Row{}, err
	}
	me := writ.Person{Iss: by.Iss, Sub: by.Sub}
	if i, ok := c.member(me); ok {
		me = c.Roster[i].Person()
	}
	for i, a := range all {
		if a.Person == me {
			return a, rows[i], nil
		}
	}
	return approvalRow{}, store.Row{}, &writ.Refusal{Code: writ.ReasonNothingToRecall, Kind: writ.ErrConflict, Detail: "you have no approval on this plan that counts",
		Hint: "anybody of the people here may withdraw a plan that waits: writ plan withdraw"}
}

// unready decides a plan again that waited for its agent to fetch the grant, and lost an approval.
func (c *Control) unready(tx *store.Tx, p planRow, row store.Row) error {
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return err
	}
	d, err := c.decide(tx, &p, plan, writ.PhasePlan, "")
	switch {
	case err != nil:
		return err
	case d.Verdict == writ.Allow: // more had approved than were needed
		return store.Save(tx, store.Plans, row, row.State, p)
	case d.Verdict == writ.Requires:
		p.ExpiresAt, p.Reason = plan.Window.NotAfter, d.Reason
		row.Due = millis(p.ExpiresAt)
		return c.movePlan(tx, p, row, writ.PlanWaiting)
	}
	return c.denied(tx, p, row, plan, d)
}
