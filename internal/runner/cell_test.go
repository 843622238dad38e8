package runner_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// marked is the fake target for a runner whose credentials bear a mark there.
type marked struct{ *fakeTarget }

var _ connector.Reclaimer = marked{}

func (m marked) Reclaim(name string) (connector.Lease, error) {
	return &fakeLease{m.fakeTarget, name}, nil
}

func (m marked) Orphans(context.Context) ([]connector.Orphan, error) {
	var out []connector.Orphan
	for _, name := range m.alive() {
		out = append(out, connector.Orphan{Name: name, Run: "run_x"})
	}
	slices.SortFunc(out, func(a, b connector.Orphan) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// another is a second process of the same runner, on a host of its own: another journal, the same target and control
// plane.
func (w *world) another() *world {
	c := *w
	c.path, c.end = filepath.Join(w.t.TempDir(), "journal.db"), nil
	c.now = time.Now
	return &c
}

// story is what the journal says of a run; of one that it does not know yet, that it runs.
func (w *world) story(id writ.RunID) journal.Run {
	w.t.Helper()
	run, err := w.journal.Run(context.Background(), id)
	if errors.Is(err, writ.ErrNotFound) {
		return journal.Run{State: writ.RunRunning}
	}
	must(w.t, err)
	return run
}

// A process loses its cell in the middle of a run: it makes no further step, mints nothing, undoes nothing, and its own
// lease dies all the same.
func TestTOC03AProcessThatLostItsCellGoesNoFurther(t *testing.T) {
	for name, c := range map[string]struct {
		point  string
		calls  int
		values string
	}{
		"before its first call": {"made", 0, "old old old"},
		"between two calls":     {"done 1", 1, "new old old"},
		"after its last call":   {"done 2", 2, "new new old"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.target.Unhelpful = true // an owner would undo
				w.start()
				g := w.grant(w.planned("two"))
				when(w, c.point, func() {
					w.control.seize()
					time.Sleep(assignment.HoldsFor) // as a process that was paused: what it was told is old
				})
				w.send(g)
				w.until("the run to be left", func() bool { return w.story(g.run).State != writ.RunRunning })
				time.Sleep(time.Minute)
				if run := w.story(g.run); run.Reason != writ.ReasonFenced || run.State == writ.RunSucceeded || run.State == writ.RunUndone {
					t.Errorf("left as %s for %s", run.State, run.Reason)
				}
				calls, _ := w.target.calls()
				if calls != c.calls || w.target.values() != c.values || len(w.target.undos) != 0 || w.target.mints != 1 {
					t.Errorf("%d calls, %d mints, undos %v, values %s", calls, w.target.mints, w.target.undos, w.target.values())
				}
				w.allDead()
				if end := w.ended(g.run); end.State != "" {
					t.Errorf("it told the end of a run that is another's: %+v", end)
				}
			})
		})
	}
}

// The intent is acknowledged, and then the process is paused until another has taken over: it asks before it mints.
func TestI13APausedProcessAsksBeforeItMints(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		var paused, over atomic.Bool
		w.control.on(func(p string) error {
			switch {
			case p == "delivered" && !paused.Swap(true):
				w.control.seize()
				time.Sleep(assignment.SilentAfter)
				over.Store(true)
			case paused.Load() && !over.Load(): // all of the process stands still
				return writ.ErrUnavailable
			}
			return nil
		})
		w.send(g)
		w.until("the run to be left", func() bool { return w.story(g.run).State != writ.RunRunning })
		if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
			t.Errorf("%d calls, %d mints", calls, w.target.mints)
		}
	})
}

func TestI13AProcessThatHasNotHeardForAWhileMakesNoStep(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		var cut atomic.Bool
		w.control.on(func(p string) error {
			if p == "delivered" && cut.CompareAndSwap(false, true) {
				time.Sleep(assignment.HoldsFor)
			} else if cut.Load() && p == "join" {
				return writ.ErrUnavailable
			}
			return nil
		})
		if end := w.execute(g); end.State != writ.RunFailed || end.Reason != writ.ReasonUnavailable || w.target.mints != 0 {
			t.Errorf("%+v, %d mints", end, w.target.mints)
		}
	})
}

func TestI13ASecondProcessStandsByUntilTheFirstFallsSilent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		second := w.another()
		second.start()
		defer second.stop()
		time.Sleep(5 * time.Minute)
		g := w.grant(w.planned("one"))
		if end := w.execute(g); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
		if n, err := second.journal.SpentSince(context.Background(), time.Time{}); err != nil || n != 0 {
			t.Errorf("the standby spent %d grants, %v", n, err)
		}
		w.stop()
		w.target.reset()
		began := time.Now()
		plan := second.planned("one") // answered once it holds the cell
		if waited := time.Since(began); waited < assignment.SilentAfter-assignment.BeatEvery {
			t.Errorf("it took over after %s", waited)
		}
		if end := second.execute(second.grant(plan)); end.State != writ.RunSucceeded {
			t.Errorf("%+v", end)
		}
	})
}

// takenOver is a run whose process dies after its first call; what the control plane tells the next holder of it.
func takenOver(t *testing.T, w *world) (*issued, *world) {
	t.Helper()
	w.start()
	g := w.grant(w.planned("two"))
	dir := t.TempDir()
	var left *world
	when(w, "done 1", func() { left = w.snapshot(dir) })
	w.execute(g)
	w.stop()
	told := assignment.Taken{
		Run: g.run, Incident: g.plan.Incident, Grant: g.claims.ID, Plan: g.plan.ID, PlanDigest: writ.DigestOf(g.bytes), Unknown: 1,
		GrantLeaf: writ.DigestOf([]byte("grant")),
	}
	for _, e := range left.control.entries() {
		switch b := e.Body.(type) {
		case *writ.LeaseBody:
			told.Leases = append(told.Leases, assignment.OpenLease{Lease: b.Lease, Leaf: e.Hash, Target: b.Target, Name: b.Name, Tier: b.Tier, Expires: b.Expires})
		case *writ.StepBody:
			told.Open = append(told.Open, assignment.OpenStep{Step: b.Step, Leaf: e.Hash})
		}
	}
	left.control.cell.left = []assignment.Taken{told}
	if len(told.Leases) != 1 || len(told.Open) != 1 || len(left.target.alive()) != 1 {
		t.Fatalf("%+v, alive %v", told, left.target.alive())
	}
	return g, left
}

// The host is gone for good: another takes over, ends the lease by its name, and ends the run as uncertain.
func TestR38ALostRunnersLeaseDiesAndItsRunIsUncertain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		g, left := takenOver(t, w)
		next := left.another()
		next.conn = marked{next.target}
		next.start()
		defer next.stop()
		next.until("the run's end", func() bool { return next.ended(g.run).State != "" })
		end := next.ended(g.run)
		if end.State != writ.RunUncertain || end.Reason != writ.ReasonTakenOver || end.Unknown != 1 {
			t.Errorf("%+v", end)
		}
		next.allDead()
		if calls, most := next.target.calls(); calls != 1 || most != 1 || len(next.target.undos) != 0 || next.target.values() != "new old old" {
			t.Errorf("%d calls, undos %v, values %s: nothing is done to what another process began", calls, next.target.undos, next.target.values())
		}
		wantLeasesClosed(t, next)
		if !strings.Contains(next.kinds(), "step.effect=unknown revoke probe") {
			t.Errorf("entries %s", next.kinds())
		}
		// The old journal comes back. Its plans and grants are not the other's, and its run is left alone.
		left.start()
		defer left.stop()
		left.until("the old journal to leave the run", func() bool { return left.story(g.run).State != writ.RunRunning })
		if run := left.story(g.run); run.Reason != writ.ReasonFenced || len(left.target.undos) != 0 {
			t.Errorf("%s for %s, undos %v", run.State, run.Reason, left.target.undos)
		}
	})
}

// A target that has no name for a credential: the life that it was given must be over, and until then the run does not
// end and the cell takes no work.
func TestI06ACredentialWithoutANameIsOutlived(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		g, left := takenOver(t, w)
		expires := left.control.cell.left[0].Leases[0].Expires
		next := left.another()
		next.start()
		defer next.stop()
		next.until("the run's end", func() bool { return next.ended(g.run).State != "" })
		if time.Now().Before(expires) || next.ended(g.run).State != writ.RunUncertain {
			t.Errorf("%+v at %s; the credential lives until %s", next.ended(g.run), time.Now(), expires)
		}
		wantLeasesClosed(t, next)
		for _, e := range next.control.entries() {
			if p, ok := e.Body.(*writ.ProbeBody); ok && (!p.Expired || p.PowerStatus != 0 || e.Record.Time.Before(expires)) {
				t.Errorf("%+v at %s", p, e.Record.Time)
			}
		}
	})
}

// The minted token itself ends when the announcement says, however long minting was waited for.
func TestI06ALeaseEndsWhenItsAnnouncementSays(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		asked := &ttls{fakeTarget: w.target}
		w.conn = asked
		w.start()
		first := true
		w.control.on(func(p string) error {
			if p == "deliver" && first {
				first = false
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		if end := w.execute(w.grant(w.planned("one"))); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
		for _, e := range w.control.entries() {
			if l, ok := e.Body.(*writ.LeaseBody); ok && asked.ends.After(l.Expires.Add(time.Second)) {
				t.Errorf("announced to end at %s, minted to end at %s", l.Expires, asked.ends)
			}
		}
	})
}

type ttls struct {
	*fakeTarget
	ends time.Time
}

func (f *ttls) Lease(ctx context.Context, r connector.LeaseRequest, keep func([]byte) error) (connector.Lease, error) {
	f.ends = time.Now().Add(r.TTL)
	return f.fakeTarget.Lease(ctx, r, keep)
}

// An old copy of the journal is put back: it is another instance, and what it has open is not its own.
func TestI13ARestoredJournalHoldsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		dir := t.TempDir()
		var old *world
		when(w, "done 1", func() { old = w.snapshot(dir) })
		if end := w.execute(g); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
		w.stop()
		w.start() // the newest copy goes on: the cell's epoch rises
		w.until("the second process", func() bool { w.control.mu.Lock(); defer w.control.mu.Unlock(); return w.control.cell.epoch == 2 })
		w.stop()
		old.target, old.control = w.target, w.control
		calls, _ := w.target.calls()
		old.start()
		defer old.stop()
		old.until("the run to be left", func() bool { return old.story(g.run).State != writ.RunRunning })
		if run := old.story(g.run); run.Reason != writ.ReasonFenced {
			t.Errorf("%s for %s", run.State, run.Reason)
		}
		if again, _ := old.target.calls(); again != calls || len(old.target.undos) != 0 || old.target.values() != "new new old" {
			t.Errorf("an old copy of the journal acted: %d calls, undos %v", again-calls, old.target.undos)
		}
	})
}

// A credential stands on the target that no journal knows: it is found by its mark, ended and recorded.
func TestR38AnOrphanOnTheTargetIsEndedAndRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.target.IdentityLag = 9 * time.Second
		w.conn = marked{w.target}
		w.target.leases["writ-of-a-host-that-is-gone"] = &credential{Kept: true, Power: true}
		w.start()
		w.until("the orphan's death", func() bool { return len(w.target.alive()) == 0 })
		var last *writ.OrphanBody
		w.until("its record", func() bool {
			for _, e := range w.control.entries() {
				if b, ok := e.Body.(*writ.OrphanBody); ok {
					last = b
				}
			}
			return last != nil && last.IdentityGone
		})
		if last.Name != "writ-of-a-host-that-is-gone" || !last.Revoked || !last.PowerGone || last.Runner != runnerID {
			t.Errorf("%+v", last)
		}
		// A run's own lease is no orphan, however often the target is searched meanwhile.
		w.target.DoTakes = 15 * time.Second
		for range 5 {
			w.target.reset()
			if end := w.execute(w.grant(w.planned("two"))); end.State != writ.RunSucceeded {
				t.Errorf("%+v", end)
			}
			time.Sleep(13 * time.Second)
		}
	})
}

func TestI06AProcessThatStandsByEndsNoCredentials(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.control.seize()
		w.control.cell.seen = time.Now().Add(time.Hour) // and it lives
		w.conn = marked{w.target}
		w.target.leases["writ-of-the-holder"] = &credential{Kept: true, Power: true}
		w.start()
		time.Sleep(10 * time.Minute)
		if len(w.target.alive()) != 1 {
			t.Error("a process that stands by ended a credential of the one that works")
		}
	})
}

func TestI06DebtsAreReportedUntilTheyArePaid(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.target.RevokeFails = 1 << 30
		w.send(g)
		debts := func() []assignment.Debt {
			w.control.mu.Lock()
			defer w.control.mu.Unlock()
			return w.control.cell.debts
		}
		w.until("the report of a debt", func() bool { return len(debts()) == 1 })
		if d := debts()[0]; d.Run != g.run || d.PowerGone || d.Since.IsZero() || d.Target != targetName {
			t.Errorf("%+v", d)
		}
		w.target.mu.Lock()
		w.target.RevokeFails = 0
		w.target.mu.Unlock()
		w.until("the report that it is paid", func() bool { return len(debts()) == 0 })
	})
}

// What a fenced process did to its own credentials is taken; what would move a run is not.
func TestTOC03OnlyThePastIsTakenFromAFencedProcess(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		when(w, "done 1", func() { w.control.seize() })
		w.send(g)
		w.until("the lease's death on the record", func() bool { return strings.Contains(w.kinds(), "probe=true,true") })
		for _, e := range w.control.entries()[1:] {
			if k := e.Record.Kind; k == writ.EntryStepEffect || k == writ.EntryRun {
				t.Errorf("%s was taken", k)
			}
		}
		w.until("nothing to be owed", func() bool {
			owing, err := w.journal.Owing(context.Background())
			must(t, err)
			return len(owing) == 0
		})
	})
}

// TestARunnerThatStartsFirstJoinsSoon: the control plane is not there when the runner asks for its cell, and is a second
// later. The runner has joined within half a second of that; when nobody answers for long it asks no more often than it beats.
func TestARunnerThatStartsFirstJoinsSoon(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		var asked atomic.Int64
		away := true
		began := time.Now()
		var joined atomic.Int64 // nanoseconds after began
		w.control.on(func(p string) error {
			if p != "join" {
				return nil
			}
			asked.Add(1)
			switch {
			case away && time.Since(began) < time.Second:
				return writ.ErrUnavailable
			case joined.Load() == 0:
				joined.Store(int64(time.Since(began)))
			}
			return nil
		})
		w.start()
		time.Sleep(3 * time.Second)
		if took := time.Duration(joined.Load()); took == 0 || took > 1700*time.Millisecond {
			t.Errorf("it joined after %s, by question %d", took, asked.Load())
		}
	})
}

// TestR37TheCredentialIsRefusedSoonAfterSuccess: with the last check of a run that succeeded its credential is on its way out.
// Its power is refused within a second, and its identity as soon as the target forgets it.
func TestR37TheCredentialIsRefusedSoonAfterSuccess(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const lag = 9 * time.Second // as Kubernetes' token cache
		w.target.IdentityLag = lag
		w.start()
		var made time.Time
		when(w, "done 2", func() { made = time.Now() })
		if end := w.execute(w.granted("two")); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
		w.allDead()
		if took := time.Since(made); made.IsZero() || took > lag+5*time.Second {
			t.Errorf("the credential was proven dead %s after the last call", took)
		}
		var power, identity bool
		w.until("the ledger to say so in time", func() bool {
			for _, e := range w.control.entries() {
				if b, ok := e.Body.(*writ.ProbeBody); ok {
					power = power || b.PowerGone && b.PowerMillis <= 1000
					identity = identity || b.IdentityGone && b.IdentityMillis <= int((lag+5*time.Second)/time.Millisecond)
				}
			}
			return power && identity
		})
	})
}

// A process that starts while nobody answers owes the end of a run. Until it has heard that it holds its cell, it
// delivers nothing: its word would count as that of a process that is past, and the end would be lost for ever.
func TestD02TheEndOfARunWaitsUntilItsProcessHoldsTheCell(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		cut := errors.New("cut")
		when(w, "done 2", func() { w.control.on(func(string) error { return cut }) })
		w.send(g)
		w.until("the run's end in the journal", func() bool { return !w.story(g.run).Ended.IsZero() })
		w.stop()
		var tries atomic.Int64
		w.control.on(func(point string) error {
			if point == "join" && tries.Add(1) <= 3 { // the others are answered
				return cut
			}
			return nil
		})
		w.control.Seen = func(d assignment.Delivery) {
			if d.Claim.Epoch == 0 {
				t.Error("entries were delivered without a claim")
			}
		}
		w.start()
		w.until("the run's end on the record", func() bool {
			return slices.ContainsFunc(w.control.entries(), func(e ledger.Entry) bool { return e.Record.Kind == writ.EntryRun })
		})
	})
}
