package main

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/plan"
)

func runPlanDiff(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "plan diff", "<plan> [<other>]", "Says in what a plan differs from another one; without another, from the newest earlier plan of the same playbook on the same service. Exit status 5 when they differ.")
	r := remoteFlags(f)
	rest, err := f.parseSome(args, 2)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return &usageError{"writ plan diff takes a plan, and may take another one", "usage: writ plan diff <plan> [<other>]"}
	}
	if err := r.open(); err != nil {
		return err
	}
	now, err := r.plan(ctx, rest[0])
	if err != nil {
		return err
	}
	var then writ.PlanStatus
	if len(rest) == 2 {
		then, err = r.plan(ctx, rest[1])
	} else {
		then, err = r.before(ctx, now)
	}
	if err != nil {
		return err
	}
	if then.Plan == nil || now.Plan == nil {
		return fmt.Errorf("%w: plan: one of the two was never made, so there is nothing to compare", writ.ErrInvalid)
	}
	changes := append(plan.Differences(then, now), plan.StepDifferences(*then.Plan, *now.Plan)...)
	out := struct {
		Of      writ.PlanID   `json:"plan"`
		From    writ.PlanID   `json:"other"`
		Changes []writ.Change `json:"changes"`
	}{now.ID, then.ID, changes}
	err = a.print(r.format, out, func() {
		fmt.Fprintf(a.stdout, "%s  %s\nagainst %s  %s, %s\n", now.ID, now.State, then.ID, then.State, then.CreatedAt.UTC().Format("2006-01-02T15:04:05Z"))
		for _, c := range changes {
			fmt.Fprintf(a.stdout, "  %s\n    - %s\n    + %s\n", c.Path, orNothing(c.Before), orNothing(c.After))
		}
		if len(changes) == 0 {
			fmt.Fprintln(a.stdout, "✔ the same change, asked for by the same")
		}
	})
	if err == nil && len(changes) > 0 {
		err = &exitError{exitDiffers, ""}
	}
	return err
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// before finds the newest earlier plan of the same playbook on the same service that was made.
func (r *remote) before(ctx context.Context, p writ.PlanStatus) (writ.PlanStatus, error) {
	for o, err := range r.Plans(ctx, writ.PlanFilter{}) {
		if err != nil {
			return writ.PlanStatus{}, err
		}
		if o.ID == p.ID || o.Playbook.Name != p.Playbook.Name || o.Service != p.Service || !o.CreatedAt.Before(p.CreatedAt) {
			continue
		}
		full, err := r.Plan(ctx, o.ID)
		if err != nil {
			return writ.PlanStatus{}, err
		}
		if full.Plan != nil {
			return full, nil
		}
	}
	return writ.PlanStatus{}, fmt.Errorf("%w: there is no earlier plan of %s on %s", writ.ErrNotFound, writ.Printable(p.Playbook.Name, 60), writ.Printable(p.Service, 60))
}
