package grant

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Input is everything that a grant is made from. All fields are required but Source and Approvals.
type Input struct {
	ID         writ.GrantID
	Issuer     string
	Plan       writ.Plan
	PlanDigest writ.Digest     // of the plan's bytes
	Decision   writ.Decision   // a plain allow of this plan, taken in the transaction that issues the grant
	Approvals  []writ.Approval // those that were counted; none of them is verified again here
	Mode       writ.HolderMode // who holds the key that the plan names
	Source     string          // the incident as its source knows it; empty stands for Writ's own id
	Now        time.Time
	Life       time.Duration // an upper bound
}

// Mint returns the claims of a grant, bound to the holder that the plan names. It lives for Life at most, and never beyond MaxGrantLife, the plan's window, the
// decision's own bound or the first approval to expire. Refusals say outside_window, expired, policy_error,
// plan_digest, policy_altered, approval_mismatch, approval_replayed or rejected.
func Mint(in Input) (writ.GrantClaims, error) {
	p := in.Plan
	var none writ.GrantClaims
	if err := p.Check(); err != nil {
		return none, err
	}
	evidence, err := p.EvidenceDigest()
	if err != nil {
		return none, err
	}
	switch d := in.Decision; {
	case in.ID == "" || in.Issuer == "" || in.PlanDigest.IsZero() || in.Now.IsZero() || in.Life <= 0:
		return none, fmt.Errorf("%w: a grant needs id, issuer, digest, time and life", writ.ErrInvalid)
	case !d.Allowed() || d.ID == "" || d.Phase != writ.PhaseGrant:
		return none, writ.Refuse(writ.ReasonPolicyError, "a grant needs a plain allow, taken for it")
	case d.Plan != p.ID || !d.PlanDigest.Equal(in.PlanDigest):
		return none, writ.Refuse(writ.ReasonPlanDigest, "the decision is on another plan")
	case !d.Policy.Equal(p.Policy):
		return none, writ.Refuse(writ.ReasonPolicyAltered, "the decision was taken under another policy than the plan's")
	case !p.Window.Contains(in.Now):
		return none, writ.Refuse(writ.ReasonOutsideWindow, "the plan may not start now")
	}
	digests, until, err := counted(in)
	if err != nil {
		return none, err
	}
	if s := in.Decision.Requirements.MaxTTL; s > 0 {
		until = earlier(until, in.Now.Add(time.Duration(s)*time.Second))
	}
	until = earlier(until, p.Window.NotAfter)
	until = earlier(until, in.Now.Add(min(in.Life, writ.MaxGrantLife)))
	source := in.Source
	if source == "" {
		source = string(p.Incident)
	}
	c := writ.GrantClaims{
		Issuer: in.Issuer, Audience: p.Runner, Subject: subjectPrefix + writ.Printable(source, maxSource),
		Client: Client(p.Requester), ID: in.ID, Incident: p.Incident,
		IssuedAt: in.Now.Unix(), NotBefore: in.Now.Unix(), Expires: until.Unix(),
		Confirm:              writ.Confirmation{Thumbprint: p.Holder},
		AuthorizationDetails: []writ.Authorization{authorization(p, in.PlanDigest)},
		Writ: writ.GrantDetails{V: writ.FormatVersion, Tier: p.InForce(in.Decision.Tier), Mode: in.Mode, Decision: in.Decision.ID,
			Policy: p.Policy, EvidenceDigest: evidence, Approvals: digests, Duties: in.Decision.Duties},
	}
	if c.Expires <= c.IssuedAt {
		return none, writ.Refuse(writ.ReasonExpired, "less than a second is left to the plan or an approval")
	}
	if err := form(c); err != nil {
		return none, fmt.Errorf("%w: grant: %s", writ.ErrInvalid, err)
	}
	return c, nil
}

// maxSource bounds what an alert source can write into a grant.
const maxSource = 256

func authorization(p writ.Plan, digest writ.Digest) writ.Authorization {
	return writ.Authorization{
		Type: writ.AuthorizationType, Actions: Actions(p), Locations: Locations(p),
		Playbook: p.Playbook, Plan: p.ID, PlanDigest: digest,
		Limits: writ.GrantLimits{MaxObjects: p.Budget.MaxObjects, MaxRuns: 1, MaxPermille: p.Budget.MaxPermille},
	}
}

// counted returns the sorted digests of the approvals and when the first of them expires.
func counted(in Input) ([]writ.Digest, time.Time, error) {
	until := in.Now.Add(writ.MaxGrantLife)
	for _, a := range in.Approvals {
		s, err := writ.ParseApprovalStatement(a.Statement)
		if err != nil {
			return nil, until, err
		}
		switch {
		case s.Answer != writ.Approve:
			return nil, until, writ.Refuse(writ.ReasonRejected, "one of the answers is a rejection")
		case s.Plan != in.Plan.ID || !s.PlanDigest.Equal(in.PlanDigest):
			return nil, until, writ.Refuse(writ.ReasonApprovalMismatch, "an approval is for another plan")
		}
		until = earlier(until, s.Expires)
	}
	digests, err := digestsOf(in.Approvals)
	return digests, until, err
}

// digestsOf returns the digests of approvals, sorted; one that comes twice is an error.
func digestsOf(as []writ.Approval) ([]writ.Digest, error) {
	var out []writ.Digest
	for _, a := range as {
		d, err := a.Digest()
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b writ.Digest) int { return strings.Compare(a.String(), b.String()) })
	if !ascendingDigests(out) {
		return nil, writ.Refuse(writ.ReasonApprovalReplayed, "one approval stands twice")
	}
	return out, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
