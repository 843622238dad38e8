package runner

import (
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
