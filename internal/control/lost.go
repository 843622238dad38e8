package control

import (
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// doubtAfter is how long no process of a runner may be heard of before it is doubted that there is one: as long as a grant
// lives, so that nothing which was handed out can still be begun. After another minute (silent), in which a process that
// stands by takes over several times, its runs in flight are given up. The doubt comes first because a clock that jumps
// forward makes a runner look lost that is there: it beats many times in that minute.
const doubtAfter = grantLife

// overdue looks at a run that has begun and whose deadline has passed. While a process of its runner is heard of, the run
// ends by that one's word and the deadline moves on. When none has been, and was doubted for a minute, it is ended here, as uncertain: nobody
// is left who could say what it did. What it reserved and locked is kept until a person has settled it, because its
// lease may live and its call may still arrive; a run that had begun no step has changed nothing, and gives all back.
//
// The deadline is a column of the run's row and is looked at and moved in one transaction, so that of several replicas one
// does this, and once. A runner that comes back after all finds no step of it allowed; what it undoes is recorded, and the
// run stays as it is.
func (c *Control) overdue(tx *store.Tx, run *runRow, row *store.Row) error {
	heard, err := lastHeard(tx, run.Run)
	if err != nil {
		return err
	}
	now := c.now()
	switch {
	case now.Before(heard.Add(doubtAfter)):
		run.Doubted, row.Due = nil, millis(heard.Add(doubtAfter))
		return store.Save(tx, store.Runs, *row, row.State, *run)
	case run.Doubted == nil || heard.After(*run.Doubted):
		run.Doubted, row.Due = &now, millis(now.Add(silent))
		return store.Save(tx, store.Runs, *row, row.State, *run)
	case now.Before(run.Doubted.Add(silent)):
		row.Due = millis(run.Doubted.Add(silent))
		return store.Save(tx, store.Runs, *row, row.State, *run)
	}
	p, prow, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
	if err != nil {
		return err
	}
	plan, _, err := writ.ParsePlan(p.Bytes)
	if err != nil {
		return err
	}
	c.Log.Error("a run was given up: its runner was lost", "run", string(run.Run.ID), "runner", string(run.Run.Runner), "last_seen", heard)
	return c.giveUp(tx, run, row, p, prow, plan, "nothing has been heard of its runner since "+heard.UTC().Format(time.RFC3339)+"; a person must look")
}

// giveUp ends a run in flight as uncertain, since nobody is left whose word on it counts.
func (c *Control) giveUp(tx *store.Tx, run *runRow, row *store.Row, p planRow, prow store.Row, plan writ.Plan, why string) error {
	deeds, _, err := c.deeds(tx, run.Run, plan)
	if err != nil {
		return err
	}
	at := c.now()
	run.Run.Ended, run.Run.Reason, run.Run.Detail = &at, writ.ReasonRunnerLost, why
	run.Settled = len(unsettled(run.Run, deeds)) == 0
	run.Held = !run.Settled
	if err := c.moveRun(tx, run, row, writ.RunUncertain); err != nil {
		return err
	}
	e, err := c.append(tx, writ.EntryPlanEnd, run.Run.Incident, writ.PlanEndBody{Plan: plan.ID, State: writ.PlanDone, Reason: writ.ReasonRunnerLost})
	if err != nil {
		return err
	}
	if err := c.afterRun(tx, *run, e.hash); err != nil {
		return err
	}
	if err := c.tellRun(tx, *run, writ.NoticeRunnerLost); err != nil {
		return err
	}
	if run.Settled {
		return c.freePlan(tx, run.Run, writ.ReasonRunnerLost)
	}
	if writ.PlanState(prow.State) != writ.PlanGranted {
		return nil
	}
	p.Reason, prow.State, prow.Due = writ.ReasonRunnerLost, string(writ.PlanDone), 0
	return store.Save(tx, store.Plans, prow, string(writ.PlanGranted), p)
}

// lastHeard is when any process of a run's runner last asked for work or beat, and at least when the run began.
func lastHeard(tx *store.Tx, run writ.Run) (time.Time, error) {
	var at time.Time
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	if run.Started != nil {
		later(*run.Started)
	}
	cell, _, err := store.Load[cellRow](tx, store.Cells, string(run.Runner))
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return at, err
	}
	later(cell.Seen)
	seen, _, err := store.Load[seenRow](tx, store.Assignments, seenPrefix+string(run.Runner))
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return at, err
	}
	later(seen.At)
	return at, nil
}
