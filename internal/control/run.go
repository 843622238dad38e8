package control

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// Run returns a run with its story. With a wait it returns when the run has ended with its lease proven dead, when
// anything new was recorded, or when the wait is over.
func (c *Control) Run(ctx context.Context, by writ.Principal, id writ.RunID, wait time.Duration) (writ.RunStatus, error) {
	var out writ.RunStatus
	look := func() error {
		return c.Store.View(ctx, func(tx *store.Tx) error {
			var err error
			out, err = c.runStatus(tx, by, id)
			return err
		})
	}
	over := func() bool { return out.State.Final() && dead(out.Leases) }
	err := look()
	if err == nil && wait > 0 && !over() {
		first := len(out.Events)
		err = c.awaitIn(ctx, out.Incident, wait, func() (bool, error) {
			err := look()
			return len(out.Events) != first || over(), err
		})
	}
	if err != nil {
		return out, err
	}
	return out, c.addReasons(ctx, by, &out)
}

func dead(leases []writ.Lease) bool {
	for _, l := range leases {
		if !l.Dead() {
			return false
		}
	}
	return true
}

// visible returns a run if the caller may know of it: people, and the agent whose plan it executes.
func visible(tx *store.Tx, by writ.Principal, id writ.RunID) (runRow, store.Row, error) {
	run, row, err := store.Load[runRow](tx, store.Runs, string(id))
	if err == nil && by.Kind != writ.KindHuman {
		p, _, perr := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
		if perr != nil || !p.Proposal.By.Same(by) {
			err = writ.ErrNotFound
		}
	}
	return run, row, notFound(err, "run", string(id))
}

func (c *Control) runStatus(tx *store.Tx, by writ.Principal, id writ.RunID) (writ.RunStatus, error) {
	run, _, err := visible(tx, by, id)
	if err != nil {
		return writ.RunStatus{}, err
	}
	out := writ.RunStatus{Run: run.Run, Title: run.Title}
	if err := c.addDoubts(tx, by, run, &out); err != nil {
		return out, err
	}
	leases, _, err := find[leaseRow](tx, store.Leases, store.Filter{Key: string(id)})
	if err != nil {
		return out, err
	}
	for _, l := range leases {
		out.Leases = append(out.Leases, l.Lease)
	}
	events, err := c.incidentEvents(tx, run.Run.Incident)
	if err != nil {
		return out, err
	}
	for _, e := range events {
		if e.Run == id {
			out.Events = append(out.Events, e)
		}
	}
	return out, nil
}

// Runs lists runs, newest first; people only.
func (c *Control) Runs(ctx context.Context, by writ.Principal, f writ.RunFilter) ([]writ.RunStatus, string, error) {
	if err := person(by); err != nil {
		return nil, "", err
	}
	page, err := pageOf(f.Cursor, f.Limit)
	if err != nil {
		return nil, "", err
	}
	page.State, page.Incident = string(f.State), string(f.Incident)
	var out []writ.RunStatus
	var next string
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		runs, _, more, err := list(tx, store.Runs, page, func(r runRow) bool { return f.Plan == "" || r.Run.Plan == f.Plan })
		next = more
		for _, r := range runs {
			leases, _, err := find[leaseRow](tx, store.Leases, store.Filter{Key: string(r.Run.ID)})
			if err != nil {
				return err
			}
			for _, l := range leases {
				r.Run.Leases = append(r.Run.Leases, l.Lease)
			}
			out = append(out, writ.RunStatus{Run: r.Run, Title: r.Title})
		}
		return err
	})
	return out, next, err
}

// Stop asks a run to stop at its next step boundary and to undo what it has done: its requester or a person may. A run
// that has not been taken up never starts.
func (c *Control) Stop(ctx context.Context, by writ.Principal, id writ.RunID, because string) (writ.RunStatus, error) {
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		run, row, err := visible(tx, by, id)
		if err != nil {
			return err
		}
		if run.Run.State.Final() {
			return &writ.Refusal{Code: writ.ReasonStopped, Kind: writ.ErrConflict, Detail: fmt.Sprintf("the run has ended: %s", run.Run.State)}
		}
		return c.stopRun(tx, run, row, by, writ.ReasonStopped)
	})
	if err != nil {
		return writ.RunStatus{}, err
	}
	return c.Run(ctx, by, id, 0)
}

// stopRun stops a run that has not ended, once.
func (c *Control) stopRun(tx *store.Tx, run runRow, row store.Row, by writ.Principal, why writ.Reason) error {
	if run.Run.Stop {
		return nil
	}
	run.Run.Stop = true
	g, grow, err := store.Load[grantRow](tx, store.Grants, string(run.Run.Grant))
	if err != nil {
		return err
	}
	if grow.State == stateOn { // revoked: a runner that has not spent it refuses it
		grow.State = stateOff
		if err := store.Save(tx, store.Grants, grow, stateOn, g); err != nil {
			return err
		}
	}
	if _, err := c.append(tx, writ.EntryDeny, run.Run.Incident, writ.DenyBody{What: "stop", By: by, Reason: why, Plan: run.Run.Plan}); err != nil {
		return err
	}
	if err := store.Save(tx, store.Runs, row, row.State, run); err != nil {
		return err
	}
	if g.Held && !g.Presented && run.Run.State == writ.RunGranted { // no runner has it, and none will: nobody else ends the run
		if err := c.refusedRun(tx, run.Run.ID, assignment.Refused{Code: why, Detail: "it was stopped before its grant was presented"}); err != nil {
			return err
		}
	}
	return turnEpoch(tx)
}
