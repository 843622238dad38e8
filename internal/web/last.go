package web

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
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

// last finds earlier runs among the plans that are looked at for the inbox, newest first. A page without them is whole: an
// error here hides them and no more.
func (d *door) last(ctx context.Context, by writ.Principal, p writ.PlanStatus) (out []past) {
	if p.Plan == nil {
		return nil
	}
	recently, _, err := d.Plans.Plans(ctx, by, writ.PlanFilter{Limit: maxRecent})
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
		if out = append(out, past{o.Run, o.CreatedAt, run.State, otherwise(then, p)}); len(out) == lastRuns {
			return out
		}
	}
	return out
}

// otherwise lists what people look at first.
func otherwise(then, now writ.PlanStatus) (out []writ.Change) {
	add := func(what, before, after string) {
		if before != after {
			out = append(out, writ.Change{Path: what, Before: before, After: after})
		}
	}
	add("asked by", principalName(then.Requester), principalName(now.Requester))
	all := map[string]bool{}
	for k := range then.Parameters {
		all[k] = true
	}
	for k := range now.Parameters {
		all[k] = true
	}
	text := func(p writ.Parameters, k string) string {
		if v, ok := p[k]; ok {
			return v.String()
		}
		return ""
	}
	for _, k := range sortedKeys(all) {
		add(k, text(then.Parameters, k), text(now.Parameters, k))
	}
	a, b := then.Plan, now.Plan
	add("tier", then.Tier().String(), now.Tier().String())
	add("playbook version", number(then.Playbook.Version), number(now.Playbook.Version))
	add("objects", number(a.Blast.Objects), number(b.Blast.Objects))
	add("replicas", number(a.Blast.Replicas), number(b.Blast.Replicas))
	add("down at once, in ‰", number(a.Blast.Permille), number(b.Blast.Permille))
	add("steps", number(len(a.Steps)), number(len(b.Steps)))
	add("undo", string(a.Undo), string(b.Undo))
	return out
}
