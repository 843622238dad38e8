package runner_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/runner"
)

// INC-09: the runner keeps its own list of what Writ rests on, and no control plane can make an agent touch it.
func TestINC09ARunnerNeitherPlansNorRunsOnWhatWritRestsOn(t *testing.T) {
	guarded := func(c *runner.Config) { c.Protected = []writ.Location{scope[0]} }
	bubble(t, func(t *testing.T, w *world) {
		w.change = guarded
		w.start()
		if a := w.propose("one"); a.Refused == nil || a.Refused.Code != writ.ReasonProtected {
			t.Errorf("planned: %+v", a)
		}
	})
	bubble(t, func(t *testing.T, w *world) { // planned before the list was made longer
		w.start()
		g := w.grant(w.planned("one"))
		w.stop()
		w.change = guarded
		w.start()
		if end := w.execute(g); end.State != writ.RunRefused || end.Reason != writ.ReasonProtected {
			t.Errorf("%+v", end)
		}
		if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
			t.Errorf("%d calls, %d leases", calls, w.target.mints)
		}
	})
	bubble(t, func(t *testing.T, w *world) { // a person may
		w.change = guarded
		w.start()
		if a := w.propose("one", func(p *assignment.Planning) {
			w.askedBy(p, writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.test", Sub: "bob"})
		}); a.Planned == nil {
			t.Errorf("%+v", a.Refused)
		}
	})
}
