package control_test

import (
	"crypto/ed25519"
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
)

// A refused first step takes the lease announced with it along: a lease that is on the ledger and never made could never
// be proven dead.
func TestI06AnAnnouncedLeaseStandsOrFallsWithItsStep(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeService, "shop", "wait")
	must(t, err)
	lease, intent := h.leaseEntry(), h.intent()
	d := h.deliver(lease, intent)
	if d.Refused == nil || d.Refused.Code != writ.ReasonFrozen || len(d.Receipts) != 0 {
		t.Fatalf("%+v", d)
	}
	if w.glance().LeasesAlive != 0 || w.count(writ.EntryLease) != 0 {
		t.Error("the lease was taken")
	}
	if d := h.deliver(lease); d.Refused == nil {
		t.Error("a lease without a step was taken")
	}
	if d := h.deliver(lease, h.check(true)); d.Refused == nil {
		t.Error("a lease before another entry was taken")
	}
	// The end is always taken.
	if d := h.deliver(h.end(writ.RunFailed, writ.ReasonFrozen)); d.Refused != nil || w.run(h.b.Run).State != writ.RunFailed {
		t.Errorf("%+v", d.Refused)
	}
}

func TestI18AfterAFreezeOrAStopOnlySafetyIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		halt func(w *world, run writ.RunID) error
		want writ.Reason
	}{
		"freeze": {func(w *world, _ writ.RunID) error {
			_, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAgent, "repair", "wait")
			return err
		}, writ.ReasonFrozen},
		"stop by a person": {func(w *world, run writ.RunID) error {
			_, err := w.ctl.Stop(w.ctx, human("ann"), run, "wait")
			return err
		}, writ.ReasonStopped},
		"stop by its agent": {func(w *world, run writ.RunID) error { _, err := w.ctl.Stop(w.ctx, repair, run, "wait"); return err }, writ.ReasonStopped},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, h := w.granted()
			must(t, c.halt(w, h.b.Run))
			if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused == nil || d.Refused.Code != c.want {
				t.Errorf("a step: %+v", d.Refused)
			}
			if w.count(writ.EntryStepIntent) != 0 {
				t.Error("it was taken")
			}
		})
		t.Run(name+", in flight", func(t *testing.T) {
			w := newWorld(t)
			_, h := w.granted()
			lease, intent := h.begin()
			must(t, c.halt(w, h.b.Run))
			undo := *h
			undo.lease = "lse_01JDB3V0T6M2Y8H4R1C7K5P9WD"
			undoLease := undo.leaseEntry()
			undoIntent := h.seal(writ.EntryUndoIntent, h.step())
			d := h.deliver(h.effect(intent, writ.Applied), h.revoke(lease), h.probe(lease, true, true), undoLease, undoIntent,
				h.seal(writ.EntryUndoEffect, writ.UndoEffectBody{Run: h.b.Run, Step: h.plan.Steps[0].Key, Effect: writ.Applied, Restored: true}),
				undo.revoke(undoLease), undo.probe(undoLease, true, true), h.end(writ.RunUndone, c.want))
			if d.Refused != nil || w.run(h.b.Run).State != writ.RunUndone || w.glance().LeasesAlive != 0 {
				t.Errorf("the way to safety: %+v, %s, %d leases alive", d.Refused, w.run(h.b.Run).State, w.glance().LeasesAlive)
			}
		})
	}
}

func TestI18AStopAndAFreezeReachTheRunnerWithEveryAnswer(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	h.begin()
	if d := h.deliver(); d.Stop || len(feed(t, w, d.Feed).Freezes) != 0 {
		t.Errorf("%+v", d)
	}
	_, err := w.ctl.Stop(w.ctx, human("ann"), h.b.Run, "wait")
	must(t, err)
	stopped := feed(t, w, h.deliver().Feed)
	_, err = w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeService, "shop", "wait")
	must(t, err)
	d := h.deliver()
	f := feed(t, w, d.Feed)
	if stopped.Epoch <= 0 || f.Epoch <= stopped.Epoch {
		t.Errorf("a stop and a freeze moved the epoch to %d and %d", stopped.Epoch, f.Epoch)
	}
	if !d.Stop || !slices.Equal(f.Freezes, []assignment.Freeze{{Scope: writ.FreezeService, Value: "shop"}}) || !slices.Contains(f.Revoked, h.grant.Grant) {
		t.Errorf("stop %t, feed %+v", d.Stop, f)
	}
	// The epoch grows with every change, and with nothing else: answers cross on their way to a runner.
	epoch := f.Epoch
	must(t, errOf(w.ctl.Alert(w.ctx, source, group("more"))))
	if f := feed(t, w, h.deliver().Feed); f.Epoch != epoch {
		t.Errorf("an alert moved the epoch from %d to %d", epoch, f.Epoch)
	}
	all, err := w.ctl.Freezes(w.ctx, human("ann"))
	must(t, err)
	must(t, errOf(w.ctl.Unfreeze(w.ctx, human("ann"), all[0].ID, "over")))
	if f := feed(t, w, h.deliver().Feed); f.Epoch <= epoch || len(f.Freezes) != 0 {
		t.Errorf("lifting a freeze moved the epoch from %d to %d", epoch, f.Epoch)
	}
}

func errOf[T any](_ T, err error) error { return err }

// feed opens a signed feed as a runner does.
func feed(t *testing.T, w *world, signed []byte) assignment.Feed {
	t.Helper()
	env, err := ledger.OpenEnvelope(signed, assignment.FeedType)
	must(t, err)
	must(t, env.Verify(func(string) ed25519.PublicKey { return public(w.config.Author) }))
	var f assignment.Feed
	must(t, canon.Parse(env.Payload, &f))
	return f
}

// The grant of a run that nobody took lapses. A runner that spent it in the last moment cannot go forward any more, and
// can still tell its end.
func TestI05AGrantThatNobodyTookLapses(t *testing.T) {
	w := newWorld(t)
	s, h := w.granted()
	w.pass(5*time.Minute - time.Second)
	must(t, w.ctl.SweepOnce(w.ctx))
	if r := w.run(h.b.Run); r.State != writ.RunGranted {
		t.Fatalf("before its time it is %s", r.State)
	}
	w.pass(time.Second)
	must(t, w.ctl.SweepOnce(w.ctx))
	must(t, w.ctl.SweepOnce(w.ctx))
	r := w.run(h.b.Run)
	p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if r.State != writ.RunExpired || r.Reason != writ.ReasonGrantExpired || p.State != writ.PlanExpired || reservations(w) != 0 || w.count(writ.EntryPlanEnd) != 1 {
		t.Errorf("run %s, plan %s, %d reservations", r.State, p.State, reservations(w))
	}
	if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused == nil || d.Refused.Code != writ.ReasonSpent {
		t.Errorf("a step: %+v", d.Refused)
	}
	if d := h.deliver(h.end(writ.RunFailed, writ.ReasonSpent)); d.Refused != nil || len(d.Receipts) != 1 {
		t.Errorf("its end: %+v", d)
	}
	if r := w.run(h.b.Run); r.State != writ.RunExpired {
		t.Errorf("it is %s", r.State)
	}
}

func TestARunningRunDoesNotEndWithItsGrant(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	lease, intent := h.begin()
	w.pass(5*time.Minute + 30*time.Second) // a grant's life, and less than makes a runner lost
	must(t, w.ctl.SweepOnce(w.ctx))
	if r := w.run(h.b.Run); r.State != writ.RunRunning || reservations(w) != 1 {
		t.Errorf("it is %s", r.State)
	}
	h.deliver(h.effect(intent, writ.Applied), h.check(true), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunSucceeded, ""))
	if r := w.run(h.b.Run); r.State != writ.RunSucceeded {
		t.Errorf("it is %s", r.State)
	}
}
