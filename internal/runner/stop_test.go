package runner_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
)

// when runs f once, at the first call of that name.
func when(w *world, point string, f func()) {
	done := false
	w.target.point = func(p string) {
		if p == point && !done {
			done = true
			f()
		}
	}
}

func TestI18FreezeInFlight(t *testing.T) {
	for name, c := range map[string]struct {
		freeze assignment.Freeze
		stops  bool
	}{
		"of everything":           {assignment.Freeze{Scope: writ.FreezeAll}, true},
		"of the agent":            {assignment.Freeze{Scope: writ.FreezeAgent, Value: agent.Iss + " " + agent.Sub}, true},
		"of the service":          {assignment.Freeze{Scope: writ.FreezeService, Value: service}, true},
		"of the playbook":         {assignment.Freeze{Scope: writ.FreezePlaybook, Value: "two"}, true},
		"of the target":           {assignment.Freeze{Scope: writ.FreezeTarget, Value: string(targetName)}, true},
		"of a kind nobody knows":  {assignment.Freeze{Scope: "galaxy"}, true},
		"of another service only": {assignment.Freeze{Scope: writ.FreezeService, Value: "other"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := w.grant(w.planned("two"))
				when(w, "done 1", func() { w.control.freeze(c.freeze) })
				end := w.execute(g)
				if !c.stops {
					if end.State != writ.RunSucceeded {
						t.Errorf("%+v, want success", end)
					}
					return
				}
				if end.State != writ.RunUndone || end.Reason != writ.ReasonFrozen || w.target.values() != "old old old" {
					t.Errorf("%+v, values %s; want step 1 undone and step 2 never made", end, w.target.values())
				}
				if calls, _ := w.target.calls(); calls != 1 {
					t.Errorf("%d calls", calls)
				}
				w.allDead()
				wantCauses(t, w)
			})
		})
	}
}

func TestI18AHiddenFreezeStopsWithinTheFeedsAge(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		p := w.planned("high")
		g := w.grant(p, w.approve(p, "ann"))
		w.control.TamperFor = func(*assignment.Assignment) { w.control.FeedAge = time.Minute } // the last fresh one was in it
		w.control.on(func(p string) error {
			if p == "deliver" {
				time.Sleep(31 * time.Second)
			}
			return nil
		})
		end := w.execute(g)
		if end.State != writ.RunFailed || end.Reason != writ.ReasonFeedStale {
			t.Errorf("%+v, want feed_stale: the control plane shows an old feed; %s", end, w.kinds())
		}
		if calls, _ := w.target.calls(); calls != 0 {
			t.Errorf("%d calls", calls)
		}
	})
}

func TestAStopTakesEffectAtTheNextStepBoundary(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		when(w, "done 1", func() {
			w.control.mu.Lock()
			w.control.stop[g.run] = true
			w.control.mu.Unlock()
		})
		end := w.execute(g)
		if end.State != writ.RunUndone || end.Reason != writ.ReasonStopped || w.target.values() != "old old old" {
			t.Errorf("%+v, values %s", end, w.target.values())
		}
		w.allDead()
	})
}

func TestAStopWhileTheEffectIsVerifiedUndoes(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.target.HealthyAfter = 25 * time.Second
		w.start()
		g := w.grant(w.planned("one"))
		id := w.send(g)
		time.Sleep(5 * time.Second)
		w.control.mu.Lock()
		w.control.stop[g.run] = true
		w.control.mu.Unlock()
		began := time.Now()
		w.await(id)
		if end := w.ended(g.run); end.State != writ.RunUndone || end.Reason != writ.ReasonStopped {
			t.Errorf("%+v", end)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the stop took %s", took)
		}
	})
}

func TestVerificationWaitsAsLongAsThePlaybookSays(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.target.HealthyAfter = 25 * time.Second // within 30
		w.start()
		if end := w.execute(w.grant(w.planned("one"))); end.State != writ.RunSucceeded {
			t.Errorf("%+v", end)
		}
	})
}

func TestServeMovesRunsInFlightToSafetyBeforeItReturns(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		w.target.DoTakes = 10 * time.Second
		w.send(g)
		time.Sleep(5 * time.Second) // in the first call
		w.stop()
		if end := w.ended(g.run); end.State != writ.RunUndone || end.Reason != writ.ReasonStopped {
			t.Errorf("%+v, want step 1 undone and told before Serve returned", end)
		}
		if left := w.target.alive(); len(left) != 0 || w.target.values() != "old old old" {
			t.Errorf("left %v, values %s", left, w.target.values())
		}
	})
}

func TestAStepThatTheTargetRefusesFailsWithoutEffect(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.target.FailCall["1"] = writ.ReasonForbidden
		if end := w.execute(g); end.State != writ.RunFailed || end.Reason != writ.ReasonForbidden || end.Applied != 0 {
			t.Errorf("%+v", end)
		}
		w.allDead()
	})
}

func TestR30OtherBytesThanApprovedAreUndone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.target.AlterSent = true
		if end := w.execute(g); end.State != writ.RunUndone || end.Reason != writ.ReasonCallAltered {
			t.Errorf("%+v", end)
		}
	})
}

func TestARefusedLeaseEntryMintsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.control.Refuse = func(e ledger.Entry) *assignment.Refused {
			if e.Record.Kind == writ.EntryLease {
				return &assignment.Refused{Code: writ.ReasonFrozen}
			}
			return nil
		}
		if end := w.execute(g); end.State != writ.RunFailed || end.Reason != writ.ReasonFrozen {
			t.Errorf("%+v", end)
		}
		if w.target.mints != 0 {
			t.Error("a lease was minted that the ledger did not take")
		}
		if got := w.kinds(); got != "receipt run=failed" {
			t.Errorf("the ledger tells of %s, want the end alone", got)
		}
	})
}
