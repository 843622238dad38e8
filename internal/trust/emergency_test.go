package trust_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/trust"
)

// withEmergency is the example's trust file up to T3, with an emergency section that brings two people down to one.
func withEmergency(t testing.TB) trust.Trust {
	t.Helper()
	tr := vectorTrust(t)
	tr.Ceiling.MaxTier = writ.T3
	tr.Ceiling.Quorum = map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 1, Proof: writ.ProofC}, writ.T3: {Approvals: 2, Proof: writ.ProofC}}
	tr.Ceiling.Emergency = &trust.Emergency{
		Playbooks: []writ.PlaybookRef{{Name: "emergency-rollback", Version: 1, Digest: writ.DigestOf([]byte("emergency"))}}, AskProof: writ.ProofC,
		Quorum:     map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 1, Proof: writ.ProofC}, writ.T3: {Approvals: 1, Proof: writ.ProofC}},
		MaxObjects: 1, MaxPermille: tr.Ceiling.MaxPermille, RunsPerHour: 1,
		Offline: &trust.Offline{Approvals: 2, Scopes: []trust.Scope{{Service: "payments-api", Environment: "prod", Locations: tr.Ceiling.Targets[:1]}}},
	}
	must(t, tr.Check())
	return tr
}

func TestTwoApproversBecomeOneAndNeverNobodyInAnEmergency(t *testing.T) {
	tr := withEmergency(t)
	p := vectorPlan(t)
	p.Tier, p.Steps[0].Tier = writ.T3, writ.T3
	people := func(n int) approval.Tally { return approval.Tally{People: n, Proof: writ.ProofC} }
	wantReason(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, people(1), 0), writ.ReasonApprovalQuorum)
	must(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, people(2), 0))

	p.Playbook, p.Emergency = tr.Ceiling.Emergency.Playbooks[0], &writ.Emergency{ID: "bgl_01JDB4A2Q7N5S3J8E6X0F4G1MB", Ask: writ.DigestOf(nil)}
	must(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, people(1), 0))
	tr.Ceiling.HandleMaxTier = writ.T3
	wantReason(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, approval.Tally{}, 0), writ.ReasonApprovalQuorum)
	tr.Ceiling.Emergency.Quorum[writ.T3] = trust.Quorum{} // even if such a file could be loaded
	wantReason(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, approval.Tally{}, 0), writ.ReasonApprovalQuorum)
	wantReason(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, people(1), 1), writ.ReasonOverCeiling) // its own rate
	p.Playbook = playbook()
	wantReason(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, people(2), 0), writ.ReasonPlaybookUnpinned) // another list
	p.Playbook, p.Emergency = tr.Ceiling.Emergency.Playbooks[0], nil
	wantReason(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, people(2), 0), writ.ReasonPlaybookUnpinned)
	p.Reverts = "run_01JDB4A2Q7N5S3J8E6X0F4G1MB" // what break-glass ran is put back by two, as ever
	must(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, people(2), 0))
	wantReason(t, tr.AllowsPlan(p, p.Tier, writ.ModeHandle, people(1), 0), writ.ReasonApprovalQuorum)
}

func TestAnEmergencySectionWidensNothingAndAsksSomebody(t *testing.T) {
	for name, change := range map[string]func(tr *trust.Trust, e *trust.Emergency){
		"no playbook":              func(_ *trust.Trust, e *trust.Emergency) { e.Playbooks = nil },
		"a playbook of both lists": func(tr *trust.Trust, e *trust.Emergency) { e.Playbooks = append(e.Playbooks, tr.Playbooks[0]) },
		"an incomplete playbook":   func(_ *trust.Trust, e *trust.Emergency) { e.Playbooks[0].Digest = writ.Digest{} },
		"asks with plain keys":     func(_ *trust.Trust, e *trust.Emergency) { e.AskProof = writ.ProofD },
		"asks without a proof":     func(_ *trust.Trust, e *trust.Emergency) { e.AskProof = "" },
		"nobody at T2":             func(_ *trust.Trust, e *trust.Emergency) { e.Quorum[writ.T2] = trust.Quorum{} },
		"nobody at T3":             func(_ *trust.Trust, e *trust.Emergency) { e.Quorum[writ.T3] = trust.Quorum{} },
		"a tier left out":          func(_ *trust.Trust, e *trust.Emergency) { delete(e.Quorum, writ.T1) },
		"a tier above the ceiling": func(_ *trust.Trust, e *trust.Emergency) {
			e.Quorum[writ.T4] = trust.Quorum{Approvals: 1, Proof: writ.ProofA}
		},
		"no proof":           func(_ *trust.Trust, e *trust.Emergency) { e.Quorum[writ.T2] = trust.Quorum{Approvals: 1} },
		"more objects":       func(tr *trust.Trust, e *trust.Emergency) { e.MaxObjects = tr.Ceiling.MaxObjects + 1 },
		"more of a service":  func(tr *trust.Trust, e *trust.Emergency) { e.MaxPermille = tr.Ceiling.MaxPermille + 1 },
		"more runs":          func(tr *trust.Trust, e *trust.Emergency) { e.RunsPerHour = tr.Ceiling.RunsPerHour + 1 },
		"no rate":            func(_ *trust.Trust, e *trust.Emergency) { e.RunsPerHour = 0 },
		"one person offline": func(_ *trust.Trust, e *trust.Emergency) { e.Offline.Approvals = 1 },
		"nowhere offline":    func(_ *trust.Trust, e *trust.Emergency) { e.Offline.Scopes = nil },
		"offline, outside targets": func(_ *trust.Trust, e *trust.Emergency) {
			e.Offline.Scopes[0].Locations = []writ.Location{"kubernetes://elsewhere/x"}
		},
		"offline, a service twice": func(_ *trust.Trust, e *trust.Emergency) {
			e.Offline.Scopes = append(e.Offline.Scopes, e.Offline.Scopes[0])
		},
		"offline, without a target": func(_ *trust.Trust, e *trust.Emergency) { e.Offline.Scopes[0].Locations = nil },
	} {
		t.Run(name, func(t *testing.T) {
			tr := withEmergency(t)
			change(&tr, tr.Ceiling.Emergency)
			if err := tr.Check(); err == nil {
				t.Error("taken")
			}
		})
	}
}
