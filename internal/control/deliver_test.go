package control_test

import (
	"crypto/ed25519"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

func (w *world) run(id writ.RunID) writ.RunStatus {
	w.t.Helper()
	r, err := w.ctl.Run(w.ctx, human("ann"), id, 0)
	must(w.t, err)
	return r
}

func (w *world) glance() writ.Status {
	w.t.Helper()
	s, err := w.ctl.Status(w.ctx, human("ann"))
	must(w.t, err)
	return s
}

func TestI06ARunsStateFollowsItsEntries(t *testing.T) {
	w := newWorld(t)
	s, h := w.granted()
	if r := w.run(h.b.Run); r.State != writ.RunGranted || w.glance().Running != 1 {
		t.Errorf("before: %+v", r.Run)
	}
	lease, intent := h.begin()
	if r := w.run(h.b.Run); r.State != writ.RunRunning || r.Started == nil || w.glance().LeasesAlive != 1 || len(r.Leases) != 1 || r.Leases[0].Dead() {
		t.Errorf("begun: %+v, %d leases alive", r.Run, w.glance().LeasesAlive)
	}
	h.deliver(h.effect(intent, writ.Applied), h.check(true), h.revoke(lease), h.probe(lease, true, false), h.end(writ.RunSucceeded, ""))
	if r := w.run(h.b.Run); r.State != writ.RunSucceeded || r.Ended == nil || r.Leases[0].RevokedAt == nil || r.Leases[0].Dead() {
		t.Errorf("ended: %+v", r)
	}
	if n := w.glance().LeasesAlive; n != 1 {
		t.Errorf("%d leases are alive although one identity still is", n)
	}
	h.deliver(h.probe(lease, true, true)) // after the end: an identity dies later than its power
	if g := w.glance(); g.LeasesAlive != 0 || g.Running != 0 {
		t.Errorf("%+v", g)
	}
	p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if p.State != writ.PlanDone {
		t.Errorf("the plan is %s", p.State)
	}
	if left := reservations(w); left != 0 {
		t.Errorf("%d reservations are left", left)
	}
}

func reservations(w *world) int {
	n := -1
	must(w.t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Reservations, store.Filter{})
		n = len(rows)
		return err
	}))
	return n
}

func TestI13EntriesDeliveredAgainAreTakenOnce(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	lease, intent := h.begin()
	rest := [][]byte{h.effect(intent, writ.Applied), h.check(true), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunSucceeded, "")}
	all := slices.Concat([][]byte{lease, intent}, rest)
	var both sync.WaitGroup
	for range 8 {
		both.Go(func() { h.deliver(all...) })
	}
	both.Wait()
	first, again := h.deliver(all...), h.deliver(all...)
	for i := range all {
		if first.Receipts[i].Index != again.Receipts[i].Index {
			t.Errorf("entry %d stands at %d and %d", i, first.Receipts[i].Index, again.Receipts[i].Index)
		}
	}
	if n := w.count(writ.EntryStepIntent); n != 1 || w.run(h.b.Run).State != writ.RunSucceeded {
		t.Errorf("%d intents", n)
	}
}

func TestI12ForeignEntriesAreNotTaken(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	h.begin()
	in := w.incident("lab").ID
	other := w.propose(repair, writ.Ask{Incident: in, Playbook: "restart-workload", Parameters: with(workload, "namespace", writ.String("lab")), Evidence: []writ.EvidenceID{w.observe(diagnose, in).ID}})
	if other.State != writ.PlanGranted {
		t.Fatal(other.Detail)
	}
	theirs := w.runner.take()
	before := len(w.leaves())
	for name, c := range map[string]struct {
		by    writ.RunnerID
		run   writ.RunID
		entry []byte
		want  error
	}{
		"another runner, its own entry":   {otherID, h.b.Run, sealAs(w, w.other, otherID, writ.EntryVerify, h.plan.Incident, writ.VerifyBody{Run: h.b.Run, Check: "x", Fact: "y"}), writ.ErrNotFound},
		"another runner's signature":      {runnerID, h.b.Run, sealAs(w, w.other, otherID, writ.EntryVerify, h.plan.Incident, writ.VerifyBody{Run: h.b.Run, Check: "x", Fact: "y"}), writ.ErrInvalid},
		"this runner's name, another key": {runnerID, h.b.Run, sealAs(w, w.other, runnerID, writ.EntryVerify, h.plan.Incident, writ.VerifyBody{Run: h.b.Run, Check: "x", Fact: "y"}), writ.ErrInvalid},
		"an entry of another run":         {runnerID, h.b.Run, theirs.leaseEntry(), writ.ErrInvalid},
		"another run's end":               {runnerID, theirs.b.Run, h.end(writ.RunFailed, ""), writ.ErrInvalid},
		"no such run":                     {runnerID, "run_01JDB3V0T6M2Y8H4R1C7K5P9WD", h.check(true), writ.ErrNotFound},
		"a decision":                      {runnerID, h.b.Run, h.seal(writ.EntryPlanEnd, writ.PlanEndBody{Plan: h.plan.ID, State: writ.PlanStale, Reason: "x"}), writ.ErrInvalid},
		"a plan":                          {runnerID, h.b.Run, w.runner.planEntry(h.plan, h.leaf, h.digest), writ.ErrInvalid},
		"a freeze":                        {runnerID, h.b.Run, h.seal(writ.EntryFreeze, writ.FreezeBody{Freeze: "frz_01JDB3V0T6M2Y8H4R1C7K5P9WD", Scope: writ.FreezeAll}), writ.ErrInvalid},
		"of another incident":             {runnerID, h.b.Run, w.runner.seal(writ.EntryVerify, in, writ.VerifyBody{Run: h.b.Run, Check: "x", Fact: "y"}), writ.ErrInvalid},
		"an end that is none":             {runnerID, h.b.Run, h.end(writ.RunRunning, ""), writ.ErrInvalid},
		"an end that only Writ gives":     {runnerID, h.b.Run, h.end(writ.RunExpired, ""), writ.ErrInvalid},
		"no entry":                        {runnerID, h.b.Run, []byte("{}"), writ.ErrInvalid},
		"a death of another's lease":      {runnerID, theirs.b.Run, theirs.seal(writ.EntryProbe, writ.ProbeBody{Lease: h.lease, Run: theirs.b.Run, PowerGone: true, IdentityGone: true}), writ.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.ctl.Deliver(w.ctx, c.by, assignment.Delivery{Run: c.run, Entries: [][]byte{c.entry}})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if n := len(w.leaves()); n != before || w.run(h.b.Run).State != writ.RunRunning || w.glance().LeasesAlive != 1 {
		t.Errorf("%d entries were taken; %+v", n-before, w.run(h.b.Run).Run)
	}
	if _, err := w.ctl.Deliver(w.ctx, runnerID, assignment.Delivery{Run: h.b.Run, Entries: make([][]byte, assignment.MaxEntries+1)}); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("too many entries: %v", err)
	}
}

func TestI01AnIntentIsAStepOfTheGrantedPlan(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	for name, change := range map[string]func(*writ.StepBody){
		"step":      func(b *writ.StepBody) { b.Step = string(h.plan.ID) + ".2" },
		"no step":   func(b *writ.StepBody) { b.Step = "" },
		"grant":     func(b *writ.StepBody) { b.Grant = "gnt_01JDB3V0T6M2Y8H4R1C7K5P9WD" },
		"plan":      func(b *writ.StepBody) { b.Plan = "pln_01JDB3V0T6M2Y8H4R1C7K5P9WD" },
		"digest":    func(b *writ.StepBody) { b.PlanDigest = writ.DigestOf([]byte("x")) },
		"operation": func(b *writ.StepBody) { b.Operation = "kubernetes/pod.delete" },
		"object":    func(b *writ.StepBody) { b.Object.UID = "other" },
		"version":   func(b *writ.StepBody) { b.Object.Version = "13" },
		"method":    func(b *writ.StepBody) { b.Call.Method = "DELETE" },
		"path":      func(b *writ.StepBody) { b.Call.Path += "/../../secrets" },
		"body":      func(b *writ.StepBody) { b.Call.Body = writ.Commitment{} },
	} {
		t.Run(name, func(t *testing.T) {
			for _, entries := range [][][]byte{{h.intent(change)}, {h.leaseEntry(), h.intent(change)}} {
				if d := h.deliver(entries...); d.Refused == nil || d.Refused.Code != writ.ReasonPlanMismatch || len(d.Receipts) != 0 {
					t.Errorf("%+v", d)
				}
			}
		})
	}
	if w.count(writ.EntryStepIntent) != 0 || w.count(writ.EntryLease) != 0 || w.glance().LeasesAlive != 0 || w.run(h.b.Run).State != writ.RunGranted {
		t.Error("something was taken")
	}
	h.begin()
}

func TestI13AStepIsBegunOnce(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	h.begin()
	if d := h.deliver(h.intent()); d.Refused == nil || d.Refused.Code != writ.ReasonSpent {
		t.Errorf("a second intent of one step: %+v", d.Refused)
	}
	if w.count(writ.EntryStepIntent) != 1 {
		t.Error("it was taken")
	}
}

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

func TestARunsRefusalByTheRunnerEndsItAndFreesTheService(t *testing.T) {
	w := newWorld(t)
	s, h := w.granted()
	no := assignment.Answer{Assignment: h.a.ID, Refused: &assignment.Refused{Code: writ.ReasonOverCeiling, Detail: "the ceiling says no"}}
	must(t, w.ctl.AnswerAssignment(w.ctx, runnerID, no))
	must(t, w.ctl.AnswerAssignment(w.ctx, runnerID, no))
	r := w.run(h.b.Run)
	if r.State != writ.RunRefused || r.Reason != writ.ReasonOverCeiling || r.Detail != "the ceiling says no" || reservations(w) != 0 {
		t.Errorf("%+v", r.Run)
	}
	if p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0); err != nil || p.State != writ.PlanDone {
		t.Errorf("the plan is %s, %v", p.State, err)
	}
	if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused == nil || w.count(writ.EntryStepIntent) != 0 {
		t.Error("a refused run began")
	}
}

func TestARunThatHasBegunIsNotRefusedAnyMore(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	h.begin()
	must(t, w.ctl.AnswerAssignment(w.ctx, runnerID, assignment.Answer{Assignment: h.a.ID, Refused: &assignment.Refused{Code: writ.ReasonSpent}}))
	if r := w.run(h.b.Run); r.State != writ.RunRunning || reservations(w) != 1 {
		t.Errorf("it is %s, with %d reservations", r.State, reservations(w))
	}
}

func TestI14AWorldThatMovedMakesThePlanStale(t *testing.T) {
	w := newWorld(t)
	s, h := w.granted()
	h.deliver(h.end(writ.RunRefused, writ.ReasonWorldMoved))
	if p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0); err != nil || p.State != writ.PlanStale || p.Reason != writ.ReasonWorldMoved {
		t.Errorf("the plan is %s: %s, %v", p.State, p.Reason, err)
	}
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
	w.pass(6 * time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	if r := w.run(h.b.Run); r.State != writ.RunRunning || reservations(w) != 1 {
		t.Errorf("it is %s", r.State)
	}
	h.deliver(h.effect(intent, writ.Applied), h.check(true), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunSucceeded, ""))
	if r := w.run(h.b.Run); r.State != writ.RunSucceeded {
		t.Errorf("it is %s", r.State)
	}
}
