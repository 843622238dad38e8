package control

import (
	"errors"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// A lockRow says that one run may write an object. ID of the row is the object, Key the run.
type lockRow struct {
	writ.Lock
	Service string
}

// objectsOf lists what a plan writes, sorted: the objects of its steps, and the workloads that they are parts of. A pod
// of a deployment and the deployment are the same running thing, so one writer at a time has both.
func objectsOf(p writ.Plan) []writ.Location {
	var out []writ.Location
	for _, s := range p.Steps {
		out = append(out, s.Object.Location)
		if s.Owner != "" {
			out = append(out, s.Owner)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// busy says whether a run in flight writes one of the objects of a plan.
func busy(tx *store.Tx, p writ.Plan) (*assignment.Refused, error) {
	for _, o := range objectsOf(p) {
		l, _, err := store.Load[lockRow](tx, store.Locks, string(o))
		if errors.Is(err, writ.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &assignment.Refused{
			Code:   writ.ReasonObjectBusy,
			Detail: fmt.Sprintf("%s is being changed by %s since %s; one run at a time writes an object", o, l.Playbook, clock(l.Since)),
			Hint:   "wait until it has ended, read fresh evidence, and propose it again if it is still needed",
		}, nil
	}
	return nil, nil
}

// lock makes the run the only writer of the plan's objects. It is part of the granting transaction; the row's id is the
// object, so that a second one cannot be written.
func (c *Control) lock(tx *store.Tx, run writ.RunID, p writ.Plan) error {
	for _, o := range objectsOf(p) {
		err := store.Create(tx, store.Locks, store.Row{ID: string(o), Incident: string(p.Incident), Key: string(run), State: stateOn}, lockRow{
			Lock: writ.Lock{Object: o, Run: run, Plan: p.ID, Playbook: p.Playbook.Name, Since: c.now()}, Service: p.Service,
		})
		if err != nil {
			return err
		}
	}
	return nil
}
