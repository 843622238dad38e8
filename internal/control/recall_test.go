package control_test

import (
	"testing"

	"github.com/writ-dev/writ"
)

func (w *world) recall(id writ.PlanID, sub string) (writ.PlanStatus, error) {
	w.t.Helper()
	return w.ctl.Recall(w.ctx, human(sub), id)
}

func TestARecalledApprovalDoesNotCountAndItsAuthorAnswersNoSecondTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, twoOwners(t))
	s := w.waiting()
	_, err := w.recall(s.ID, "ann") // she has given none
	refused(t, err, writ.ReasonNothingToRecall)
	_, err = w.approve(s.ID, "ann", "owner")
	must(t, err)
	_, err = w.recall(s.ID, "bob") // hers is not his to take back
	refused(t, err, writ.ReasonNothingToRecall)
	_, err = w.ctl.Recall(w.ctx, repair, s.ID)
	refused(t, err, writ.ReasonKind)
	now, err := w.recall(s.ID, "ann")
	must(t, err)
	if now.State != writ.PlanWaiting || len(now.Approvals) != 1 || now.Approvals[0].Recalled == nil {
		t.Fatalf("%s %+v", now.State, now.Approvals)
	}
	now, err = w.approve(s.ID, "bob", "owner")
	must(t, err)
	if now.State != writ.PlanWaiting {
		t.Errorf("%s: an approval that was taken back was counted", now.State)
	}
	_, err = w.approve(s.ID, "ann", "owner")
	refused(t, err, writ.ReasonApprovalReplayed)
	if w.count(writ.EntryRecall) != 1 || w.count(writ.EntryGrant) != 0 {
		t.Errorf("%d recalls, %d grants", w.count(writ.EntryRecall), w.count(writ.EntryGrant))
	}
}

func TestI14ARecallWinsUntilTheRunsFirstStepIsOnTheLedgerAndLosesAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	approved := func() (writ.PlanID, *held) {
		s := w.propose(repair, w.scale(w.incident("shop").ID))
		now, err := w.approve(s.ID, "ann", "owner")
		must(t, err)
		if now.State != writ.PlanGranted {
			t.Fatalf("%s %s", now.State, now.Detail)
		}
		return s.ID, w.runner.take()
	}
	id, h := approved()
	_, err := w.recall(id, "ann")
	must(t, err)
	if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused == nil || d.Refused.Code != writ.ReasonStopped {
		t.Fatalf("after the recall a step was allowed: %+v", d.Refused)
	}
	if w.count(writ.EntryStepIntent) != 0 || w.count(writ.EntryLease) != 0 {
		t.Error("the step or its lease was taken")
	}
	h.deliver(h.end(writ.RunRefused, writ.ReasonRevoked))

	w.pass(2 * restartPause)
	id, h = approved()
	if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused != nil {
		t.Fatalf("%+v", d.Refused)
	}
	_, err = w.recall(id, "ann")
	refused(t, err, writ.ReasonTooLateToRecall)
	if w.count(writ.EntryRecall) != 1 {
		t.Errorf("%d recalls are entered", w.count(writ.EntryRecall))
	}
}

func TestARecallSendsAPlanThatItsAgentHasNotFetchedBackToThePeople(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.owner(repair)
	s := w.propose(repair, o.ask(w.scale(w.incident("shop").ID)))
	now, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if now.State != writ.PlanReady {
		t.Fatal(now.State)
	}
	now, err = w.recall(s.ID, "ann")
	must(t, err)
	if now.State != writ.PlanWaiting || now.Needs.Approvals["owner"] != 1 {
		t.Errorf("%s, needs %v", now.State, now.Needs)
	}
	_, err = o.exchange(now)
	refused(t, err, writ.ReasonPending)
}
