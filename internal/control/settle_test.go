package control_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// TestI02WhoCouldNotHaveApprovedARunDoesNotSettleIt: a word on what a run did unlocks its object. It is not for the owner
// of the agent that asked, nor for anybody who does not answer for the service.
func TestI02WhoCouldNotHaveApprovedARunDoesNotSettleIt(t *testing.T) {
	w := newWorld(t)
	r := w.uncertain()
	for who, want := range map[string]writ.Reason{
		"rob":    writ.ReasonApproverConflict, // his agent asked
		"carl":   writ.ReasonApproverUnknown,  // of another team
		"nobody": writ.ReasonApproverUnknown,  // not on the roster
	} {
		before := w.count(writ.EntryDeny)
		_, err := w.ctl.Settle(w.ctx, human(who), r.ID, 1, writ.NotApplied, "nothing has changed")
		refused(t, err, want)
		if w.count(writ.EntryDeny) != before+1 || w.count(writ.EntrySettle) != 0 {
			t.Errorf("%s: the refusal is not in the ledger, or the settlement is", who)
		}
	}
	if got, err := w.ctl.Settle(w.ctx, human("ann"), r.ID, 1, writ.NotApplied, "nothing has changed"); err != nil || len(got.Open) != 0 {
		t.Errorf("somebody of the team: %+v %v", got.Open, err)
	}
}

// Whoever asks for an undo does not settle it either.
func TestI02WhoeverAskedForAnUndoDoesNotSettleIt(t *testing.T) {
	w := newWorld(t)
	w.puttingBack(nil)
	in, _ := w.twoRuns()
	u, err := w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{})
	must(t, err)
	w.settled(human("bob"), u.Runs[0].Plan)
	h := w.runner.take()
	h.endedAs(writ.RunUncertain)
	_, err = w.ctl.Settle(w.ctx, human("bob"), h.b.Run, 1, writ.Applied, "it is back")
	refused(t, err, writ.ReasonApproverConflict)
	_, err = w.ctl.Settle(w.ctx, human("ann"), h.b.Run, 1, writ.Applied, "it is back")
	must(t, err)
}

// An agent whose registration is gone may have belonged to anybody.
func TestI02TheRunOfAnAgentNobodyKnowsIsSettledByNobody(t *testing.T) {
	w := newWorld(t)
	r := w.uncertain()
	c := w.config
	c.Agents = c.Agents[:1]
	without, err := control.New(c)
	must(t, err)
	_, err = without.Settle(w.ctx, human("ann"), r.ID, 1, writ.Applied, "x")
	refused(t, err, writ.ReasonApproverConflict)
}

// TestI16ASettledRunIsPutBackAsItWasSettled: what a person said was applied is put back; what they said was not, is not.
func TestI16ASettledRunIsPutBackAsItWasSettled(t *testing.T) {
	for _, as := range []writ.Effect{writ.Applied, writ.NotApplied} {
		t.Run(as.String(), func(t *testing.T) {
			w := newWorld(t)
			w.puttingBack(nil)
			r := w.uncertain()
			_, err := w.ctl.Undo(w.ctx, human("bob"), r.Incident, writ.UndoAsk{})
			refused(t, err, writ.ReasonUnsettled)
			_, err = w.ctl.Settle(w.ctx, human("ann"), r.ID, 1, as, "I looked")
			must(t, err)
			u, err := w.ctl.Undo(w.ctx, human("bob"), r.Incident, writ.UndoAsk{})
			if as == writ.NotApplied {
				refused(t, err, writ.ReasonNothingToUndo)
				return
			}
			must(t, err)
			p := w.settled(human("bob"), u.Runs[0].Plan)
			if p.Plan == nil || p.Plan.Reverts != r.ID || len(p.Plan.Steps) != 1 {
				t.Fatalf("the undo of a settled run is %s (%s %s)", p.State, p.Reason, p.Detail)
			}
			if p.State == writ.PlanWaiting {
				_, err := w.approve(p.ID, "ann", "owner")
				must(t, err)
			}
			w.runner.take().succeed()
			w.pass(2 * time.Second)
			must(t, w.ctl.SweepOnce(w.ctx))
			_, err = w.ctl.Undo(w.ctx, human("bob"), r.Incident, writ.UndoAsk{})
			refused(t, err, writ.ReasonNothingToUndo)
		})
	}
}
