package control

import (
	"errors"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/store"
)

// maxServicePermille bounds the share of one service's ready capacity that all runs together may make unavailable.
const maxServicePermille = 1000

// A reservationRow is what one run holds of a service, or of one workload. Key of the row is the service's name or the
// workload's location, State the run.
type reservationRow struct {
	Run      writ.RunID
	Service  string        `json:",omitempty"`
	Workload writ.Location `json:",omitempty"`
	Objects  int
	Permille int // of the service
	Units    int // that may be unavailable at once
}

// reserve takes the plan's blast radius out of every budget that it touches (invariant I09): its service's, those of
// other services whose units run where it acts, and each workload's floor. It is part of the granting transaction, of
// which there is one at a time; what it has reserved lives exactly as long as the run is in flight (release).
func (c *Control) reserve(tx *store.Tx, run writ.RunID, p writ.Plan) (*assignment.Refused, error) {
	if p.Blast.Permille > p.Budget.MaxPermille || p.Blast.Objects > p.Budget.MaxObjects {
		return &assignment.Refused{
			Code:   writ.ReasonBudget,
			Detail: fmt.Sprintf("the plan touches %d objects and %d‰ of the ready capacity; its playbook allows %d and %d‰", p.Blast.Objects, p.Blast.Permille, p.Budget.MaxObjects, p.Budget.MaxPermille),
		}, nil
	}
	want := c.shares(p)
	for _, r := range want {
		if r.Service == "" {
			continue
		}
		held, _, err := find[reservationRow](tx, store.Reservations, store.Filter{Key: r.Service})
		if err != nil {
			return nil, err
		}
		used := r.Permille
		for _, h := range held {
			used += h.Permille
		}
		if used > maxServicePermille {
			return &assignment.Refused{
				Code:   writ.ReasonBudget,
				Detail: fmt.Sprintf("%d‰ of %s would be unavailable at once together with the runs in flight", used, r.Service),
				Hint:   "propose it again when they have ended",
			}, nil
		}
	}
	var failed error
	err := plan.Floor(p.Steps, func(at writ.Location) int {
		held, _, err := find[reservationRow](tx, store.Reservations, store.Filter{Key: string(at)})
		failed = errors.Join(failed, err)
		n := 0
		for _, h := range held {
			n += h.Units
		}
		return n
	})
	if failed != nil {
		return nil, failed
	}
	if r, ok := errors.AsType[*writ.Refusal](err); ok {
		return &assignment.Refused{Code: r.Code, Detail: r.Detail, Hint: r.Hint}, nil
	}
	for i, r := range want {
		r.Run = run
		key := r.Service
		if key == "" {
			key = string(r.Workload)
		}
		err := store.Create(tx, store.Reservations, store.Row{ID: fmt.Sprintf("%s/%d", run, i+1), Incident: string(p.Incident), Key: key, State: string(run)}, r)
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// shares are the budgets that a plan draws on, its own service's first.
func (c *Control) shares(p writ.Plan) []reservationRow {
	own := reservationRow{Service: p.Service, Objects: p.Blast.Objects, Permille: p.Blast.Permille}
	var others, workloads []reservationRow
	for _, u := range plan.Downs(p.Steps) {
		if u.Down > 0 {
			workloads = append(workloads, reservationRow{Workload: u.Workload, Units: u.Down})
		}
		for name, s := range c.Services {
			switch {
			case !slices.ContainsFunc(s.Locations, u.Workload.Within):
				continue
			case name == p.Service:
				own.Units += u.Down
				continue
			}
			i := slices.IndexFunc(others, func(r reservationRow) bool { return r.Service == name })
			if i < 0 {
				others, i = append(others, reservationRow{Service: name}), len(others)
			}
			others[i].Units += u.Down
			others[i].Permille += share(u)
		}
	}
	return slices.Concat([]reservationRow{own}, others, workloads)
}

// share is what a workload loses, in permille of what it has ready, rounded up.
func share(u writ.Units) int {
	if u.Ready <= 0 {
		return 0
	}
	return (u.Down*1000 + u.Ready - 1) / u.Ready
}

// release gives back whatever a run holds: its reservations and its locks, and it closes its attempts. A run has ended
// when this is called, however it ended. One whose outcome is uncertain holds nothing either: what is not known is
// remembered by its attempt, and not by a budget that nobody could ever give back. The exception is a run whose runner was
// lost (lost.go): nobody has ended its lease, so a person gives back what it holds.
func (c *Control) release(tx *store.Tx, run writ.Run) error {
	held, err := tx.Find(store.Reservations, store.Filter{State: string(run.ID)})
	if err != nil {
		return err
	}
	for _, r := range held {
		if err := tx.Delete(store.Reservations, r.ID); err != nil {
			return err
		}
	}
	locks, err := tx.Find(store.Locks, store.Filter{Key: string(run.ID)})
	if err != nil {
		return err
	}
	for _, r := range locks {
		if err := tx.Delete(store.Locks, r.ID); err != nil {
			return err
		}
	}
	return c.endAttempts(tx, run)
}
