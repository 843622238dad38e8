package trust_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/trust"
)

// counted is the tally of the golden approval on the runner's own roster.
func counted(t testing.TB, tr trust.Trust) approval.Tally {
	t.Helper()
	p, digest := planAndDigest(t)
	tally, err := approval.Count(tr.Question(p, digest, p.Tier, madeAt.Add(3*time.Minute)), []writ.Approval{vectorApproval(t)})
	must(t, err)
	return tally
}

func TestI12TheCeilingBoundsEveryPlanWhateverItsGrantSays(t *testing.T) {
	other := writ.Step{Operation: "kubernetes/workload.rollback", Tier: writ.T2,
		Object: writ.Object{Location: "kubernetes://prod-eu1/search/deployment/api"}, Blast: writ.Blast{Objects: 1}}
	for name, c := range map[string]struct {
		change func(*trust.Trust, *writ.Plan)
		want   writ.Reason
	}{
		"as granted":               {func(*trust.Trust, *writ.Plan) {}, ""},
		"one byte of the playbook": {func(_ *trust.Trust, p *writ.Plan) { p.Playbook.Digest = writ.DigestOf([]byte("the playbook's sourcf")) }, writ.ReasonPlaybookUnpinned},
		"another version":          {func(_ *trust.Trust, p *writ.Plan) { p.Playbook.Version++ }, writ.ReasonPlaybookUnpinned},
		"another name":             {func(_ *trust.Trust, p *writ.Plan) { p.Playbook.Name = "restart" }, writ.ReasonPlaybookUnpinned},
		"no digest":                {func(_ *trust.Trust, p *writ.Plan) { p.Playbook.Digest = writ.Digest{} }, writ.ReasonPlaybookUnpinned},
		"another runner":           {func(_ *trust.Trust, p *writ.Plan) { p.Runner = "spiffe://example.com/runner/other" }, writ.ReasonOverCeiling},
		"no steps":                 {func(_ *trust.Trust, p *writ.Plan) { p.Steps = nil }, writ.ReasonOverCeiling},
		"a higher tier": {func(tr *trust.Trust, p *writ.Plan) {
			p.Tier = writ.T3
			tr.Ceiling.Quorum[writ.T3] = trust.Quorum{Approvals: 1, Proof: writ.ProofD}
		}, writ.ReasonOverCeiling},
		"a higher tier of a step": {func(_ *trust.Trust, p *writ.Plan) { p.Steps[0].Tier = writ.T3 }, writ.ReasonOverCeiling},
		"an unknown tier":         {func(_ *trust.Trust, p *writ.Plan) { p.Tier = 9 }, writ.ReasonOverCeiling},
		"another operation":       {func(_ *trust.Trust, p *writ.Plan) { p.Steps[0].Operation = "kubernetes/workload.scale" }, writ.ReasonOverCeiling},
		"another namespace": {func(_ *trust.Trust, p *writ.Plan) {
			p.Steps[0].Object.Location = "kubernetes://prod-eu1/payments-db/pod/a"
		}, writ.ReasonOverCeiling},
		"a second step outside":   {func(_ *trust.Trust, p *writ.Plan) { p.Steps = append(p.Steps, other); p.Budget.MaxObjects = 9 }, writ.ReasonOverCeiling},
		"too many objects":        {func(_ *trust.Trust, p *writ.Plan) { p.Steps[0].Blast.Objects, p.Budget.MaxObjects = 4, 9 }, writ.ReasonOverCeiling},
		"more than its budget":    {func(_ *trust.Trust, p *writ.Plan) { p.Steps[0].Blast.Objects = 2 }, writ.ReasonOverCeiling},
		"too much capacity":       {func(_ *trust.Trust, p *writ.Plan) { p.Steps[0].Blast.Permille, p.Budget.MaxPermille = 301, 900 }, writ.ReasonOverCeiling},
		"an understated radius":   {func(_ *trust.Trust, p *writ.Plan) { p.Blast, p.Steps[0].Blast.Objects = writ.Blast{}, 2 }, writ.ReasonOverCeiling},
		"a plan without a radius": {func(_ *trust.Trust, p *writ.Plan) { p.Blast.Permille = -1 }, writ.ReasonOverCeiling},
		"a plan without a count":  {func(_ *trust.Trust, p *writ.Plan) { p.Blast.Objects = -1 }, writ.ReasonOverCeiling},
		"a radius not computed":   {func(_ *trust.Trust, p *writ.Plan) { p.Steps[0].Blast.Permille = -1 }, writ.ReasonOverCeiling},
	} {
		t.Run(name, func(t *testing.T) {
			tr := vectorTrust(t)
			tally := counted(t, tr)
			p := vectorPlan(t)
			c.change(&tr, &p)
			if got := writ.ReasonOf(tr.AllowsPlan(p, p.Tier, writ.ModeHandle, tally, 0)); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestI12TheRateIsTheCeilings(t *testing.T) {
	tr := vectorTrust(t)
	tally, p := counted(t, tr), vectorPlan(t)
	for runs, want := range map[int]writ.Reason{0: "", 5: "", 6: writ.ReasonOverCeiling, -1: writ.ReasonOverCeiling} {
		if got := writ.ReasonOf(tr.AllowsPlan(p, p.Tier, writ.ModeHandle, tally, runs)); got != want {
			t.Errorf("%d runs: got %q, want %q", runs, got, want)
		}
	}
}

// A grant under stolen issuer and ledger keys comes without genuine approvals.
func TestI12WithoutGenuineApprovalsNothingHappensFromT2On(t *testing.T) {
	tr := vectorTrust(t)
	wantReason(t, tr.AllowsPlan(vectorPlan(t), writ.T2, writ.ModeHandle, approval.Tally{}, 0), writ.ReasonOverCeiling)
	tr.Ceiling.HandleMaxTier = writ.T2
	wantReason(t, tr.AllowsPlan(vectorPlan(t), writ.T2, writ.ModeHandle, approval.Tally{}, 0), writ.ReasonApprovalQuorum)
	tr.Ceiling.Quorum[writ.T2] = trust.Quorum{} // even if such a file could be loaded
	wantReason(t, tr.AllowsPlan(vectorPlan(t), writ.T2, writ.ModeHandle, approval.Tally{}, 0), writ.ReasonApprovalQuorum)

	t1 := vectorPlan(t)
	t1.Tier, t1.Steps[0].Tier = writ.T1, writ.T1
	must(t, vectorTrust(t).AllowsPlan(t1, writ.T1, writ.ModeHandle, approval.Tally{}, 0))
	unsaid := vectorTrust(t)
	delete(unsaid.Ceiling.Quorum, writ.T1)
	wantReason(t, unsaid.AllowsPlan(t1, writ.T1, writ.ModeHandle, approval.Tally{}, 0), writ.ReasonOverCeiling)
	tr.Ceiling.HandleMaxTier = writ.T0
	wantReason(t, tr.AllowsPlan(t1, writ.T1, writ.ModeHandle, approval.Tally{}, 0), writ.ReasonOverCeiling)
	wantReason(t, vectorTrust(t).AllowsPlan(t1, writ.T1, "bearer", approval.Tally{}, 0), writ.ReasonOverCeiling)
}

func TestTheCeilingsQuorumAndProofHoldWhateverThePolicySays(t *testing.T) {
	tr := vectorTrust(t)
	tally := counted(t, tr)
	tr.Ceiling.Quorum[writ.T2] = trust.Quorum{Approvals: 2, Proof: writ.ProofD}
	wantReason(t, tr.AllowsPlan(vectorPlan(t), writ.T2, writ.ModeHandle, tally, 0), writ.ReasonApprovalQuorum)
	tr.Ceiling.Quorum[writ.T2] = trust.Quorum{Approvals: 1, Proof: writ.ProofC}
	wantReason(t, tr.AllowsPlan(vectorPlan(t), writ.T2, writ.ModeHandle, tally, 0), writ.ReasonApprovalProof)
	tally.Proof = ""
	tr.Ceiling.Quorum[writ.T2] = trust.Quorum{Approvals: 1}
	wantReason(t, tr.AllowsPlan(vectorPlan(t), writ.T2, writ.ModeHandle, tally, 0), writ.ReasonApprovalProof)
}

func TestI02TheRunnerCountsOnItsOwnRoster(t *testing.T) {
	p, digest := planAndDigest(t)
	at := madeAt.Add(3 * time.Minute)
	as := []writ.Approval{vectorApproval(t)}
	for name, c := range map[string]struct {
		change func(*trust.Trust)
		want   writ.Reason
	}{
		"as it is":                       {func(*trust.Trust) {}, ""},
		"the approver left":              {func(tr *trust.Trust) { tr.Approvers = tr.Approvers[1:] }, writ.ReasonApproverUnknown},
		"the approver's key left":        {func(tr *trust.Trust) { tr.Approvers[0].Keys = []string{sshLine(t, "alice 2")} }, writ.ReasonApproverUnknown},
		"the approver's group left":      {func(tr *trust.Trust) { tr.Approvers[0].Groups = []string{"search"} }, writ.ReasonApproverUnknown},
		"the key is newer than the plan": {func(tr *trust.Trust) { tr.Approvers[0].Since = at }, writ.ReasonApproverUnknown},
		"the agent has no owner":         {func(tr *trust.Trust) { tr.AgentOwners = nil }, writ.ReasonApproverConflict},
		"the approver owns the agent":    {func(tr *trust.Trust) { tr.AgentOwners[0].Owner = alice }, writ.ReasonApproverConflict},
		"the service is not listed":      {func(tr *trust.Trust) { tr.Services = nil }, writ.ReasonApproverUnknown},
		"the slot is another group's":    {func(tr *trust.Trust) { tr.Services[0].Slots["owner"] = "oncall" }, writ.ReasonApproverUnknown},
	} {
		tr := vectorTrust(t)
		c.change(&tr)
		_, err := approval.Count(tr.Question(p, digest, p.Tier, at), as)
		if got := writ.ReasonOf(err); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestAZeroTrustAllowsNothing(t *testing.T) {
	var tr trust.Trust
	wantReason(t, tr.AllowsPlan(vectorPlan(t), writ.T2, writ.ModeHandle, approval.Tally{People: 9, Proof: writ.ProofA}, 0), writ.ReasonPlaybookUnpinned)
	if tr.PinsPlaybook(playbook()) || tr.PinsPlaybook(writ.PlaybookRef{}) {
		t.Error("it pins a playbook")
	}
	wantReason(t, tr.Live(madeAt), writ.ReasonTrustExpired)
}

func BenchmarkAllowsPlan(b *testing.B) {
	tr := vectorTrust(b)
	tally, p := counted(b, tr), vectorPlan(b)
	for b.Loop() {
		if err := tr.AllowsPlan(p, p.Tier, writ.ModeHandle, tally, 0); err != nil {
			b.Fatal(err)
		}
	}
}
