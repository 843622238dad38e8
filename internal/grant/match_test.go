package grant_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
)

func TestI03AGrantForAnythingButThisPlanIsRefusedPartByPart(t *testing.T) {
	other := writ.DigestOf([]byte("other"))
	detail := func(change func(*writ.Authorization)) func(*writ.GrantClaims) {
		return func(c *writ.GrantClaims) { change(&c.AuthorizationDetails[0]) }
	}
	for name, c := range map[string]struct {
		change func(*writ.GrantClaims)
		want   writ.Reason
	}{
		"playbook digest":  {detail(func(a *writ.Authorization) { a.Playbook.Digest = other }), writ.ReasonPlaybookAltered},
		"playbook version": {detail(func(a *writ.Authorization) { a.Playbook.Version++ }), writ.ReasonPlaybookAltered},
		"playbook name":    {detail(func(a *writ.Authorization) { a.Playbook.Name = "restart" }), writ.ReasonPlaybookAltered},
		"evidence":         {func(c *writ.GrantClaims) { c.Writ.EvidenceDigest = other }, writ.ReasonEvidenceAltered},
		"policy":           {func(c *writ.GrantClaims) { c.Writ.Policy = other }, writ.ReasonPolicyAltered},
		"more objects":     {detail(func(a *writ.Authorization) { a.Limits.MaxObjects++ }), writ.ReasonBudgetAltered},
		"more capacity":    {detail(func(a *writ.Authorization) { a.Limits.MaxPermille++ }), writ.ReasonBudgetAltered},
		"holder":           {func(c *writ.GrantClaims) { c.Confirm.Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }, writ.ReasonHolderAltered},
		"plan":             {detail(func(a *writ.Authorization) { a.Plan = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MC" }), writ.ReasonPlanMismatch},
		"incident":         {func(c *writ.GrantClaims) { c.Incident = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WE" }, writ.ReasonPlanMismatch},
		"runner":           {func(c *writ.GrantClaims) { c.Audience = "spiffe://example.com/runner/other" }, writ.ReasonPlanMismatch},
		"requester":        {func(c *writ.GrantClaims) { c.Client = "spiffe://example.com other" }, writ.ReasonPlanMismatch},
		"another action":   {detail(func(a *writ.Authorization) { a.Actions[0] = "kubernetes/workload.restart" }), writ.ReasonPlanMismatch},
		"one action more":  {detail(func(a *writ.Authorization) { a.Actions = append(a.Actions, "kubernetes/workload.scale") }), writ.ReasonPlanMismatch},
		"another location": {detail(func(a *writ.Authorization) { a.Locations[0] = "kubernetes://prod-eu1/payments/deployment/other" }), writ.ReasonPlanMismatch},
		"a wider location": {detail(func(a *writ.Authorization) { a.Locations[0] = "kubernetes://prod-eu1/payments" }), writ.ReasonPlanMismatch},
		"a lower tier":     {func(c *writ.GrantClaims) { c.Writ.Tier = writ.T1 }, writ.ReasonTierUnderstated},
		"no tier":          {func(c *writ.GrantClaims) { c.Writ.Tier = writ.T0 }, writ.ReasonGrantClaims},
		"an unknown tier":  {func(c *writ.GrantClaims) { c.Writ.Tier = 9 }, writ.ReasonGrantClaims},
		"plan digest":      {detail(func(a *writ.Authorization) { a.PlanDigest = other }), writ.ReasonPlanDigest},
		"no details":       {func(c *writ.GrantClaims) { c.AuthorizationDetails = nil }, writ.ReasonGrantClaims},
		"no claims":        {func(c *writ.GrantClaims) { *c = writ.GrantClaims{} }, writ.ReasonGrantClaims},
	} {
		t.Run(name, func(t *testing.T) {
			p, digest := vector(t)
			claims := mint(t, input(t))
			must(t, grant.Match(claims, p, digest))
			c.change(&claims)
			wantReason(t, grant.Match(claims, p, digest), c.want)
		})
	}
}

func TestI03APlanThatIsAlteredNoLongerFitsItsGrant(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*writ.Plan)
		want   writ.Reason
	}{
		"call":   {func(p *writ.Plan) { p.Steps[0].Call.Method = "DELETE" }, writ.ReasonPlanDigest},
		"title":  {func(p *writ.Plan) { p.Title = "Read a pod" }, writ.ReasonPlanDigest},
		"object": {func(p *writ.Plan) { p.Steps[0].Object.Location += "x" }, writ.ReasonPlanMismatch},
		"budget": {func(p *writ.Plan) { p.Budget.MaxObjects++ }, writ.ReasonBudgetAltered},
		"policy": {func(p *writ.Plan) { p.Policy = writ.DigestOf([]byte("other")) }, writ.ReasonPolicyAltered},
	} {
		p, _ := vector(t)
		c.change(&p)
		b, err := p.Bytes()
		must(t, err)
		p, digest, err := writ.ParsePlan(b)
		must(t, err)
		if got := writ.ReasonOf(grant.Match(mint(t, input(t)), p, digest)); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestI03ExactlyTheApprovalsThatWereCountedComeWithTheGrant(t *testing.T) {
	one := vectorApproval(t)
	resigned := one
	resigned.Signature += "\n"
	claims := mint(t, input(t))
	must(t, grant.MatchApprovals(claims, []writ.Approval{one}))
	for name, as := range map[string][]writ.Approval{
		"none":              nil,
		"the same twice":    {one, one},
		"one more":          {one, resigned},
		"another signature": {resigned},
		"an empty approval": {{}},
	} {
		if got := writ.ReasonOf(grant.MatchApprovals(claims, as)); got != writ.ReasonApprovalsAltered {
			t.Errorf("%s: got %q", name, got)
		}
	}
	in := input(t)
	in.Approvals = nil
	without := mint(t, in)
	must(t, grant.MatchApprovals(without, nil))
	if got := writ.ReasonOf(grant.MatchApprovals(without, []writ.Approval{one})); got != writ.ReasonApprovalsAltered {
		t.Errorf("an approval too many: got %q", got)
	}
}
