package control

import (
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// mayTake decides whether an entry is taken. Only what moves a run forward can be refused: the intent of a step, and
// the lease that is announced right before the first one. All other entries record what has happened or move towards
// safety, and are always taken.
//
// A lease and its step stand or fall together: a lease that is in the ledger and never made could never be proven dead.
func (c *Control) mayTake(tx *store.Tx, by sender, run *runRow, e ledger.Entry, next []byte) (*assignment.Refused, error) {
	if run.Offline {
		return nil, nil // it has all happened, and nobody else knows of it
	}
	if by.fenced {
		return late(*run, e, next != nil), nil
	}
	switch b := e.Body.(type) {
	case *writ.StepBody:
		if e.Record.Kind == writ.EntryStepIntent {
			if run.ahead != "" && run.ahead == b.Step {
				run.ahead = ""
				return nil, nil
			}
			return c.mayGoOn(tx, *run, *b)
		}
	case *writ.LeaseBody:
		if run.Run.State != writ.RunGranted {
			return nil, nil // to undo with
		}
		if next != nil {
			if s, err := c.ofRun(by.runner, *run, next); err != nil {
				return nil, err
			} else if step, ok := s.Body.(*writ.StepBody); ok && s.Record.Kind == writ.EntryStepIntent {
				refused, err := c.mayGoOn(tx, *run, *step)
				if err == nil && refused == nil {
					run.ahead = step.Step
				}
				return refused, err
			}
		}
		return &assignment.Refused{Code: writ.ReasonPlanMismatch, Detail: "a run begins with a lease and the step that it is for"}, nil
	}
	return nil, nil
}

// mayGoOn decides the intent of a step on the facts of this moment (R34: each step is authorised at run time).
func (c *Control) mayGoOn(tx *store.Tx, run runRow, s writ.StepBody) (*assignment.Refused, error) {
	switch {
	case run.Run.State.Final():
		return &assignment.Refused{Code: writ.ReasonSpent, Detail: "the run has ended"}, nil
	case run.Run.Stop:
		return &assignment.Refused{Code: writ.ReasonStopped, Detail: "a person stopped the run"}, nil
	case slices.Contains(run.Begun, s.Step):
		return &assignment.Refused{Code: writ.ReasonSpent, Detail: "the step was begun before"}, nil
	}
	if refused, err := c.began(tx, run); err != nil || refused != nil {
		return refused, err
	}
	p, _, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
	if err != nil {
		return nil, err
	}
	plan, digest, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(plan.Steps, func(st writ.Step) bool { return st.Key == s.Step })
	if i < 0 || s.Plan != plan.ID || !s.PlanDigest.Equal(digest) || s.Grant != run.Run.Grant || s.Operation != plan.Steps[i].Operation ||
		s.Object != plan.Steps[i].Object || s.Call != plan.Steps[i].Call {
		return &assignment.Refused{Code: writ.ReasonPlanMismatch, Detail: "the intent is not a step of the granted plan"}, nil
	}
	d, err := c.decide(tx, &p, plan, writ.PhaseStep, s.Step)
	if err != nil {
		return nil, err
	}
	if d.Observed {
		return &assignment.Refused{Code: writ.ReasonObserved, Detail: "the playbook is observed only by now: nothing of it is run any more"}, nil
	}
	if !d.Allowed() {
		return &assignment.Refused{Code: d.Reason, Detail: because(d)}, nil
	}
	return nil, nil
}

// began refuses the first step of a run whose grant has expired meanwhile, by this side's clock: the runner's may have gone
// back, and the sweep that ends such a run may come later. What has begun in time may go on.
func (c *Control) began(tx *store.Tx, run runRow) (*assignment.Refused, error) {
	if run.Run.State != writ.RunGranted {
		return nil, nil
	}
	g, _, err := store.Load[grantRow](tx, store.Grants, string(run.Run.Grant))
	if err != nil {
		return nil, err
	}
	if !c.now().Before(g.Expires) {
		return &assignment.Refused{Code: writ.ReasonGrantExpired, Detail: "the grant has expired before its first step"}, nil
	}
	return nil, nil
}
