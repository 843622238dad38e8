package runner_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/runner"
)

// tiers are a playbook of each tier that can be granted.
var tiers = map[string]string{"T1": "one", "T2": "high"}

// granted is a grant for a playbook, with a person's approval where its tier wants one.
func (w *world) granted(book string) *issued {
	w.t.Helper()
	p := w.planned(book)
	if p.Tier < writ.T2 {
		return w.grant(p)
	}
	return w.grant(p, w.approve(p, "ann"))
}

// inEachTier is a test with a running runner and a grant of each tier.
func inEachTier(t *testing.T, test func(t *testing.T, w *world, book string, g *issued)) {
	t.Helper()
	for tier, book := range tiers {
		t.Run(tier, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				test(t, w, book, w.granted(book))
			})
		})
	}
}

// cutOff lets nothing of a run through to the ledger while away says so.
func (w *world) cutOff(away func() bool) {
	w.control.on(func(p string) error {
		if p == "deliver" && away() {
			return writ.ErrUnavailable
		}
		return nil
	})
}

// dark makes the target answer nothing any more, or again.
func (f *fakeTarget) dark(is bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Unreachable, f.Blind, f.UndoReason, f.MintFails, f.RevokeFails = is, is, "", 0, 0
	if is {
		f.UndoReason, f.MintFails, f.RevokeFails = writ.ReasonUnreachable, 1<<30, 1<<30
	}
}

func TestD14ATargetThatDoesNotAnswerIsNotReadFrom(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.target.dark(true)
		w.start()
		a := w.ask(assignment.Assignment{Kind: assignment.KindObserve, Observe: &assignment.Observe{
			Evidence: newID[writ.EvidenceID](w, "ev"), Incident: newID[writ.IncidentID](w, "inc"), Scope: scope, Limit: 1000,
			Query: writ.Query{Reader: "fake/thing.status", Target: targetName},
		}}, 0)
		if a.Observed != nil || a.Refused == nil || a.Refused.Code != writ.ReasonUnreachable {
			t.Errorf("%+v %+v", a.Observed, a.Refused)
		}
	})
}

// The inventory is read again before the first step: without it nothing is known of what the step would touch.
func TestD14NothingIsPlannedOrBegunOnATargetThatCannotBeRead(t *testing.T) {
	inEachTier(t, func(t *testing.T, w *world, book string, g *issued) {
		w.target.dark(true)
		if a := w.propose(book); a.Refused == nil || a.Refused.Code != writ.ReasonUnreachable {
			t.Errorf("planned: %+v %+v", a.Planned, a.Refused)
		}
		end := w.execute(g)
		calls, _ := w.target.calls()
		if end.State != writ.RunFailed || end.Reason != writ.ReasonUnreachable || calls != 0 || w.target.mints != 0 {
			t.Errorf("%s for %s, %d calls, %d leases", end.State, end.Reason, calls, w.target.mints)
		}
	})
}

// A target that is gone after the call can be neither verified nor put back: a person decides. Its lease counts as
// alive until it is back.
func TestD14ATargetThatGoesAwayAfterACallEndsUncertain(t *testing.T) {
	inEachTier(t, func(t *testing.T, w *world, book string, g *issued) {
		when(w, "done 1", func() { w.target.dark(true) })
		w.send(g)
		time.Sleep(long(30 * time.Minute))
		if state := w.ended(g.run).State; state == writ.RunSucceeded || state == writ.RunUndone {
			t.Errorf("it is %s, which nobody could know", state)
		}
		w.target.dark(false)
		w.until("the end", func() bool { return w.ended(g.run).State != "" })
		end := w.ended(g.run)
		calls, _ := w.target.calls()
		if end.State != writ.RunUncertain || calls != 1 {
			t.Errorf("%s for %s, %d calls, values %s", end.State, end.Reason, calls, w.target.values())
		}
		w.allDead()
	})
}

// An effect that cannot be read is no success: where the target still takes the undo, it is made.
func TestD14AnEffectThatCannotBeReadIsUndone(t *testing.T) {
	inEachTier(t, func(t *testing.T, w *world, book string, g *issued) {
		when(w, "done 1", func() {
			w.target.mu.Lock()
			w.target.Unreachable = true // its readings alone
			w.target.mu.Unlock()
		})
		if end := w.execute(g); end.State != writ.RunUndone || w.target.values() != "old old old" {
			t.Errorf("%s for %s, values %s", end.State, end.Reason, w.target.values())
		}
		w.allDead()
	})
}

// The ledger, its signer, its database and the control plane are all one to a runner: no receipt.
func TestD14WithoutAReceiptNoStepIsMade(t *testing.T) {
	inEachTier(t, func(t *testing.T, w *world, book string, g *issued) {
		back := time.Now().Add(10 * time.Minute)
		w.cutOff(func() bool { return time.Now().Before(back) })
		end := w.execute(g)
		calls, _ := w.target.calls()
		if end.State != writ.RunFailed || end.Reason != writ.ReasonUnavailable || calls != 0 || w.target.mints != 0 {
			t.Errorf("%s for %s, %d calls, %d leases", end.State, end.Reason, calls, w.target.mints)
		}
		w.allDead()
	})
}

// The way back needs no receipt: a runner that is cut off between two steps undoes the first by itself, and tells
// when it can.
func TestD14ARunCutOffBetweenItsStepsIsPutBack(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.granted("two")
		var away atomic.Bool
		when(w, "done 1", func() { away.Store(true) })
		w.cutOff(away.Load)
		w.send(g)
		time.Sleep(20 * time.Minute)
		if calls, _ := w.target.calls(); calls != 1 || w.target.values() != "old old old" || len(w.target.alive()) != 0 {
			t.Errorf("while cut off: %d calls, values %s, credentials %v", calls, w.target.values(), w.target.alive())
		}
		away.Store(false)
		w.until("the end", func() bool { return w.ended(g.run).State != "" })
		if end := w.ended(g.run); end.State != writ.RunUndone || end.Reason != writ.ReasonUnavailable {
			t.Errorf("%+v", end)
		}
	})
}

// TestI01AShorterWaitIsObeyed: an owner who allows five seconds gets a run that is put back after them.
func TestI01AShorterWaitIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		w.change = func(c *runner.Config) { c.Limits.Wait = 5 * time.Second }
		w.start()
		g := w.granted("two")
		var away atomic.Bool
		when(w, "done 1", func() { away.Store(true) })
		w.cutOff(away.Load)
		w.send(g)
		w.until("the first step", away.Load)
		time.Sleep(10 * time.Second)
		if calls, _ := w.target.calls(); calls != 1 || w.target.values() != "old old old" {
			t.Errorf("ten seconds after it was cut off: %d calls, values %s", calls, w.target.values())
		}
	})
}

// TestI18AShorterFeedAgeIsObeyed: the same plan is begun on a feed that is ten seconds old, but not by a runner that allows five.
func TestI18AShorterFeedAgeIsObeyed(t *testing.T) {
	for age, want := range map[time.Duration]writ.Reason{0: "", 5 * time.Second: writ.ReasonFeedStale} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.stop()
			w.change = func(c *runner.Config) { c.Limits.FeedAge, c.Limits.FeedAgeT1 = age, age }
			w.control.FeedAge = 10 * time.Second // of all that it ever sees
			w.start()
			a := w.await(w.send(w.granted("two")))
			var got writ.Reason
			if a.Refused != nil {
				got = a.Refused.Code
			}
			if calls, _ := w.target.calls(); got != want || (calls == 0) != (want != "") {
				t.Errorf("age %s: refused with %q, %d calls; want %q", age, got, calls, want)
			}
		})
	}
}

func TestLimitsCanOnlyBeShorter(t *testing.T) {
	for name, c := range map[string]struct {
		l  runner.Limits
		ok bool
	}{
		"defaults":        {runner.Limits{}, true},
		"the least":       {runner.Limits{FeedAge: runner.MinLimit, FeedAgeT1: runner.MinLimit, Wait: runner.MinLimit}, true},
		"the most":        {runner.DefaultLimits, true},
		"too old a feed":  {runner.Limits{FeedAge: runner.DefaultLimits.FeedAge + 1}, false},
		"too old for T1":  {runner.Limits{FeedAgeT1: runner.DefaultLimits.FeedAgeT1 + 1}, false},
		"too long a wait": {runner.Limits{Wait: runner.DefaultLimits.Wait + 1}, false},
		"too short":       {runner.Limits{Wait: runner.MinLimit - 1}, false},
		"negative":        {runner.Limits{FeedAge: -1}, false},
	} {
		if got, err := c.l.Check(); (err == nil) != c.ok || err == nil && (got.FeedAge == 0 || got.FeedAgeT1 == 0 || got.Wait == 0) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
