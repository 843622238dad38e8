package runner_test

import (
	"testing"

	"github.com/writ-dev/writ"
)

// lastCheck is the last entry about a check of the run.
func (w *world) lastCheck() (last writ.VerifyBody) {
	for _, e := range w.control.entries() {
		if b, ok := e.Body.(*writ.VerifyBody); ok {
			last = *b
		}
	}
	return last
}

// A check that does not hold is waited for as long as its playbook says, and no longer than the grant's duty.
func TestADutyBoundsTheVerification(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		w.target.Unhelpful = true
		g := w.grant(w.planned("one"))
		w.execute(g)
		playbook := w.lastCheck().Millis

		g = w.grant(w.planned("one"))
		g.claims.Writ.Duties = writ.Duties{VerifyWithin: 1}
		end := w.execute(g)
		if got := w.lastCheck().Millis; end.State != writ.RunUndone || got >= playbook || got > 3000 {
			t.Errorf("the run is %s after %d ms; the playbook alone waits %d ms", end.State, got, playbook)
		}
		w.allDead()
		w.stop()
	})
}
