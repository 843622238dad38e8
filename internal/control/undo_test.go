package control_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/plan"
)

// uncertain is a run that ended without anybody knowing what its call did.
func (w *world) uncertain() writ.RunStatus {
	w.t.Helper()
	_, h := w.granted()
	h.endedAs(writ.RunUncertain)
	return w.run(h.b.Run)
}

func TestI15OnlyAPersonSettlesAnUncertainRunAndOnce(t *testing.T) {
	w := newWorld(t)
	r := w.uncertain()
	if len(r.Open) != 1 || r.Open[0].Number != 1 || r.Open[0].Effect != writ.Unknown || r.Open[0].Object.Version != "12" || len(r.Open[0].Diff) == 0 {
		t.Fatalf("a person is not told what to look at: %+v", r.Open)
	}
	if _, err := w.ctl.Settle(w.ctx, repair, r.ID, 1, writ.Applied, "trust me"); writ.ReasonOf(err) != writ.ReasonKind {
		t.Errorf("an agent settled it: %v", err)
	}
	for name, ask := range map[string]struct {
		step   int
		as     writ.Effect
		reason string
		kind   error
	}{
		"an unknown outcome": {1, writ.Unknown, "x", writ.ErrInvalid},
		"no reason":          {1, writ.Applied, "", writ.ErrInvalid},
		"another step":       {2, writ.Applied, "x", writ.ErrConflict},
	} {
		if _, err := w.ctl.Settle(w.ctx, human("bob"), r.ID, ask.step, ask.as, ask.reason); !errors.Is(err, ask.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	before := w.count(writ.EntrySettle)
	got, err := w.ctl.Settle(w.ctx, human("bob"), r.ID, 1, writ.Applied, "four replicas are there")
	must(t, err)
	if got.State != writ.RunUncertain || len(got.Open) != 0 || len(got.Settled) != 1 || got.Settled[0].Reason != "four replicas are there" || !got.Settled[0].By.Same(human("bob")) {
		t.Errorf("%+v", got)
	}
	_, err = w.ctl.Settle(w.ctx, human("ann"), r.ID, 1, writ.NotApplied, "no")
	refused(t, err, writ.ReasonSettled)
	if n := w.count(writ.EntrySettle); before != 0 || n != 1 {
		t.Errorf("%d settlements in the ledger", n)
	}
	for _, l := range w.leaves() {
		if strings.Contains(string(l), "four replicas") {
			t.Error("the person's words stand in the ledger")
		}
	}
}

func TestI15ARunThatIsNotUncertainIsNotSettled(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	h.succeed()
	_, err := w.ctl.Settle(w.ctx, human("bob"), h.b.Run, 1, writ.Applied, "x")
	refused(t, err, writ.ReasonNotUncertain)
	if !errors.Is(err, writ.ErrConflict) {
		t.Errorf("%v is no conflict", err)
	}
}

func TestI15APlanOnAnObjectInDoubtAsksAPerson(t *testing.T) {
	w := newWorld(t)
	r := w.uncertain()
	w.pass(restartPause)
	s := w.propose(repair, w.restart(w.incident("shop").ID)) // another incident, the same object
	if s.State != writ.PlanWaiting || s.Needs.Approvals["owner"] < 1 {
		t.Fatalf("the plan is %s %s and needs %v", s.State, s.Reason, s.Needs.Approvals)
	}
	_, err := w.ctl.Withdraw(w.ctx, repair, s.ID, "")
	must(t, err)
	_, err = w.ctl.Settle(w.ctx, human("bob"), r.ID, 1, writ.NotApplied, "nothing has changed")
	must(t, err)
	if s := w.proposed(repair, w.restart(w.incident("shop").ID)); !slices.Equal(s.Decision.Policies, []string{"grants/approved-repair", "requirements/one-approver"}) {
		t.Errorf("after the settlement only the playbook's record asks for somebody: %s %v", s.State, s.Decision.Policies)
	}
}

// puttingBack lets the test's runner plan undos as a runner does.
func (w *world) puttingBack(change func(*writ.Plan)) {
	w.runner.script(nil, func(in assignment.Planning) assignment.Answer {
		return w.runner.plan(in, func(p *writ.Plan) {
			if in.Reverts == nil {
				return
			}
			of, _, err := writ.ParsePlan(in.Reverts.Plan)
			must(w.t, err)
			p.Reverts, p.Title, p.Guards, p.Verify = in.Reverts.Run, plan.RevertTitle(of), nil, plan.RevertChecks(len(in.Reverts.Steps))
			p.Steps = nil
			for i, n := range in.Reverts.Steps {
				s := of.Steps[n-1]
				s.Key, s.Reverts, s.Title, s.Object.Version = fmt.Sprintf("%s.%d", p.ID, i+1), s.Key, "Put it back", "13"
				p.Steps = append(p.Steps, s)
			}
			p.Tier, p.Blast = max(of.Tier, plan.Tier(p.Tier, p.Steps)), plan.Blast(p.Steps)
			if change != nil {
				change(p)
			}
		})
	})
}

func (w *world) undoOf(id writ.IncidentID) writ.Undo {
	w.t.Helper()
	in, err := w.ctl.Incident(w.ctx, human("bob"), id)
	must(w.t, err)
	if in.Undo == nil {
		w.t.Fatal("there is no undo")
	}
	return *in.Undo
}

// twoRuns are two repairs of one incident that succeeded.
func (w *world) twoRuns() (writ.IncidentID, [2]writ.RunID) {
	w.t.Helper()
	in := w.incident("shop").ID
	var ids [2]writ.RunID
	for i := range ids {
		s := w.propose(repair, w.restart(in))
		if s.State != writ.PlanGranted {
			w.t.Fatalf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
		}
		h := w.runner.take()
		h.succeed()
		ids[i] = h.b.Run
		w.pass(restartPause)
	}
	return in, ids
}

func TestI16TheNewestRunIsPutBackFirstAndTheNextWhenThatIsVerified(t *testing.T) {
	w := newWorld(t)
	w.puttingBack(nil)
	in, runs := w.twoRuns()
	if _, err := w.ctl.Undo(w.ctx, repair, in, writ.UndoAsk{}); writ.ReasonOf(err) != writ.ReasonKind {
		t.Errorf("an agent undid an incident: %v", err)
	}
	u, err := w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{Because: "it did not help"})
	must(t, err)
	if u.State != writ.UndoOpen || len(u.Runs) != 2 || u.Runs[0].Run != runs[1] || u.Runs[1].Run != runs[0] || u.Runs[0].Plan == "" || u.Runs[1].Plan != "" || u.Because != "it did not help" {
		t.Fatalf("%+v", u)
	}
	again, err := w.ctl.Undo(w.ctx, human("ann"), in, writ.UndoAsk{})
	must(t, err)
	if again.Runs[0].Plan != u.Runs[0].Plan || !again.By.Same(human("bob")) {
		t.Errorf("asked again it is another undo: %+v", again)
	}
	p := w.settled(human("bob"), u.Runs[0].Plan)
	if p.State != writ.PlanGranted || !p.Requester.Same(human("bob")) || p.Plan.Reverts != runs[1] {
		t.Fatalf("%s %s %s, %+v", p.State, p.Reason, p.Detail, p.Plan)
	}
	h := w.runner.take()
	w.pass(2 * time.Second)
	must(t, w.ctl.SweepOnce(w.ctx))
	if u := w.undoOf(in); u.Runs[1].Plan != "" || u.Runs[0].Done {
		t.Errorf("the older run had its turn before the newer was put back: %+v", u)
	}
	h.succeed()
	w.pass(2 * time.Second)
	must(t, w.ctl.SweepOnce(w.ctx))
	u = w.undoOf(in)
	if !u.Runs[0].Done || u.Runs[1].Plan == "" {
		t.Fatalf("the next run had no turn: %+v", u)
	}
	if p := w.settled(human("bob"), u.Runs[1].Plan); p.State != writ.PlanGranted {
		t.Fatalf("%s %s %s", p.State, p.Reason, p.Detail)
	}
	w.runner.take().succeed()
	w.pass(2 * time.Second)
	must(t, w.ctl.SweepOnce(w.ctx))
	if u := w.undoOf(in); u.State != writ.UndoDone {
		t.Errorf("%+v", u)
	}
	_, err = w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{})
	refused(t, err, writ.ReasonNothingToUndo)
}

// A row goes only with the success of the run that put it back: what failed is asked for again, and goes on from there.
func TestUND03AnUndoThatFailsIsNotLost(t *testing.T) {
	w := newWorld(t)
	w.puttingBack(nil)
	in, runs := w.twoRuns()
	u, err := w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{})
	must(t, err)
	w.settled(human("bob"), u.Runs[0].Plan)
	w.runner.take().endedAs(writ.RunFailed)
	w.pass(2 * time.Second)
	must(t, w.ctl.SweepOnce(w.ctx))
	if u := w.undoOf(in); u.State != writ.UndoStopped || u.Runs[0].Done || u.Runs[1].Plan != "" || u.Reason == "" {
		t.Fatalf("%+v", u)
	}
	u, err = w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{Run: runs[1]})
	must(t, err)
	if len(u.Runs) != 1 || u.Runs[0].Run != runs[1] || u.Runs[0].Plan == "" {
		t.Errorf("it does not go on where it stopped: %+v", u)
	}
}

// UND-09, UND-11: whether a run can be put back is read from its plan, whatever anybody claims.
func TestUND09UND11WhatCannotBePutBackIsRefusedBeforeAnythingIsDone(t *testing.T) {
	w := newWorld(t)
	w.runner.script(nil, func(in assignment.Planning) assignment.Answer {
		return w.runner.plan(in, func(p *writ.Plan) { p.Steps[0].Inverse.Kind = writ.InverseRecreated })
	})
	in, _ := w.twoRuns()
	before := w.count(writ.EntryProposal)
	_, err := w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{Because: "a rollback is possible"})
	refused(t, err, writ.ReasonNoInverse)
	if w.count(writ.EntryProposal) != before {
		t.Error("something was proposed")
	}
}

func TestI16AnUndoIsHeldToThePlanOfTheRunThatItPutsBack(t *testing.T) {
	for name, change := range map[string]func(*writ.Plan){
		"another object":    func(p *writ.Plan) { p.Steps[0].Object.UID = "4712" },
		"another operation": func(p *writ.Plan) { p.Steps[0].Operation = "kubernetes/workload.scale" },
		"another step":      func(p *writ.Plan) { p.Steps[0].Reverts = string(p.ID) + ".7" },
		"another run":       func(p *writ.Plan) { p.Reverts = "run_01JDB4A2Q7N5S3J8E6X0F4G1MB" },
		"no checks":         func(p *writ.Plan) { p.Verify[0].Value = writ.Bool(false) },
		"another title":     func(p *writ.Plan) { p.Title = "Tidy up" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.puttingBack(change)
			in, _ := w.twoRuns()
			u, err := w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{})
			must(t, err)
			if p := w.settled(human("bob"), u.Runs[0].Plan); p.State != writ.PlanRefused || p.Reason != writ.ReasonPlanMismatch {
				t.Errorf("%s %s %s", p.State, p.Reason, p.Detail)
			}
		})
	}
}

// TestI16UndosAreBoundedByTheRunsThatTheyPutBack: cooldowns and attempt limits do not count undos. What bounds them: one
// that fails is not tried again by itself, a run is put back once, and an undo gives nobody a clean slate, so that
// repair and undo cannot alternate for ever.
func TestI16UndosAreBoundedByTheRunsThatTheyPutBack(t *testing.T) {
	w := newWorld(t, anyTimes(t))
	w.puttingBack(nil)
	for range 3 { // the attempts that an object is given
		in := w.incident("shop").ID
		w.allowed(repair, w.restart(in)).succeed()
		before := w.count(writ.EntryProposal)
		for _, end := range []writ.RunState{writ.RunFailed, writ.RunSucceeded} { // within the cooldown, and again at once
			u, err := w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{})
			must(t, err)
			p := w.settled(human("bob"), u.Runs[0].Plan)
			if p.State == writ.PlanWaiting {
				_, err := w.approve(p.ID, "ann", "owner")
				must(t, err)
			}
			w.runner.take().endedAs(end)
			for range 5 {
				w.pass(2 * time.Second)
				must(t, w.ctl.SweepOnce(w.ctx))
			}
		}
		if got := w.count(writ.EntryProposal) - before; got != 2 {
			t.Errorf("two asks for an undo led to %d proposals", got)
		}
		_, err := w.ctl.Undo(w.ctx, human("bob"), in, writ.UndoAsk{})
		refused(t, err, writ.ReasonNothingToUndo)
		w.pass(restartPause)
	}
	_, err := w.ctl.Propose(w.ctx, second, w.restart(w.incident("shop").ID))
	refused(t, err, writ.ReasonAttempts)
}
