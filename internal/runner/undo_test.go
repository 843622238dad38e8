package runner_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

func TestI16UndoOnFailedVerification(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("three"))
		w.target.Unhelpful = true
		end := w.execute(g)
		if end.State != writ.RunUndone || end.Reason != writ.ReasonVerificationFailed || end.Applied != 3 || end.Undone != 3 {
			t.Errorf("%+v", end)
		}
		if got := strings.Join(w.target.order, ", "); got != "do 1, do 2, do 3, undo 3, undo 2, undo 1" {
			t.Errorf("order %s", got)
		}
		w.allDead()
		w.stop()
		if len(w.target.leases) != 2 {
			t.Errorf("%d leases, want one to act and one to undo", len(w.target.leases))
		}
		if !strings.Contains(w.kinds(), "verify=false lease undo.intent undo.effect=applied undo.intent") {
			t.Errorf("entries %s", w.kinds())
		}
	})
}

func TestI16AnUndoThatCannotBeMadeIsUncertain(t *testing.T) {
	for name, c := range map[string]struct {
		script func(w *world)
		reason writ.Reason
	}{
		"somebody changed the object": {func(w *world) {
			w.target.point = func(p string) {
				if p == "undo 2" {
					w.target.mu.Lock()
					w.target.things["b"] = thing{"uid-b", 9, "colleague's"}
					w.target.mu.Unlock()
				}
			}
		}, writ.ReasonUndoConflict},
		"the undo's outcome is not known": {func(w *world) { w.target.UndoUnknown = true }, writ.ReasonUncertainOutcome},
		"the target stays away":           {func(w *world) { w.target.UndoReason = writ.ReasonUnreachable }, writ.ReasonUnreachable},
		"no lease can be had": {func(w *world) {
			minted := false
			w.target.point = func(p string) {
				if minted = minted || p == "minted"; minted {
					w.target.mu.Lock()
					w.target.MintFails = 1000
					w.target.mu.Unlock()
				}
			}
		}, writ.ReasonLeaseFailed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := w.grant(w.planned("two"))
				w.target.Unhelpful = true
				c.script(w)
				end := w.execute(g)
				if end.State != writ.RunUncertain || end.Reason != c.reason {
					t.Errorf("ended %s for %s, want uncertain for %s", end.State, end.Reason, c.reason)
				}
				if w.target.undos[string(g.plan.Steps[0].Key)] != 0 {
					t.Error("an earlier step was undone after a later one could not be")
				}
				w.allDead()
			})
		})
	}
}
