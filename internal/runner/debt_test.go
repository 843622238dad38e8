package runner_test

import (
	"context"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

func TestI06ALeaseThatCannotBeProvenDeadBlocksTheCellUntilItIs(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		plans := []writ.Plan{w.planned("one"), w.planned("one"), w.planned("one")}
		g := w.grant(plans[0])
		w.target.RevokeFails = 1 << 30
		w.send(g)
		time.Sleep(40 * time.Second)
		if w.ended(g.run).State != "" {
			t.Error("the run was told as ended while its lease has power")
		}
		w.target.mu.Lock()
		w.target.things["a"] = thing{"uid-a", 1, "old"}
		w.target.mu.Unlock()
		if a := w.await(w.send(w.grant(plans[1]))); a.Refused == nil || a.Refused.Code != writ.ReasonLeaseDebt {
			t.Errorf("a new run in a cell with a debt: %+v", a)
		}
		time.Sleep(long(2 * time.Hour)) // it is retried for ever
		w.target.mu.Lock()
		w.target.RevokeFails = 0
		w.target.mu.Unlock()
		w.until("the end of the first run", func() bool { return w.ended(g.run).State == writ.RunSucceeded })
		w.allDead()
		p := w.planned("one")
		if a := w.await(w.send(w.grant(p))); a.Refused != nil {
			t.Errorf("after the debt was paid: %+v", a.Refused)
		}
	})
}

func TestI06AnOrphansPowerBlocksNewRunsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g, next := w.grant(w.planned("one")), w.planned("two")
		var left *world
		dir := t.TempDir()
		when(w, "do 1", func() { left = w.snapshot(dir) })
		w.execute(g)
		w.stop()
		left.target.RevokeFails = 5
		left.start()
		defer left.stop()
		fresh := left.grant(next)
		if a := left.await(left.send(fresh)); a.Refused == nil || a.Refused.Code != writ.ReasonLeaseDebt {
			t.Errorf("a run beside an orphan with power: %+v", a)
		}
		left.until("the first run's end", func() bool { return left.ended(g.run).State != "" })
		left.allDead()
	})
}

func TestI06TheHandleIsErasedOnceTheLeaseIsDead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.target.IdentityLag = 9 * time.Second
		w.start()
		g := w.grant(w.planned("one"))
		w.execute(g)
		leases, err := w.journal.Leases(context.Background(), g.run)
		must(t, err)
		if len(leases) != 1 || len(leases[0].Handle) == 0 || leases[0].Dead() {
			t.Fatalf("before its identity has died: %+v", leases)
		}
		w.allDead()
		leases, err = w.journal.Leases(context.Background(), g.run)
		must(t, err)
		if len(leases[0].Handle) != 0 || !leases[0].Dead() || leases[0].IdentityGone.Sub(leases[0].Revoking) < 9*time.Second {
			t.Errorf("after: %+v", leases[0])
		}
	})
}

func TestI06AJournalThatFailsMidRunStillEndsThePower(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		when(w, "done 1", func() { must(t, w.journal.Close()) }) // as a full or lost disk: every write fails from here
		w.send(g)
		time.Sleep(30 * time.Second)
		if left := w.target.alive(); len(left) != 0 {
			t.Errorf("credentials left alive: %v", left)
		}
		if calls, _ := w.target.calls(); calls != 1 {
			t.Errorf("%d calls; no step may follow one that could not be recorded", calls)
		}
		w.stop()
		w.target.point = func(string) {}
		w.start() // the disk is back
		w.until("the run's end", func() bool { return w.ended(g.run).State != "" })
		if end := w.ended(g.run); end.State != writ.RunUndone || w.target.values() != "old old old" {
			t.Errorf("%+v, values %s", end, w.target.values())
		}
		w.allDead()
	})
}
