package control_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
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
	if n := w.count(writ.EntryPlanEnd); n != 1 { // the runner gave no entry of its end, so the ledger needs this one
		t.Errorf("%d entries end the plan", n)
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
