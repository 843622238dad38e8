package runner_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/trust"
)

// reaching is a trust file whose ceiling lets people run what counts as T4.
func reaching(tr *trust.Trust) {
	two := trust.Quorum{Approvals: 2, Proof: writ.ProofD}
	tr.Ceiling.MaxTier, tr.Ceiling.Quorum = writ.T4, map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 1, Proof: writ.ProofD}, writ.T3: two, writ.T4: two}
}

// typing is an answer as of T4, in which the object's name was typed.
func typing(p writ.Plan) func(*writ.ApprovalStatement) {
	return func(s *writ.ApprovalStatement) { s.Tier, s.Typed = writ.T4, approval.Confirmation(p) }
}

// asOf is an answer to the plan as of a tier.
func asOf(tier writ.Tier) func(*writ.ApprovalStatement) {
	return func(s *writ.ApprovalStatement) { s.Tier = tier }
}

// TestI12ARunnerHoldsAPlanToTheTierInForce: a plan of T2 that policy raised is run on the word of as many people, given as the
// raised tier demands; the grant's entry in the ledger and the grant itself say the same tier; and the ceiling is for that one.
func TestI12ARunnerHoldsAPlanToTheTierInForce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		p := w.bounded("high", reaching).plan
		as := func(token, entry writ.Tier, approvals ...writ.Approval) *issued {
			g := w.grant(p, approvals...)
			g.claims.Writ.Tier = token
			g.body = func(b *writ.GrantBody) { b.Tier = entry }
			return g
		}
		if p.Tier != writ.T2 {
			t.Fatalf("the plan is of %s", p.Tier)
		}
		w.wantUntouched(as(writ.T3, writ.T3, w.approve(p, "ann", asOf(writ.T3))), writ.ReasonApprovalQuorum)
		w.wantUntouched(as(writ.T3, writ.T3, w.approve(p, "ann", asOf(writ.T3)), w.approve(p, "bob")), writ.ReasonApprovalMismatch)
		w.wantUntouched(as(writ.T4, writ.T4, w.approve(p, "ann", typing(p))), writ.ReasonApprovalQuorum)
		w.wantUntouched(as(writ.T4, writ.T4, w.approve(p, "ann", typing(p)), w.approve(p, "bob", asOf(writ.T4))), writ.ReasonApprovalMismatch)
		w.wantUntouched(as(writ.T2, writ.T4, w.approve(p, "ann")), writ.ReasonNotInLedger)
		w.wantUntouched(as(writ.T4, writ.T2, w.approve(p, "ann", typing(p)), w.approve(p, "bob", typing(p))), writ.ReasonNotInLedger)
		w.trust.Version++
		w.trust.Ceiling.MaxTier = writ.T3
		delete(w.trust.Ceiling.Quorum, writ.T4)
		w.sign()
		w.wantUntouched(as(writ.T4, writ.T4, w.approve(p, "ann", typing(p)), w.approve(p, "bob", typing(p))), writ.ReasonOverCeiling)
		if end := w.execute(as(writ.T3, writ.T3, w.approve(p, "ann", asOf(writ.T3)), w.approve(p, "bob", asOf(writ.T4)))); end.State != writ.RunSucceeded {
			t.Errorf("as T3, by two people, it ended as %s: %s", end.State, end.Reason)
		}
	})
}

// TestI18AFeedIsAsFreshAsTheTierInForceDemands: a feed of a minute is young enough for a plan of T1, and too old for the same
// plan once policy has raised it. The control plane is told with the plan how far the ceiling goes.
func TestI18AFeedIsAsFreshAsTheTierInForceDemands(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.control.FeedAge = time.Minute
		w.start()
		a := w.propose("one")
		if a.Planned == nil || a.Planned.MaxTier != w.trust.Ceiling.MaxTier {
			t.Fatalf("planned %+v, the ceiling ends at %s", a.Planned, w.trust.Ceiling.MaxTier)
		}
		p, _, err := writ.ParsePlan(a.Planned.Plan)
		must(t, err)
		raised := w.grant(p, w.approve(p, "ann"))
		raised.claims.Writ.Tier = writ.T2
		raised.body = func(b *writ.GrantBody) { b.Tier = writ.T2 }
		w.wantUntouched(raised, writ.ReasonFeedStale)
		if end := w.execute(w.grant(w.planned("one"))); end.State != writ.RunSucceeded {
			t.Errorf("as T1 it ended as %s: %s", end.State, end.Reason)
		}
	})
}
