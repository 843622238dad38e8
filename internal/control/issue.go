package control

import (
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

// grantLife is how long a runner has to take up a run: five minutes let a runner restart, and stay below
// writ.MaxGrantLife.
const grantLife = 5 * time.Minute

// issue decides the plan again on the facts of this transaction, makes its run the only writer of its objects, reserves
// its blast radius and issues the grant. When the answer has changed to no, the plan ends; when it needs people again,
// it goes on waiting.
func (c *Control) issue(tx *store.Tx, p planRow, row store.Row, plan writ.Plan) error {
	if plan.Reverts == "" && c.Library[plan.Playbook.Name].Ref() != plan.Playbook {
		return c.endPlan(tx, p, row, writ.PlanDenied, assignment.Refused{
			Code: writ.ReasonPlaybookAltered, Detail: "the playbook was replaced after the plan was made", Hint: "propose it again",
		})
	}
	if !c.ours(p, plan.Holder) {
		return c.endPlan(tx, p, row, writ.PlanDenied, assignment.Refused{
			Code: writ.ReasonHolderAltered, Detail: "the key that the plan names as its holder presents no grants any more", Hint: "propose it again",
		})
	}
	phase, old := writ.PhaseGrant, c.readTooOld(p, writ.PlanState(row.State), plan)
	if old { // it is decided for the grant on what a new reading shows
		phase = writ.PhasePlan
	}
	d, err := c.decide(tx, &p, plan, phase, "")
	if err != nil {
		return err
	}
	if d.Observed {
		return c.onlyObserved(tx, p, row, d)
	}
	if ended, err := c.overtaken(tx, p, row, plan, d); ended || err != nil {
		return err
	}
	if ended, err := c.beyond(tx, p, row, plan, d); ended || err != nil {
		return err
	}
	switch d.Verdict {
	case writ.Allow:
		if old {
			return c.readAgain(tx, p, row, plan)
		}
	case writ.Requires:
		if writ.PlanState(row.State) == writ.PlanWaiting {
			return store.Save(tx, store.Plans, row, row.State, p)
		}
		p.ExpiresAt = plan.Window.NotAfter // a plan that waited for its holder was to be over sooner
		row.Due = millis(p.ExpiresAt)
		return c.movePlan(tx, p, row, writ.PlanWaiting)
	default:
		return c.denied(tx, p, row, plan, d)
	}
	if !plan.Window.Contains(c.now()) {
		return c.endPlan(tx, p, row, writ.PlanExpired, assignment.Refused{Code: writ.ReasonExpired, Detail: "the plan's window is over"})
	}
	if refused, err := owes(tx, plan.Runner); err != nil {
		return err
	} else if refused != nil {
		return c.endPlan(tx, p, row, writ.PlanDenied, *refused)
	}
	if ended, err := c.endRepeated(tx, p, row, plan); ended || err != nil {
		return err
	}
	refused, err := busy(tx, plan)
	if err != nil {
		return err
	}
	if refused != nil {
		return c.endPlan(tx, p, row, writ.PlanDenied, *refused)
	}
	run, err := newID[writ.RunID](c, "run")
	if err != nil {
		return err
	}
	fault.Before(fault.ControlReserve)
	refused, err = c.reserve(tx, run, plan)
	fault.After(fault.ControlReserve)
	if err != nil {
		return err
	}
	if refused != nil {
		return c.endPlan(tx, p, row, writ.PlanDenied, *refused)
	}
	if err := c.lock(tx, run, plan); err != nil {
		return err
	}
	if err := c.attempted(tx, run, p, plan); err != nil {
		return err
	}
	fault.Before(fault.ControlGrant)
	err = c.mint(tx, &p, plan, d, run)
	fault.After(fault.ControlGrant)
	if err != nil {
		return err
	}
	p.Run, p.Reason, p.Waited = run, writ.ReasonAllowed, p.waited(c.now())
	row.Due = 0
	return c.movePlan(tx, p, row, writ.PlanGranted)
}

// endRepeated ends a plan whose repair was tried too often, or too short a time ago, on one of its objects, and reports
// whether it did.
func (c *Control) endRepeated(tx *store.Tx, p planRow, row store.Row, plan writ.Plan) (bool, error) {
	if plan.Reverts != "" {
		return false, nil // what a run has just done is what it puts back
	}
	var keys []string
	for _, o := range objectsOf(plan) {
		keys = append(keys, string(o))
	}
	r, err := c.tooOften(tx, plan.Playbook.Name, keys...)
	if r == nil || err != nil {
		return false, err
	}
	at := c.now().Add(r.After)
	p.RetryAt = &at
	return true, c.endPlan(tx, p, row, writ.PlanDenied, assignment.Refused{Code: r.Code, Detail: r.Detail, Hint: r.Hint})
}

// denied ends a plan that policy has denied. When a run in flight has something to do with it, it says so: that is what
// passes by itself.
func (c *Control) denied(tx *store.Tx, p planRow, row store.Row, plan writ.Plan, d writ.Decision) error {
	why := assignment.Refused{Code: d.Reason, Detail: because(d)}
	if d.Reason == writ.ReasonLimit {
		other, err := busy(tx, plan)
		if err != nil {
			return err
		}
		if other != nil {
			why.Detail += " " + other.Detail + "."
			why.Hint = other.Hint
		}
	}
	return c.endPlan(tx, p, row, writ.PlanDenied, why)
}

// mint signs the grant and writes grant, run and the runner's assignment.
func (c *Control) mint(tx *store.Tx, p *planRow, plan writ.Plan, d writ.Decision, run writ.RunID) error {
	rows, _, err := c.usable(tx, *p, plan, d.Tier) // exactly those that the decision counted
	if err != nil {
		return err
	}
	var approvals []writ.Approval
	for _, r := range rows {
		approvals = append(approvals, r.Approval)
	}
	id, err := newID[writ.GrantID](c, "gnt")
	if err != nil {
		return err
	}
	aid, err := newID[writ.AssignmentID](c, "asg")
	if err != nil {
		return err
	}
	claims, err := grant.Mint(grant.Input{
		ID: id, Issuer: c.Issuer, Plan: plan, PlanDigest: p.Digest, Decision: d, Approvals: approvals, Now: c.Now(), Life: grantLife, Mode: p.mode(),
	})
	if err != nil {
		return err
	}
	compact, err := grant.Sign(c.GrantKey, token.KeyID(&c.GrantKey.PublicKey), claims)
	if err != nil {
		return err
	}
	refs := append(ref("plan", p.Leaf), ref("decision", p.DecisionLeaf)...)
	for _, a := range rows {
		refs = append(refs, ref("approval", a.Leaf)...)
	}
	expires := time.Unix(claims.Expires, 0).UTC()
	e, err := c.append(tx, writ.EntryGrant, plan.Incident, writ.GrantBody{
		Grant: id, Run: run, Plan: plan.ID, PlanDigest: p.Digest, Runner: plan.Runner, Holder: plan.Holder, Decision: d.ID,
		Approvals: claims.Writ.Approvals, Policy: claims.Writ.Policy, Expires: expires, Tier: claims.Writ.Tier, Duties: claims.Writ.Duties, TokenDigest: writ.DigestOf([]byte(compact)),
	}, refs...)
	if err != nil {
		return err
	}
	if err := c.useGlass(tx, *p, plan, run, e.hash); err != nil {
		return err
	}
	in := string(plan.Incident)
	err = store.Create(tx, store.Grants, store.Row{ID: string(id), Incident: in, State: stateOn, Key: string(run)},
		grantRow{ID: id, Plan: plan.ID, Run: run, Token: compact, Approvals: approvals, Leaf: e.leaf, Index: e.index, Expires: expires, Held: p.mode() == writ.ModeKey})
	if err != nil {
		return err
	}
	made := runRow{Title: plan.Title, Duties: claims.Writ.Duties, GrantLeaf: e.hash, Run: writ.Run{ID: run, Plan: plan.ID, Incident: plan.Incident, Grant: id, Runner: plan.Runner, State: writ.RunGranted}}
	if p.mode() == writ.ModeKey {
		made.Run.Detail = unpresented
	}
	err = store.Create(tx, store.Runs, store.Row{ID: string(run), Incident: in, State: string(writ.RunGranted), Key: plan.Service, Due: millis(expires)}, made)
	if err != nil || p.mode() == writ.ModeKey { // its runner hears of it when it is presented
		return err
	}
	return c.assign(tx, plan.Runner, plan.Incident, assignmentRow{ID: aid, Kind: assignment.KindRun, Expires: expires, Run: run})
}
