package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// checkAsked: a plan that is break-glass comes with the ask that it commits to, signed by a person of this runner's own
// roster, with a proof as strong as the trust file's emergency section asks for, about exactly this plan. Any other plan
// comes without one.
func (j *judgement) checkAsked() error {
	e, asked := j.plan.Emergency, j.b.Asked
	switch {
	case e == nil && asked == nil:
		return nil
	case e == nil || asked == nil || e.Offline:
		return writ.Refuse(writ.ReasonBreakGlassMismatch, "break-glass comes with its signed ask, and nothing else does")
	}
	digest, err := asked.Digest()
	if err != nil || !digest.Equal(e.Ask) {
		return writ.Refuse(writ.ReasonBreakGlassMismatch, "the ask is not the one that the plan commits to")
	}
	section := j.trust.trust.Ceiling.Emergency
	if section == nil {
		return writ.Refuse(writ.ReasonPlaybookUnpinned, "the trust file has no emergency section: there is no break-glass here")
	}
	v, err := approval.VerifyAsk(*asked, j.trust.trust.Approvers, section.AskProof, j.r.Now())
	if err != nil {
		return err
	}
	parameters, err := j.plan.Parameters.Digest()
	if err != nil {
		return err
	}
	differs := func(what string) error {
		return writ.Refuse(writ.ReasonBreakGlassMismatch, fmt.Sprintf("what was signed is about another %s", what))
	}
	switch s := v.Statement; {
	case !s.Asker.Principal().Same(j.plan.Requester):
		return differs("person")
	case s.Drill != e.Drill || !s.Drill && s.Incident != j.plan.Incident:
		return differs("incident")
	case s.Service != j.plan.Service:
		return differs("service")
	case s.Playbook != j.plan.Playbook:
		return differs("playbook")
	case !s.Parameters.Equal(parameters):
		return differs("parameter")
	}
	return nil
}

// lastHour counts the runs of the last hour that a plan's rate is held against. Break-glass has a rate of its own, so that
// a busy hour does not bar it; the ceiling's rate bounds all of them together.
func (r *Runner) lastHour(ctx context.Context, t trusted, p writ.Plan) (int, error) {
	since := r.Now().Add(-rateWindow)
	all, err := r.Journal.SpentSince(ctx, since)
	if err != nil || p.Emergency == nil {
		return all, err
	}
	if most := t.trust.Ceiling.RunsPerHour; all >= most {
		return 0, writ.Refuse(writ.ReasonOverCeiling, fmt.Sprintf("%d runs in the last hour; %d are allowed", all, most))
	}
	plans, err := r.Journal.SpentPlans(ctx, since)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, id := range plans {
		kept, err := r.Journal.Plan(ctx, id)
		if errors.Is(err, writ.ErrNotFound) { // taken over from another process
			continue
		}
		if err != nil {
			return 0, err
		}
		if o, _, err := writ.ParsePlan(kept.Bytes); err == nil && o.Emergency != nil {
			n++
		}
	}
	return n, nil
}
