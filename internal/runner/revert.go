package runner

import (
	"context"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// past returns a run that has ended, from the journal, to be put back.
func (r *Runner) past(ctx context.Context, id writ.RunID) (*execution, error) {
	run, err := r.Journal.Run(ctx, id)
	if err == nil && run.State == writ.RunRunning {
		return nil, &writ.Refusal{Code: writ.ReasonUnavailable, Detail: fmt.Sprintf("run %s has not ended", id), Kind: writ.ErrConflict}
	}
	var x *execution
	if err == nil {
		x, err = r.load(ctx, run)
	}
	if err != nil && !isNot(err, writ.ErrNotFound) {
		return nil, &writ.Refusal{
			Code: writ.ReasonForgotten, Detail: fmt.Sprintf("this runner no longer has what run %s wrote and what was there before: it keeps them for %d days", id, int(journalKeep.Hours()/24)),
			Hint: "put it back by hand, or propose another repair", Kind: writ.ErrConflict,
		}
	}
	return x, err
}

// stands reports whether what a step changed stands, as far as the journal knows.
func (s progress) stands() (stands, known bool) {
	switch {
	case s.undid != nil && s.undid.Restored:
		return false, true
	case !s.undo.IsZero() && (s.undid == nil || s.undid.Effect == writ.Unknown):
		return false, false
	case s.did == nil && !s.acked, s.did != nil && s.did.Effect == writ.NotApplied:
		return false, true
	case s.did == nil || s.did.Effect == writ.Unknown:
		return false, false
	}
	return true, true
}

// agrees checks the control plane's word on which steps stand against the journal. A person's word counts only where the
// journal does not know, or for a run that ended uncertain; and even then the target is asked before anything is planned.
func (x *execution) agrees(steps []int) error {
	no := func(format string, args ...any) error {
		return &writ.Refusal{Code: writ.ReasonForm, Detail: fmt.Sprintf(format, args...), Kind: writ.ErrInvalid}
	}
	if x.run.State != writ.RunSucceeded && x.run.State != writ.RunUncertain {
		return no("run %s ended %s: there is nothing to put back", x.run.ID, x.run.State)
	}
	for i, n := range steps {
		if n < 1 || n > len(x.steps) || i > 0 && n >= steps[i-1] {
			return no("the steps of run %s are put back last first, each once", x.run.ID)
		}
	}
	if len(steps) == 0 {
		return no("no step of run %s stands", x.run.ID)
	}
	for i, s := range x.steps {
		stands, known := s.stands()
		switch asked := slices.Contains(steps, i+1); {
		case asked && known && !stands:
			return no("step %d of run %s does not stand", i+1, x.run.ID)
		case !asked && stands && x.run.State == writ.RunSucceeded:
			return no("step %d of run %s stands, and would be left", i+1, x.run.ID)
		}
	}
	return nil
}

// putBack resolves the steps that put a run back, and makes p the plan of them. What does not depend on the target comes
// from the plan of that run, which must be the one in the journal.
func (r *Runner) putBack(ctx context.Context, conn connector.Connector, in assignment.Planning, p *writ.Plan, b *playbook.Bound, made *journal.Plan) error {
	if in.Reverts == nil || in.Reverts.Run != p.Reverts {
		return &writ.Refusal{Code: writ.ReasonForm, Detail: "the proposal and the assignment put different runs back", Kind: writ.ErrInvalid}
	}
	of, err := r.past(ctx, p.Reverts)
	if err != nil {
		return err
	}
	switch {
	case !writ.DigestOf(in.Reverts.Plan).Equal(of.run.PlanDigest) || !of.kept.Digest.Equal(of.run.PlanDigest):
		return writ.Refuse(writ.ReasonPlanDigest, "the run to be put back executed another plan")
	case of.plan.Target != p.Target || of.plan.Playbook != p.Playbook || of.plan.Service != p.Service || of.plan.Incident != p.Incident:
		return writ.Refuse(writ.ReasonPlanMismatch, "the run to be put back is of another incident, service, playbook or target")
	}
	if err := of.agrees(in.Reverts.Steps); err != nil {
		return err
	}
	for _, n := range in.Reverts.Steps {
		s, err := r.reversal(ctx, conn, of, fmt.Sprintf("%s.%d", in.Plan, len(p.Steps)+1), n-1, in.Scope)
		if err != nil {
			return err
		}
		made.Prepared = append(made.Prepared, s)
		p.Steps = append(p.Steps, s.Step)
	}
	p.Title, p.Observe, p.Guards, p.Verify = plan.RevertTitle(of.plan), nil, nil, plan.RevertChecks(len(p.Steps))
	b.Tier = max(b.Tier, of.plan.Tier)
	return nil
}

// reversal asks the connector for the call that puts back step i of a past run, and checks that it is on the same object.
func (r *Runner) reversal(ctx context.Context, conn connector.Connector, of *execution, key string, i int, scope []writ.Location) (connector.Prepared, error) {
	ask := connector.Reversal{Key: key, Of: of.kept.Prepared[i], Scope: scope}
	if did := of.steps[i].did; did != nil {
		ask.After = did.After
	}
	p, err := try(ctx, fault.TargetPlan, planLimit, func(ctx context.Context) (connector.Prepared, error) { return conn.Revert(ctx, ask) })
	if err != nil {
		return p, err
	}
	was := ask.Of.Step
	if p.Step.Key != key || p.Step.Reverts != was.Key || p.Step.Operation != was.Operation || p.Step.Object.Location != was.Object.Location ||
		p.Step.Object.UID != was.Object.UID {
		return p, fmt.Errorf("%w: the connector put back another step than it was asked for", writ.ErrInvalid)
	}
	p.Step.Tier = max(p.Step.Tier, was.Tier)
	return p, p.Check()
}

// replan resolves step i of the plan once more, as it was resolved when the plan was made.
func (x *execution) replan(ctx context.Context, i int) (connector.Prepared, error) {
	s := x.plan.Steps[i]
	if s.Reverts == "" {
		d := connector.Draft{Key: s.Key, Operation: s.Operation, With: s.With, Scope: x.kept.Scope}
		return try(ctx, fault.TargetPlan, planLimit, func(ctx context.Context) (connector.Prepared, error) { return x.conn.Plan(ctx, d) })
	}
	of, err := x.r.past(ctx, x.plan.Reverts)
	if err != nil {
		return connector.Prepared{}, err
	}
	n := slices.IndexFunc(of.plan.Steps, func(o writ.Step) bool { return o.Key == s.Reverts })
	if n < 0 {
		return connector.Prepared{}, fmt.Errorf("%w: plan %s puts back step %s, which run %s does not have", journal.ErrDamaged, x.plan.ID, s.Reverts, of.run.ID)
	}
	return x.r.reversal(ctx, x.conn, of, s.Key, n, x.kept.Scope)
}

// reverted reads whether the pre-image of a step that was put back stands; false, false when the target did not say.
func (x *execution) reverted(ctx context.Context, c writ.Condition) (writ.Value, bool) {
	n, ok := c.With[plan.ParamStep].Int64()
	if !ok || n < 1 || n > int64(len(x.plan.Steps)) || x.plan.Steps[n-1].Reverts == "" {
		return writ.Value{}, false
	}
	_, err := x.replan(ctx, int(n-1))
	switch writ.ReasonOf(err) {
	case writ.ReasonNoChange:
		return writ.Bool(true), true
	case writ.ReasonUndoConflict:
		return writ.Bool(false), true
	}
	return writ.Bool(false), err == nil
}
