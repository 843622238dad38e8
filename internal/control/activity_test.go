package control_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// TestAgentsRecordTellsProposalsDenialsByReasonAndOutcomes is requirement 6 of the agents' door: who builds or answers for an agent
// sees what it asks for and why it is refused.
func TestAgentsRecordTellsProposalsDenialsByReasonAndOutcomes(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	if r := w.record("repair"); r.LastSeen != nil || r.Proposals != 0 {
		t.Fatalf("an agent that nobody has heard of: %+v", r)
	}
	before := w.record("repair").Digest
	must(t, w.ctl.Admit(w.ctx, repair))
	for range 2 {
		_, err := w.ctl.Propose(w.ctx, repair, writ.Ask{Incident: in, Playbook: "no-such-playbook"})
		refused(t, err, writ.ReasonUnknownPlaybook)
	}
	w.pass(time.Second)
	w.proposed(repair, w.scaleTo(in, 5)) // it waits for people
	r := w.record("repair")
	if r.Proposals != 1 || r.Denials[writ.ReasonUnknownPlaybook] != 2 || r.LastSeen == nil || !r.LastSeen.Equal(begin) {
		t.Fatalf("%+v", r.AgentActivity)
	}
	if top := r.TopDenials(1); len(top) != 1 || top[0] != (writ.DenialCount{Reason: writ.ReasonUnknownPlaybook, Count: 2}) {
		t.Errorf("%v", top)
	}
	if r.Digest != before {
		t.Error("what an agent is doing changed what people decide on")
	}
	if b := w.record("repair").Budgets; len(b) != 1 || b[0] != (writ.BudgetUse{What: "open plans for shop", Used: 1, Limit: 10}) {
		t.Errorf("%v", b)
	}
	if r := w.record("second"); r.Proposals+len(r.Denials) != 0 {
		t.Errorf("another agent's record: %+v", r.AgentActivity)
	}
}

func TestIdentityThatNobodyRegisteredGetsNoRecordHoweverOftenItAsks(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	stranger := writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "stranger"}
	_, err := w.ctl.Propose(w.ctx, stranger, writ.Ask{Incident: in, Playbook: "restart-workload"})
	refused(t, err, writ.ReasonAgentUnregistered)
	must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Records, store.Filter{State: "agent"})
		if len(rows) != 0 {
			t.Errorf("%d records", len(rows))
		}
		return err
	}))
}
