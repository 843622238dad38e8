package runner_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

// everything is what freezes all.
var everything = assignment.Freeze{Scope: writ.FreezeAll}

// A run that only waits for its effect asks every two seconds; on the held call it hears at once. The freeze stops the
// verification: what does not hold by then did not help, and is undone.
func TestI18AFreezeIsHeardWhileTheEffectIsVerified(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.target.HealthyAfter = 25 * time.Second
		w.start()
		g := w.grant(w.planned("one"))
		id := w.send(g)
		time.Sleep(5 * time.Second)
		w.control.freeze(everything)
		began := time.Now()
		w.await(id)
		if end := w.ended(g.run); end.State != writ.RunUndone || end.Reason != writ.ReasonFrozen || w.target.values() != "old old old" {
			t.Errorf("%+v, values %s", end, w.target.values())
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the freeze took %s", took)
		}
		w.allDead()
	})
}

// All slots are busy with calls that take long, so that nothing asks for work and nothing is delivered. The freeze is
// heard all the same: each run stops at its next step boundary, although the control plane says nothing more.
func TestI18AFreezeIsHeardWhenNothingElseIsAsked(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		w.target.DoTakes = 10 * time.Second
		id := w.send(g)
		time.Sleep(5 * time.Second) // in the first call
		var cut atomic.Bool
		cut.Store(true)
		w.control.on(func(p string) error { // only the held call is left
			if cut.Load() {
				return writ.ErrUnavailable
			}
			return nil
		})
		w.control.freeze(everything)
		time.Sleep(30 * time.Second) // it would still wait for the second step's acknowledgement
		if calls, _ := w.target.calls(); calls != 1 || w.target.values() != "old old old" {
			t.Errorf("%d calls, values %s; want the first step made and undone", calls, w.target.values())
		}
		cut.Store(false)
		w.await(id)
		if end := w.ended(g.run); end.State != writ.RunUndone || end.Reason != writ.ReasonFrozen || w.target.values() != "old old old" {
			t.Errorf("%+v, values %s", end, w.target.values())
		}
	})
}

// Polling goes on besides: without the held call a freeze comes with the next answer.
func TestI18AFreezeIsHeardWithoutTheHeldCall(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.control.Deaf = true
		w.target.HealthyAfter = 25 * time.Second
		w.start()
		g := w.grant(w.planned("one"))
		id := w.send(g)
		time.Sleep(5 * time.Second)
		w.control.freeze(everything)
		w.await(id)
		if end := w.ended(g.run); end.State != writ.RunUndone || end.Reason != writ.ReasonFrozen {
			t.Errorf("%+v", end)
		}
	})
}

// A runner that is started again remembers the freeze, although the control plane does not answer any more: a run that
// was waiting for its effect is undone because of it, and would have succeeded a little later.
func TestI18ARestartedRunnerRemembersTheFreeze(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.target.HealthyAfter = 25 * time.Second
		w.start()
		g := w.grant(w.planned("one"))
		id := w.send(g)
		time.Sleep(5 * time.Second)
		w.control.freeze(everything)
		time.Sleep(10 * time.Millisecond) // heard, and not yet heeded
		left := w.snapshot(t.TempDir())   // what is there when the process dies now
		w.await(id)
		w.stop()

		var back atomic.Bool
		left.control.aged(0)
		left.control.on(func(string) error {
			if !back.Load() {
				return writ.ErrUnavailable
			}
			return nil
		})
		left.start()
		defer left.stop()
		left.until("the undo", func() bool { return left.target.values() == "old old old" })
		back.Store(true)
		left.until("the end", func() bool { return left.ended(g.run).State != "" })
		if end := left.ended(g.run); end.State != writ.RunUndone || end.Reason != writ.ReasonFrozen {
			t.Errorf("%+v, want it undone because of the freeze", end)
		}
		left.allDead()
	})
}

// A feed of a known epoch that freezes other things is a lie, whoever signed it: freezes change with the epoch only.
func TestI18AFreezeIsNotTakenBackWithinItsEpoch(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.control.freeze(assignment.Freeze{Scope: writ.FreezeService, Value: service})
		time.Sleep(time.Second) // heard
		w.control.mu.Lock()
		w.control.freezes = nil
		w.control.mu.Unlock()
		if a := w.await(w.send(g)); a.Refused == nil || a.Refused.Code != writ.ReasonFeedRollback {
			t.Errorf("%+v", a.Refused)
		}
		if calls, _ := w.target.calls(); calls != 0 {
			t.Errorf("%d calls", calls)
		}
	})
}

// An assignment that is handed out again after a freeze is refused as the first time would have been.
func TestI18AnAssignmentHandedOutAgainIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.control.freeze(everything)
		for range 2 {
			if a := w.await(w.send(g)); a.Refused == nil || a.Refused.Code != writ.ReasonFrozen {
				t.Errorf("%+v", a)
			}
		}
		if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
			t.Errorf("%d calls, %d leases", calls, w.target.mints)
		}
	})
}
