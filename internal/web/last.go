package web

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/plan"
)

// lastRuns is how many earlier runs a plan is compared with.
const lastRuns = 5

// A past run of the same playbook on the same service, with what was otherwise.
type past struct {
	Run     writ.RunID
	At      time.Time
	State   writ.RunState
	Changes []writ.Change // from then to this plan
}

// last finds earlier runs among the newest plans whose runs have ended, newest first: how many plans wait costs the page
// nothing. A page without them is whole: an error here hides them and no more.
func (d *door) last(ctx context.Context, by writ.Principal, p writ.PlanStatus) (out []past) {
	if p.Plan == nil {
		return nil
	}
	recently, _, err := d.Plans.Plans(ctx, by, writ.PlanFilter{State: writ.PlanDone, Limit: maxRecent})
	if err != nil {
		return nil
	}
	for _, o := range recently {
		if o.ID == p.ID || o.Run == "" || o.Playbook.Name != p.Playbook.Name || o.Service != p.Service || !o.CreatedAt.Before(p.CreatedAt) {
			continue
		}
		then, err := d.Plans.Plan(ctx, by, o.ID, 0)
		if err != nil || then.Plan == nil {
			continue
		}
		run, err := d.Runs.Run(ctx, by, o.Run, 0)
		if err != nil {
			continue
		}
		if out = append(out, past{o.Run, o.CreatedAt, run.State, plan.Differences(then, p)}); len(out) == lastRuns {
			return out
		}
	}
	return out
}
