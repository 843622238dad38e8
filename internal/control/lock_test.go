package control_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// held counts what runs hold.
func (w *world) held() (reservations, locks, slots int) {
	w.t.Helper()
	must(w.t, w.store.View(w.ctx, func(tx *store.Tx) error {
		for to, table := range map[*int]store.Table{&reservations: store.Reservations, &locks: store.Locks, &slots: store.Slots} {
			rows, err := tx.Find(table, store.Filter{})
			if err != nil {
				return err
			}
			*to = len(rows)
		}
		return nil
	}))
	return reservations, locks, slots
}

// deletion asks for one pod of the workload to be deleted.
func (w *world) deletion(in writ.IncidentID, pod string) writ.Ask {
	w.t.Helper()
	ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/pods.list", target, workload)
	must(w.t, err)
	return writ.Ask{Incident: in, Playbook: "delete-stuck-pod", Parameters: with(workload, "pod", writ.String(pod)), Evidence: []writ.EvidenceID{ev.ID}}
}

const checkout = target + "/shop/deployment/checkout"

// partly makes the runner plan the deletion of a pod, as a part of its deployment.
func partly(w *world) {
	w.runner.script(nil, func(in assignment.Planning) assignment.Answer {
		return w.runner.plan(in, func(p *writ.Plan) {
			if pod, ok := p.Parameters["pod"].Str(); ok {
				p.Steps[0].Object.Location = target + writ.Location("/shop/deployment/"+pod)
				p.Steps[0].Owner = checkout
			}
		})
	})
}

func TestI09OneRunWritesAnObjectWhateverAsksForIt(t *testing.T) {
	w := newWorld(t, manyAtOnce(t))
	partly(w)
	_, h := w.granted()
	in := w.incident("shop").ID
	wantBusy := func(name string, s writ.PlanStatus) {
		t.Helper()
		if s.State != writ.PlanDenied || s.Reason != writ.ReasonObjectBusy || s.Hint == "" || !strings.Contains(s.Detail, "restart-workload") {
			t.Errorf("%s: %s %s: %s", name, s.State, s.Reason, s.Detail)
		}
	}
	wantBusy("a pod of the deployment", w.propose(second, w.deletion(in, "checkout-1")))
	scaling := w.propose(human("rob"), w.scale(in))
	after, err := w.approve(scaling.ID, "ann", "owner")
	must(t, err)
	wantBusy("another playbook that a person asked for", after)
	_, err = w.ctl.Propose(w.ctx, second, w.restart(in))
	refused(t, err, writ.ReasonObjectBusy) // the very same repair is refused before a runner is asked
	elsewhere := w.restart(in)
	elsewhere.Parameters = with(workload, "name", writ.String("cart"))
	if s := w.propose(second, elsewhere); s.State != writ.PlanGranted {
		t.Errorf("another object: %s %s %s", s.State, s.Reason, s.Detail)
	}
	h.succeed()
	if s := w.propose(second, w.deletion(in, "checkout-1")); s.State != writ.PlanGranted {
		t.Errorf("after the run has ended: %s %s %s", s.State, s.Reason, s.Detail)
	}
	again := w.scale(in)
	again.Parameters = with(again.Parameters, "replicas", writ.Int(7))
	s := w.propose(human("rob"), again)
	after, err = w.approve(s.ID, "ann", "owner")
	must(t, err)
	if after.Reason != writ.ReasonObjectBusy || !strings.Contains(after.Detail, "delete-stuck-pod") {
		t.Errorf("the deployment, while one of its pods is deleted: %s %s: %s", after.State, after.Reason, after.Detail)
	}
}

func TestI09OfManyPlansOnOneObjectOneIsGranted(t *testing.T) {
	const plans = 40
	w := newWorld(t, manyAtOnce(t), manyPlans)
	w.runner.permille = 1 // the service has room for all of them
	ask := w.scale(w.incident("shop").ID)
	var ids []writ.PlanID
	var statements []writ.ApprovalStatement
	for n := range int64(plans) {
		ask.Parameters = with(ask.Parameters, "replicas", writ.Int(n+1))
		s := w.propose(human("rob"), ask)
		ids, statements = append(ids, s.ID), append(statements, w.statement(s.ID, "ann", "owner", writ.Approve))
	}
	var granted, refused atomic.Int64
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			s, err := w.answer(id, statements[i], "ann")
			switch {
			case err != nil:
				t.Error(err)
			case s.State == writ.PlanGranted:
				granted.Add(1)
			case s.Reason == writ.ReasonObjectBusy:
				refused.Add(1)
			default:
				t.Errorf("%s %s: %s", s.State, s.Reason, s.Detail)
			}
		})
	}
	all.Wait()
	if granted.Load() != 1 || refused.Load() != plans-1 || w.count(writ.EntryGrant) != 1 {
		t.Errorf("%d granted, %d refused", granted.Load(), refused.Load())
	}
}

// However a run ends, it holds nothing afterwards: no budget can stay reserved.
func TestI09WhateverARunsEndItHoldsNothingAfterwards(t *testing.T) {
	for name, end := range map[string]func(w *world, h *held){
		"succeeded": func(_ *world, h *held) { h.succeed() },
		"failed": func(_ *world, h *held) {
			lease, intent := h.begin()
			h.deliver(h.effect(intent, writ.NotApplied), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunFailed, writ.ReasonStepFailed))
		},
		"undone": func(_ *world, h *held) {
			lease, intent := h.begin()
			h.deliver(h.effect(intent, writ.Applied), h.check(false), h.revoke(lease), h.probe(lease, true, true), h.end(writ.RunUndone, writ.ReasonVerificationFailed))
		},
		"uncertain": func(_ *world, h *held) {
			lease, intent := h.begin()
			h.deliver(h.effect(intent, writ.Unknown), h.revoke(lease), h.end(writ.RunUncertain, writ.ReasonUncertainOutcome))
		},
		"refused by its entry": func(_ *world, h *held) { h.deliver(h.end(writ.RunRefused, writ.ReasonWorldMoved)) },
		"refused by the answer": func(w *world, h *held) {
			must(w.t, w.ctl.AnswerAssignment(w.ctx, runnerID, assignment.Answer{Assignment: h.a.ID, Refused: &assignment.Refused{Code: writ.ReasonGuard}}))
		},
		"never taken up": func(w *world, _ *held) {
			w.pass(6 * time.Minute)
			must(w.t, w.ctl.SweepOnce(w.ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.runner.units = []writ.Units{{Workload: checkout, Wanted: 4, Ready: 4, Down: 1, Floor: 3, By: writ.FloorStrategy}}
			s, h := w.granted()
			if r, l, n := w.held(); r != 2 || l != 1 || n != 1 { // its service and its workload, one object, the incident's place
				t.Fatalf("in flight it holds %d reservations, %d locks, %d places", r, l, n)
			}
			end(w, h)
			if got := w.run(s.Run); !got.State.Final() {
				t.Fatalf("the run is %s", got.State)
			}
			if r, l, n := w.held(); r != 0 || l != 0 || n != 1 {
				t.Errorf("afterwards it holds %d reservations, %d locks, %d places", r, l, n)
			}
		})
	}
}

func TestI09ADroppedPlanHoldsNoPlace(t *testing.T) {
	for name, end := range map[string]func(w *world, s writ.PlanStatus){
		"withdrawn": func(w *world, s writ.PlanStatus) {
			_, err := w.ctl.Withdraw(w.ctx, repair, s.ID, "no")
			must(w.t, err)
		},
		"rejected": func(w *world, s writ.PlanStatus) {
			_, err := w.answer(s.ID, w.statement(s.ID, "ann", "owner", writ.Reject), "ann")
			must(w.t, err)
		},
		"expired": func(w *world, _ writ.PlanStatus) {
			w.pass(planLife + time.Second)
			must(w.t, w.ctl.SweepOnce(w.ctx))
		},
		"granted": func(w *world, s writ.PlanStatus) {
			_, err := w.approve(s.ID, "ann", "owner")
			must(w.t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.waiting()
			if _, _, n := w.held(); n != 2 {
				t.Fatalf("%d places while it waits", n)
			}
			end(w, s)
			if _, _, n := w.held(); n != 1 {
				t.Errorf("%d places afterwards", n)
			}
		})
	}
}
