package control_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// lost is how long nothing is heard of a runner before its runs are given up.
const lost = 6 * time.Minute

// TestR38ARunOfALostRunnerIsBoundedAndHeldUntilAPersonSettlesIt: the runner begins a step and never comes back, and no other
// process stands by. The run ends as uncertain, is shown, keeps what it holds, and gives it back when a person has
// looked. What the runner says when it comes back after all changes nothing of that.
func TestR38ARunOfALostRunnerIsBoundedAndHeldUntilAPersonSettlesIt(t *testing.T) {
	w, h, c := inCell(t)
	intent := h.intent()
	h.claimed(c, h.leaseEntry(), intent)
	w.runner.stop()
	w.pass(lost - time.Minute) // now its runner is doubted
	must(t, w.ctl.SweepOnce(w.ctx))
	w.pass(time.Minute - time.Second)
	must(t, w.ctl.SweepOnce(w.ctx))
	if r := w.run(h.b.Run); r.State != writ.RunRunning {
		t.Fatalf("before its time it is %s (%s)", r.State, r.Reason)
	}
	w.pass(time.Second)
	for range 2 { // two replicas
		must(t, w.ctl.SweepOnce(w.ctx))
	}
	r := w.run(h.b.Run)
	if r.State != writ.RunUncertain || r.Reason != writ.ReasonRunnerLost || len(r.Open) != 1 || w.count(writ.EntryPlanEnd) != 1 {
		t.Fatalf("%s (%s), open %+v, %d ends", r.State, r.Reason, r.Open, w.count(writ.EntryPlanEnd))
	}
	if n, locks, _ := w.held(); n != 1 || locks == 0 {
		t.Errorf("%d reservations and %d locks are kept", n, locks)
	}
	if st := w.status(); len(st.Unsettled) != 1 || st.Unsettled[0] != r.ID || !st.Runners[0].Silent {
		t.Errorf("the status shows %v, %+v", st.Unsettled, st.Runners)
	}
	// It comes back: nothing moves.
	_, err := w.beat(first, 1)
	must(t, err)
	if d := h.claimed(c, h.effect(intent, writ.Applied), h.end(writ.RunSucceeded, "")); d.Refused != nil {
		t.Errorf("what it says of the past is refused: %+v", d.Refused)
	}
	if again := w.run(r.ID); again.State != writ.RunUncertain || again.Reason != writ.ReasonRunnerLost {
		t.Errorf("its word moved the run: %s (%s)", again.State, again.Reason)
	}
	if n, locks, _ := w.held(); n != 1 || locks == 0 {
		t.Errorf("its word freed what the run holds: %d and %d", n, locks)
	}
	if _, err := w.ctl.Settle(w.ctx, human("ann"), r.ID, 1, writ.Applied, "I looked"); err != nil {
		t.Fatal(err)
	}
	if n, locks, _ := w.held(); n != 0 || locks != 0 {
		t.Errorf("settled, it still holds %d reservations and %d locks", n, locks)
	}
	if st := w.status(); len(st.Unsettled) != 0 {
		t.Errorf("the status still shows %v", st.Unsettled)
	}
}

// A clock that jumps makes a runner look lost that is there: it is heard of again while it is doubted, and keeps its run.
func TestR38ARunnerThatOnlyTheClockLostKeepsItsRun(t *testing.T) {
	w, h, c := inCell(t)
	h.claimed(c, h.leaseEntry(), h.intent())
	w.pass(time.Hour)
	must(t, w.ctl.SweepOnce(w.ctx))
	_, err := w.beat(first, 1)
	must(t, err)
	for range 3 {
		w.pass(time.Minute)
		must(t, w.ctl.SweepOnce(w.ctx))
	}
	if r := w.run(h.b.Run); r.State != writ.RunRunning {
		t.Errorf("it is %s (%s)", r.State, r.Reason)
	}
}

// A runner that is heard of, however long its run takes, is not lost.
func TestR38ARunnerThatIsHeardOfIsNotLost(t *testing.T) {
	w, h, c := inCell(t)
	h.claimed(c, h.leaseEntry(), h.intent())
	for range 10 {
		w.pass(lost - time.Second)
		_, err := w.beat(first, 1)
		must(t, err)
		must(t, w.ctl.SweepOnce(w.ctx))
	}
	if r := w.run(h.b.Run); r.State != writ.RunRunning {
		t.Errorf("it is %s (%s)", r.State, r.Reason)
	}
}
