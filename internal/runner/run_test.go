package runner_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
)

// bubble runs a test in fake time with a world of its own.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.stop()
		f(t, w)
	})
}

func TestARepairRunsVerifiesAndLeavesNothingBehind(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.target.IdentityLag = 9 * time.Second // as Kubernetes' token cache
		w.start()
		end := w.execute(w.grant(w.planned("two")))
		if end.State != writ.RunSucceeded || end.Applied != 2 || w.target.values() != "new new old" {
			t.Fatalf("%+v, values %s", end, w.target.values())
		}
		w.allDead()
		w.stop()
		const want = "lease step.intent step.effect=applied step.intent step.effect=applied revoke probe=true,false verify=true receipt run=succeeded probe=true,true"
		if got := w.kinds(); got != want {
			t.Errorf("entries\n got %s\nwant %s", got, want)
		}
		wantCauses(t, w)
	})
}

// wantCauses demands that every effect names an intent that stands before it in the ledger, and every entry of the run
// its grant's entry.
func wantCauses(t *testing.T, w *world) {
	t.Helper()
	seen := map[string]writ.EntryKind{}
	for i, e := range w.control.entries() {
		for _, r := range e.Record.Refs {
			if seen[r.Leaf.String()] == "" && r.Rel != "proposal" {
				t.Errorf("entry %d, %s: its %s stands nowhere before it", i, e.Record.Kind, r.Rel)
			}
			if r.Rel == "intent" && e.Record.Kind == writ.EntryStepEffect && seen[r.Leaf.String()] != writ.EntryStepIntent {
				t.Errorf("entry %d: the effect names a %s as its intent", i, seen[r.Leaf.String()])
			}
		}
		if e.Record.Kind == writ.EntryStepEffect && len(e.Record.Refs) != 2 {
			t.Errorf("entry %d: the effect names %d causes, want grant and intent", i, len(e.Record.Refs))
		}
		seen[e.Hash.String()] = e.Record.Kind
	}
}

func TestI01IntentBeforeAct(t *testing.T) {
	for name, script := range map[string]func(w *world){
		"the ledger refuses the intent": func(w *world) {
			w.control.Refuse = func(e ledger.Entry) *assignment.Refused {
				if e.Record.Kind == writ.EntryStepIntent {
					return &assignment.Refused{Code: writ.ReasonLimit, Detail: "not now"}
				}
				return nil
			}
		},
		"no receipt comes": func(w *world) {
			w.control.Tamper = func(d *assignment.Delivered) { d.Receipts = nil }
		},
		"one receipt is missing": func(w *world) {
			w.control.Tamper = func(d *assignment.Delivered) { d.Receipts = d.Receipts[:max(0, len(d.Receipts)-1)] }
		},
		"the receipt is another entry's": func(w *world) {
			w.control.Tamper = func(d *assignment.Delivered) {
				for i := range d.Receipts {
					d.Receipts[i] = d.Receipts[0]
				}
			}
		},
		"the receipt's proof is forged": func(w *world) {
			w.control.Tamper = func(d *assignment.Delivered) {
				for i := range d.Receipts {
					d.Receipts[i].Proof = append([]writ.Digest{writ.DigestOf([]byte("x"))}, d.Receipts[i].Proof[1:]...)
				}
			}
		},
		"the checkpoint does not extend the one seen": func(w *world) {
			w.control.Tamper = func(d *assignment.Delivered) {
				for i := range d.Receipts {
					d.Receipts[i].Consistency = append([]writ.Digest{writ.DigestOf([]byte("x"))}, d.Receipts[i].Consistency[1:]...)
				}
			}
		},
		"the checkpoint's signature is cut off": func(w *world) {
			w.control.Tamper = func(d *assignment.Delivered) {
				for i := range d.Receipts {
					d.Receipts[i].Checkpoint = d.Receipts[i].Checkpoint[:len(d.Receipts[i].Checkpoint)-8]
				}
			}
		},
		"nobody answers": func(w *world) {
			w.control.on(func(p string) error {
				if p == "deliver" {
					return writ.ErrUnavailable
				}
				return nil
			})
		},
		"the answer is lost each time": func(w *world) {
			w.control.on(func(p string) error {
				if p == "delivered" {
					return writ.ErrUnavailable
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := w.grant(w.planned("one"))
				script(w)
				id := w.send(g)
				time.Sleep(3 * time.Minute)
				if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
					t.Fatalf("%d calls and %d leases without an acknowledged intent", calls, w.target.mints)
				}
				w.control.on(func(string) error { return nil })
				w.control.Tamper = nil
				w.await(id)
				if end := w.ended(g.run); end.State != writ.RunFailed {
					t.Errorf("ended %+v, want failed", end)
				}
				if calls, _ := w.target.calls(); calls != 0 {
					t.Errorf("%d calls once the ledger was back: a run that gave up must not go forward again", calls)
				}
				wantCauses(t, w)
			})
		})
	}
}

func TestI01TheSecondStepWaitsForItsOwnIntent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		w.control.Refuse = func(e ledger.Entry) *assignment.Refused {
			if b, ok := e.Body.(*writ.StepBody); ok && e.Record.Kind == writ.EntryStepIntent && strings.HasSuffix(b.Step, ".2") {
				return &assignment.Refused{Code: writ.ReasonBudget}
			}
			return nil
		}
		end := w.execute(g)
		if end.State != writ.RunUndone || end.Reason != writ.ReasonBudget || end.Applied != 1 || end.Undone != 1 {
			t.Errorf("%+v, want step 1 undone since step 2 was refused", end)
		}
		if w.target.values() != "old old old" {
			t.Errorf("values %s", w.target.values())
		}
		w.allDead()
		wantCauses(t, w)
	})
}

func TestAShortOutageOfTheControlPlaneIsWaitedOut(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		back := time.Now().Add(40 * time.Second)
		w.control.on(func(p string) error {
			if p == "deliver" && time.Now().Before(back) {
				return fmt.Errorf("%w: connection refused", writ.ErrUnavailable)
			}
			return nil
		})
		if end := w.execute(g); end.State != writ.RunSucceeded {
			t.Errorf("%+v, want success after an outage below the patience", end)
		}
	})
}

func TestI14WorldMovedBetweenTwoStepsIsNotActedUpon(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		w.target.point = func(p string) {
			if p == "done 1" {
				w.target.mu.Lock()
				w.target.things["b"] = thing{"uid-b", 7, "colleague's"}
				w.target.mu.Unlock()
			}
		}
		end := w.execute(g)
		if end.State != writ.RunUndone || end.Reason != writ.ReasonWorldMoved || w.target.values() != "old colleague's old" {
			t.Errorf("%+v, values %s", end, w.target.values())
		}
		w.allDead()
	})
}

func TestI15UnknownIsNeverRetriedNorSuccess(t *testing.T) {
	for name, c := range map[string]struct {
		script func(f *fakeTarget)
		state  writ.RunState
		values string
		calls  int
	}{
		"the answer is lost and the target cannot be read": {func(f *fakeTarget) { f.LoseAnswer["1"], f.Blind = true, true }, writ.RunUncertain, "new old old", 1},
		"the call is lost and the target cannot be read":   {func(f *fakeTarget) { f.LoseCall["1"], f.Blind = true, true }, writ.RunUncertain, "old old old", 0},
		"the call is lost and reading shows it":            {func(f *fakeTarget) { f.LoseCall["1"] = true }, writ.RunFailed, "old old old", 0},
		"the answer is lost and reading shows the effect":  {func(f *fakeTarget) { f.LoseAnswer["1"] = true }, writ.RunUndone, "old old old", 1},
		"the last answer is lost and reading shows it":     {func(f *fakeTarget) { f.LoseAnswer["2"] = true }, writ.RunSucceeded, "new new old", 2},
		"the last call is lost and reading shows it":       {func(f *fakeTarget) { f.LoseCall["2"] = true }, writ.RunUndone, "old old old", 1},
		"the connector panics":                             {func(f *fakeTarget) { f.Panic["1"], f.Blind = true, true }, writ.RunUncertain, "old old old", 0},
		"the connector does not come back":                 {func(f *fakeTarget) { f.DoTakes, f.LoseCall["1"], f.Blind = time.Hour, true, true }, writ.RunUncertain, "old old old", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := w.grant(w.planned("two"))
				c.script(w.target)
				end := w.execute(g)
				calls, most := w.target.calls()
				if end.State != c.state || w.target.values() != c.values || calls != c.calls || most > 1 {
					t.Errorf("ended %s (%s), values %s, %d calls; want %s, %s, %d", end.State, end.Reason, w.target.values(), calls, c.state, c.values, c.calls)
				}
				if c.state == writ.RunUncertain && end.Unknown != 1 {
					t.Errorf("%d unknown steps told, want 1", end.Unknown)
				}
				w.allDead()
				wantCauses(t, w)
			})
		})
	}
}
