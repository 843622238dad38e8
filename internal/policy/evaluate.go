package policy

import (
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// An evaluator decides the actions of one request on one set of facts.
type evaluator struct {
	bundle *Bundle
	manner
	facts     *Facts
	principal cedarx.Entity
	service   cedarx.Entity
}

// action decides one action in at most two evaluations. The first is over the facts as they are. If only
// requirements stand in the way, the second is over the same facts with exactly what they ask for granted: it tells
// whether collecting it would help.
func (e *evaluator) action(name string) answer {
	sh, known := e.bundle.index[name]
	if !known {
		return deny(writ.ReasonInvalidRequest, nil)
	}
	if !e.strict && !sh.accepts(e.principal.UID) {
		return deny(writ.ReasonInvalidRequest, nil)
	}
	policies := e.find(sh, e.service)
	first, err := e.authorize(policies, sh, e.facts)
	switch {
	case err != nil:
		return e.failed(err)
	case len(first.Errors) > 0: // even beside an allow: a forbid that fails would otherwise vanish
		return answer{verdict: writ.Deny, reason: writ.ReasonPolicyError, errors: first.Errors, because: first.Errors}
	case first.Allow:
		return answer{verdict: writ.Allow, reason: writ.ReasonAllowed, policies: first.Reasons, duties: e.bundle.dutiesOf(first.Reasons)}
	case len(first.Reasons) == 0:
		return deny(writ.ReasonNoGrantRule, nil)
	case slices.ContainsFunc(first.Reasons, isLimit):
		return deny(writ.ReasonLimit, first.Reasons)
	}
	var needs writ.Requirements
	for _, id := range first.Reasons {
		needs = joinRequirements(needs, e.demanded(e.bundle.rules[id].demand))
	}
	second, err := e.authorize(policies, sh, e.facts.meeting(needs))
	switch {
	case err != nil:
		return e.failed(err)
	case len(second.Errors) > 0:
		return answer{verdict: writ.Deny, reason: writ.ReasonPolicyError, errors: second.Errors, because: second.Errors}
	case second.Allow:
		return answer{
			verdict: writ.Requires, reason: writ.ReasonNeedsApproval, policies: union(first.Reasons, second.Reasons),
			because: first.Reasons, requirements: needs, duties: e.bundle.dutiesOf(second.Reasons),
		}
	case len(second.Reasons) == 0: // nothing stands in the way any more, and still no grant speaks for it
		return answer{verdict: writ.Deny, reason: writ.ReasonNoGrantRule, policies: first.Reasons}
	}
	return deny(writ.ReasonUnmet, union(first.Reasons, second.Reasons))
}

// invalidRequest marks an error of validation, as against one of the engine.
type invalidRequest struct{ error }

// authorize evaluates the policies over facts. They see those that a policy of the shelf reads.
func (e *evaluator) authorize(policies []*cedarx.Policy, sh *shelf, f *Facts) (cedarx.Result, error) {
	q := cedarx.Request{Principal: e.principal.UID, Action: sh.action.UID, Resource: e.service.UID}
	if e.strict {
		q.Context = f.context()
		if err := e.bundle.schema.CheckRequest(q); err != nil {
			return cedarx.Result{}, invalidRequest{err}
		}
	} else {
		q.Context = f.contextOf(sh.reads)
	}
	return cedarx.Authorize(policies, cedarx.Entities{sh.action, e.principal, e.service}, q)
}

// failed denies what could not be evaluated at all. Reason policy_error always names something.
func (e *evaluator) failed(err error) answer {
	if _, ok := err.(invalidRequest); ok {
		return deny(writ.ReasonInvalidRequest, nil)
	}
	return answer{verdict: writ.Deny, reason: writ.ReasonPolicyError, errors: []string{engineFailed}}
}

// engineFailed stands among a decision's errors for a failure that no single rule caused.
const engineFailed = "engine"

func deny(why writ.Reason, ids []string) answer {
	return answer{verdict: writ.Deny, reason: why, policies: ids, because: ids}
}

func isLimit(id string) bool { return strings.HasPrefix(id, string(Limits)+"/") }

// demanded turns one requirement's annotations into what it asks for at the tier of the facts.
func (e *evaluator) demanded(d demand) writ.Requirements {
	out := writ.Requirements{Proof: d.proof, MaxTTL: d.maxTTL, MaxPermille: d.maxPermille, MaxObjects: d.maxObjects}
	if d.tierProof {
		out.Proof = level(e.facts.TierProof)
	}
	if d.group != "" {
		out.Approvals = map[string]int{d.group: d.approvals}
	}
	return out
}

// meeting returns the facts as they would be if exactly these requirements were met, and nothing else changed.
func (f *Facts) meeting(r writ.Requirements) *Facts {
	met := *f
	met.ApprovalsOwner = max(met.ApprovalsOwner, r.Approvals[GroupOwner])
	met.ApprovalsOncall = max(met.ApprovalsOncall, r.Approvals[GroupOncall])
	met.Proof = max(met.Proof, r.Proof.Strength())
	met.TTL = clamp(met.TTL, r.MaxTTL)
	met.MaxPermille = clamp(met.MaxPermille, r.MaxPermille)
	met.MaxObjects = clamp(met.MaxObjects, r.MaxObjects)
	return &met
}

// clamp lowers a request to a cap, where 0 is no cap. What was not asked for is granted at the cap.
func clamp(asked *int, limit int) *int {
	if limit == 0 || asked != nil && *asked <= limit {
		return asked
	}
	return &limit
}
