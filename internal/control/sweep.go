package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// sweepEvery is how often deadlines are looked at. They are also checked where they matter, so a late sweep lets
// nothing happen that should not; it only lets people wait longer for the word "expired".
const sweepEvery = time.Second

// Sweep acts on deadlines until ctx ends: plans that nobody answered expire to a denial, grants that no runner took up
// lapse, and used statements, idempotency keys and attempts are forgotten once they count for nothing. It logs what fails and goes on.
func (c *Control) Sweep(ctx context.Context) {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		if err := errors.Join(c.SweepOnce(ctx), c.SweepPolicy(ctx), c.watchCells(ctx), c.compareClocks(ctx), c.SweepNotices(ctx), c.SweepEvidence(ctx)); err != nil && ctx.Err() == nil {
			c.Log.Error("deadlines could not be swept", "error", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
}

// SweepOnce acts on the deadlines that have passed.
func (c *Control) SweepOnce(ctx context.Context) error {
	due := store.Filter{DueBefore: millis(c.now()) + 1, Limit: 100}
	var work bool
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		for _, t := range []store.Table{store.Plans, store.Runs, store.Proposals, store.Nonces, store.Idempotency, store.Attempts, store.Sessions, store.Delegations, store.Answers, store.Rates, store.PolicyChanges, store.Reviews} {
			rows, err := tx.Find(t, due)
			if err != nil {
				return err
			}
			work = work || len(rows) > 0
		}
		return nil
	})
	if err != nil || !work {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(c.expirePlans(tx, due), c.expireChanges(tx, due), c.expireRuns(tx, due), c.unwind(tx, due), c.overdueReviews(tx, due), forget(tx, store.Nonces, due), forget(tx, store.Idempotency, due), forget(tx, store.Attempts, due), forget(tx, store.Sessions, due), forget(tx, store.Delegations, due), forget(tx, store.Answers, due), forget(tx, store.Rates, due))
	})
}

// forget deletes what is remembered only as long as it could be used again.
func forget(tx *store.Tx, t store.Table, due store.Filter) error {
	rows, err := tx.Find(t, due)
	for _, r := range rows {
		err = errors.Join(err, tx.Delete(t, r.ID))
	}
	return err
}

func (c *Control) expirePlans(tx *store.Tx, due store.Filter) error {
	plans, rows, err := find[planRow](tx, store.Plans, due)
	if err != nil {
		return err
	}
	for i, p := range plans {
		why := assignment.Refused{Code: writ.ReasonExpired, Detail: "nobody answered in time, which means no", Hint: "propose it again"}
		if writ.PlanState(rows[i].State) == writ.PlanPlanning {
			why = assignment.Refused{Code: writ.ReasonUnavailable, Detail: "no runner resolved it in time", Hint: "propose it again later"}
		}
		if writ.PlanState(rows[i].State) == writ.PlanReady {
			why = unfetched()
		}
		if err := c.endPlan(tx, p, rows[i], writ.PlanExpired, why); err != nil {
			return err
		}
	}
	return nil
}

func (c *Control) expireRuns(tx *store.Tx, due store.Filter) error {
	runs, rows, err := find[runRow](tx, store.Runs, due)
	if err != nil {
		return err
	}
	for i := range runs {
		run, row := &runs[i], &rows[i]
		if run.Run.State != writ.RunGranted {
			if err := c.overdue(tx, run, row); err != nil {
				return err
			}
			continue
		}
		g, grow, err := store.Load[grantRow](tx, store.Grants, string(run.Run.Grant))
		if err != nil {
			return err
		}
		if g.Held && c.now().Before(g.Expires) {
			if err := c.lapse(tx, run, row, g, grow, writ.ReasonProofExpired); err != nil {
				return err
			}
			continue
		}
		at := c.now()
		run.Run.Ended, run.Run.Reason = &at, writ.ReasonGrantExpired
		if err := c.moveRun(tx, run, row, writ.RunExpired); err != nil {
			return err
		}
		if err := c.freePlan(tx, run.Run, writ.ReasonGrantExpired); err != nil {
			return err
		}
		_, err = c.append(tx, writ.EntryPlanEnd, run.Run.Incident, writ.PlanEndBody{Plan: run.Run.Plan, State: writ.PlanExpired, Reason: writ.ReasonGrantExpired})
		if err != nil {
			return err
		}
	}
	return nil
}
