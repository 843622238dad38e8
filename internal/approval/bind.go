package approval

import "github.com/writ-dev/writ"

// Bind checks that a statement is about exactly this plan, under this policy. digest must be the one of the plan's
// bytes, policy the one that is asked under now. It refuses with approval_mismatch and names what differs.
func Bind(s writ.ApprovalStatement, p writ.Plan, digest, policy writ.Digest) error {
	evidence, err := p.EvidenceDigest()
	if err != nil {
		return writ.Refuse(writ.ReasonApprovalMismatch, "the plan's evidence has no canonical form")
	}
	bad := func(what string) error {
		return writ.Refuse(writ.ReasonApprovalMismatch, "the answer is for another "+what)
	}
	switch {
	case s.Plan != p.ID:
		return bad("plan")
	case s.Incident != p.Incident:
		return bad("incident")
	case s.Runner != p.Runner:
		return bad("runner")
	case !s.PolicyDigest.Equal(policy) || !s.PolicyDigest.Equal(p.Policy):
		return bad("policy")
	case !s.EvidenceDigest.Equal(evidence):
		return bad("evidence")
	case !s.PlanDigest.Equal(digest):
		return bad("version of the plan")
	}
	return nil
}
