package web_test

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
)

const changeID = writ.PolicyChangeID("pch_01JDB4ZK4E8Q6W2N7M5T9V3XCA")

// change is one that waits, with all that such a page can show.
func (f *fake) change() writ.PolicyChangeStatus {
	d := writ.DigestOf(nil)
	c := writ.PolicyChange{
		Type: writ.PolicyChangeType, ID: changeID, Proposer: writ.Person{Iss: human.Iss, Sub: "dora"}, Base: writ.PolicyName{Version: 6, Manifest: d, Policy: d},
		Next: writ.PolicyName{Version: 7, Manifest: d, Policy: d}, Restores: 5, Signers: []string{"one", "two"},
		Files: []writ.PolicyFile{{Path: "limits/when.cedar", Edit: writ.PolicyChanged, Was: d, Is: d}}, Rules: []writ.PolicyRule{{ID: "limits/same-fix", Edit: writ.PolicyChanged}},
		Tests: writ.PolicyTests{Cases: 70, Rules: 23}, Search: writ.PolicySearch{Tried: 4000, Found: []writ.PolicyDiffered{
			{Kind: "now allowed", Wider: true, Count: 7, Rules: []string{"limits/same-fix"}, Before: "deny (limit) by limits/same-fix", After: "allow by grants/low-risk"}}},
		Simulation: writ.PolicySimulation{Decisions: 120, Wider: true, Counts: map[string]int{"same": 119, "now allowed": 1}, Rows: []writ.PolicyReplays{
			{Kind: "now allowed", Decision: "dec_01JDB4ZK4E8Q6W2N7M5T9V3XCA", Playbook: "rollback-deployment", Service: "payments", Before: "deny (limit)", After: "allow"}}, Entries: 4000},
		Needs: writ.PolicyNeeds{Group: "platform", Approvals: 2, Proof: writ.ProofA}, MadeAt: writ.Instant(f.now), NotAfter: writ.Instant(f.now.Add(3 * time.Hour)),
	}
	s := writ.PolicyChangeStatus{ID: changeID, State: writ.PolicyWaiting, Because: "<b>as agreed</b>", Answers: []writ.PolicyAnswer{{Approver: other, Answer: writ.Approve, Proof: writ.ProofA, Key: "SHA256:x", At: f.now}}}
	var err error
	if s.Bytes, err = c.Bytes(); err == nil {
		s.Change, s.Digest, err = writ.ParsePolicyChange(s.Bytes)
	}
	if err != nil {
		panic(err)
	}
	return s
}

func (f *fake) PolicyChange(_ context.Context, _ writ.Principal, id writ.PolicyChangeID) (writ.PolicyChangeStatus, error) {
	if id != changeID {
		return writ.PolicyChangeStatus{}, writ.ErrNotFound
	}
	return f.change(), f.Err
}

func (f *fake) PolicyChanges(_ context.Context, _ writ.Principal, state writ.PolicyChangeState, _ int, _ string) ([]writ.PolicyChangeStatus, string, error) {
	if state != "" { // the inbox of these tests has plans
		return nil, "", f.Err
	}
	return []writ.PolicyChangeStatus{f.change()}, "", f.Err
}
