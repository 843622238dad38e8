package grant

import (
	"slices"

	"github.com/writ-dev/writ"
)

// Match checks that a grant is for exactly this plan, part by part, and names the first part that differs with its own
// reason code: playbook_altered, evidence_altered, policy_altered, budget_altered, holder_altered, plan_mismatch for
// the parts without a code of their own, and plan_digest last, when everything that the grant names is equal and the
// bytes still differ. digest must be the one of the bytes that p was parsed from.
func Match(c writ.GrantClaims, p writ.Plan, digest writ.Digest) error {
	refuse := func(code writ.Reason, what string) error {
		return writ.Refuse(code, what+" of grant and plan differ")
	}
	if err := form(c); err != nil {
		return writ.Refuse(writ.ReasonGrantClaims, err.Error())
	}
	evidence, err := p.EvidenceDigest()
	if err != nil {
		return writ.Refuse(writ.ReasonPlanForm, "the evidence has no canonical form")
	}
	got, want := c.AuthorizationDetails[0], authorization(p, digest)
	switch {
	case got.Playbook.Name != want.Playbook.Name || got.Playbook.Version != want.Playbook.Version ||
		!got.Playbook.Digest.Equal(want.Playbook.Digest):
		return refuse(writ.ReasonPlaybookAltered, "the playbooks")
	case !c.Writ.EvidenceDigest.Equal(evidence):
		return refuse(writ.ReasonEvidenceAltered, "the evidence")
	case !c.Writ.Policy.Equal(p.Policy):
		return refuse(writ.ReasonPolicyAltered, "the policies")
	case got.Limits != want.Limits:
		return refuse(writ.ReasonBudgetAltered, "the limits")
	case c.Confirm.Thumbprint == "" || c.Confirm.Thumbprint != p.Holder:
		return refuse(writ.ReasonHolderAltered, "the holders")
	case got.Plan != want.Plan || c.Incident != p.Incident || c.Audience != p.Runner || c.Client != Client(p.Requester):
		return refuse(writ.ReasonPlanMismatch, "plan, incident, runner or requester")
	case !slices.Equal(got.Actions, want.Actions):
		return refuse(writ.ReasonPlanMismatch, "the actions")
	case !slices.Equal(got.Locations, want.Locations):
		return refuse(writ.ReasonPlanMismatch, "the locations")
	case c.Writ.Tier < p.InForce(c.Writ.Tier): // above it is what policy made of the plan
		return refuse(writ.ReasonTierUnderstated, "the tiers")
	case !got.PlanDigest.Equal(digest):
		return refuse(writ.ReasonPlanDigest, "the digests")
	}
	return nil
}

// MatchApprovals checks that as are exactly the approvals that the grant names; otherwise approvals_altered.
func MatchApprovals(c writ.GrantClaims, as []writ.Approval) error {
	got, err := digestsOf(as)
	if err != nil || !slices.EqualFunc(got, c.Writ.Approvals, writ.Digest.Equal) {
		return writ.Refuse(writ.ReasonApprovalsAltered, "these are not the approvals that the grant names")
	}
	return nil
}
