package runner_test

import (
	"testing"

	"github.com/writ-dev/writ"
)

func unitsOf(ready, down, floor int) []writ.Units {
	return []writ.Units{{Workload: targetName + "/things/a", Wanted: 3, Ready: ready, Down: down, Floor: floor, By: writ.FloorBudget}}
}

// Between plan and run the inventory changes, and the object's own version does not tell.
func TestI09InventoryIsReadAgainBeforeTheFirstStep(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*fakeTarget)
		want   writ.RunState
	}{
		"nothing changed":                 {func(*fakeTarget) {}, writ.RunSucceeded},
		"more is ready":                   {func(f *fakeTarget) { f.Units = unitsOf(5, 1, 2) }, writ.RunSucceeded},
		"another unit went down":          {func(f *fakeTarget) { f.Units = unitsOf(2, 1, 1) }, writ.RunRefused},
		"its owners demand more":          {func(f *fakeTarget) { f.Units = unitsOf(3, 1, 3) }, writ.RunRefused},
		"it would take more away":         {func(f *fakeTarget) { f.Units = unitsOf(5, 2, 2) }, writ.RunRefused},
		"it would reach a larger share":   {func(f *fakeTarget) { f.Permille = 101 }, writ.RunRefused},
		"its share is not known any more": {func(f *fakeTarget) { f.Permille = -1 }, writ.RunRefused},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.target.Units = unitsOf(3, 1, 2)
				w.start()
				g := w.grant(w.planned("one"))
				x.change(w.target)
				end := w.execute(g)
				calls, _ := w.target.calls()
				switch {
				case end.State != x.want:
					t.Errorf("the run is %s: %s", end.State, end.Reason)
				case x.want == writ.RunRefused && (end.Reason != writ.ReasonBudget || calls != 0 || w.target.mints != 0):
					t.Errorf("%s, %d calls, %d leases", end.Reason, calls, w.target.mints)
				}
			})
		})
	}
}
