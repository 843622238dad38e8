package control_test

import (
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// TestI19NotNowIsInTheLedgerOnceForAWhile: whoever is told to come again later is in the ledger, by call and code; the
// repeats of a storm are not, until some time has passed.
func TestI19NotNowIsInTheLedgerOnceForAWhile(t *testing.T) {
	w := newWorld(t, anyTimes(t))
	_, h := w.granted()
	ask := w.restart(w.incident("shop").ID)
	told := func() (out []writ.DenyBody) {
		for _, e := range w.entries() {
			if b, ok := e.Body.(*writ.DenyBody); ok {
				out = append(out, *b)
			}
		}
		return out
	}
	storm := func(by writ.Principal, want writ.Reason) {
		t.Helper()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				_, err := w.ctl.Propose(w.ctx, by, ask)
				refused(t, err, want)
			})
		}
		all.Wait()
	}
	storm(second, writ.ReasonObjectBusy) // the repair is being carried out
	if got := told(); len(got) != 1 || got[0].What != "propose" || got[0].Reason != writ.ReasonObjectBusy || !got[0].By.Same(second) {
		t.Fatalf("a storm of one caller left %+v", got)
	}
	storm(human("rob"), writ.ReasonObjectBusy)
	h.succeed()
	storm(second, writ.ReasonCooldown) // another code
	if got := told(); len(got) != 3 || got[1].Reason != writ.ReasonObjectBusy || !got[1].By.Same(human("rob")) || got[2].Reason != writ.ReasonCooldown {
		t.Fatalf("another caller and another code left %+v", got)
	}
	w.pass(restartPause - time.Minute)
	storm(second, writ.ReasonCooldown)
	if n := len(told()); n != 3 {
		t.Errorf("repeats left %d entries more", n-3)
	}
	for _, sweep := range []bool{false, true} { // whether what was said has been forgotten or not
		w.pass(10 * time.Minute)
		if sweep {
			must(t, w.ctl.SweepOnce(w.ctx))
		}
		s := w.propose(repair, w.restart(w.incident("shop").ID))
		if s.State != writ.PlanGranted {
			t.Fatalf("%s %s %s", s.State, s.Reason, s.Detail)
		}
		h := w.runner.take()
		before := len(told())
		ask = w.restart(w.incident("shop").ID)
		storm(second, writ.ReasonObjectBusy)
		if n := len(told()) - before; n != 1 {
			t.Errorf("some time later a storm left %d entries", n)
		}
		h.succeed()
	}
}
