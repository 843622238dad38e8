package main

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

func runPlanExplain(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "plan explain", "<plan>", "Says why a plan is decided as it is by the policy set in force, with the facts of its newest decision: which rules, by file and line, which facts mattered, and the smallest changes found that lead to another answer.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	p, err := r.plan(ctx, rest[0])
	if err != nil {
		return err
	}
	var x study.Explanation
	if err := r.ExplainPlan(ctx, p.ID, &x); err != nil {
		return err
	}
	return a.print(r.format, x, func() { a.explained(x, decidedThen(p, x)) })
}

// decidedThen says what was recorded, where another set decided.
func decidedThen(p writ.PlanStatus, x study.Explanation) string {
	note := fmt.Sprintf("%s, %s", p.ID, p.State)
	if d := p.Decision; d != nil && !d.Policy.Equal(x.Decision.Policy) {
		note += fmt.Sprintf("\ndecided then as %s under another set: %s", study.Outcome(*d), d.Policy)
	}
	return note
}
