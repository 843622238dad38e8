package control_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/store"
)

// endedAs ends the run that the test's runner holds.
func (h *held) endedAs(state writ.RunState) {
	h.r.w.t.Helper()
	if state == writ.RunSucceeded {
		h.succeed()
		return
	}
	lease, intent := h.begin()
	effect := map[writ.RunState]writ.Effect{writ.RunFailed: writ.NotApplied, writ.RunUndone: writ.Applied, writ.RunUncertain: writ.Unknown}[state]
	h.deliver(h.effect(intent, effect), h.revoke(lease), h.probe(lease, true, true), h.end(state, writ.ReasonStepFailed))
}

// allowed asks, lets owners agree where the playbook's record asks for them, and takes the run.
func (w *world) allowed(by writ.Principal, ask writ.Ask) *held {
	w.t.Helper()
	s := w.propose(by, ask)
	for _, owner := range []string{"ann", "bob"} {
		if s.State == writ.PlanWaiting {
			var err error
			s, err = w.approve(s.ID, owner, "owner")
			must(w.t, err)
		}
	}
	if s.State != writ.PlanGranted {
		w.t.Fatalf("the plan is %s: %s %s", s.State, s.Reason, s.Detail)
	}
	return w.runner.take()
}

// anyTimes lifts what the default policy says of failures, so that only the counts are left.
func anyTimes(t *testing.T) func(*control.Config) {
	return func(c *control.Config) {
		c.Policy = loadPolicy(t, patched(t, map[string]string{
			"context.concurrent < 1": "context.concurrent < 1000", "context.sameFixRepeated < 3": "context.sameFixRepeated < 1000",
			"context.failures < 1": "context.failures < 1000", "context.unsettled < 1": "context.unsettled < 1000",
			`two owners", proof: A`: `two owners", proof: D`, // where records put a playbook that fails on and on
		}), c.Library)
	}
}

func TestUND15TheSameFixOnTheSameObjectIsBlockedWithinItsWindow(t *testing.T) {
	w := newWorld(t, anyTimes(t))
	// Something breaks it again after each repair: each time there is a new incident, and each time another agent asks.
	for n, by := range []writ.Principal{repair, second, repair} {
		w.allowed(by, w.restart(w.incident("shop").ID)).endedAs([]writ.RunState{writ.RunSucceeded, writ.RunUndone, writ.RunUncertain}[n])
		w.pass(restartPause)
	}
	ask := w.restart(w.incident("shop").ID)
	before, asked := len(w.leaves()), w.runner.asked.Load()
	for _, by := range []writ.Principal{repair, second, human("rob")} {
		_, err := w.ctl.Propose(w.ctx, by, ask)
		refused(t, err, writ.ReasonAttempts)
		r, ok := err.(*writ.Refusal)
		if !ok || !errors.Is(err, writ.ErrBusy) || !strings.Contains(r.Hint, "keeps breaking it") {
			t.Fatalf("it does not ask who breaks it: %+v", err)
		}
		if want := time.Hour - 3*restartPause; r.After != want {
			t.Errorf("come again in %s, want %s", r.After, want)
		}
	}
	if len(w.leaves()) != before+3 || w.runner.asked.Load() != asked { // one refusal for each who asked
		t.Error("more than the refusals was recorded, or a runner was asked")
	}
	// Asked for in other words it is the same object: the plan ends without a question to anybody.
	other := ask
	other.Parameters = with(ask.Parameters, "kind", writ.String("statefulset"))
	if s := w.propose(repair, other); s.State != writ.PlanDenied || s.Reason != writ.ReasonAttempts || s.RetryAt == nil || !s.RetryAt.After(w.now()) {
		t.Errorf("in other words: %s %s, again at %v", s.State, s.Reason, s.RetryAt)
	}
	w.pass(time.Hour - 3*restartPause)
	w.allowed(repair, w.restart(w.incident("shop").ID))
}

func TestI10ACooldownRunsFromTheEndOfARun(t *testing.T) {
	w := newWorld(t, anyTimes(t))
	_, h := w.granted()
	w.pass(2 * time.Minute)
	h.endedAs(writ.RunFailed)
	w.pass(restartPause - time.Second)
	_, err := w.ctl.Propose(w.ctx, second, w.restart(w.incident("shop").ID))
	refused(t, err, writ.ReasonCooldown)
	if r, ok := err.(*writ.Refusal); !ok || r.After != time.Second || !strings.Contains(r.Detail, string(writ.RunFailed)) {
		t.Errorf("%+v", err)
	}
	cooling := w.status().Services
	if len(cooling) != 1 || len(cooling[0].Cooling) != 1 || cooling[0].Cooling[0].Object != checkout || cooling[0].Cooling[0].Reason != writ.ReasonCooldown {
		t.Errorf("the status shows %+v", cooling)
	}
	w.pass(time.Second)
	if s := w.propose(second, w.restart(w.incident("shop").ID)); s.State != writ.PlanGranted {
		t.Errorf("after it: %s %s %s", s.State, s.Reason, s.Detail)
	}
}

func TestI10ARunThatNeverBeganIsNoAttempt(t *testing.T) {
	w := newWorld(t, anyTimes(t))
	for range 5 {
		_, h := w.granted()
		h.deliver(h.end(writ.RunRefused, writ.ReasonWorldMoved))
	}
	for range 3 {
		_, _ = w.granted()
		w.pass(6 * time.Minute)
		must(t, w.ctl.SweepOnce(w.ctx))
	}
}

func TestI10AnObjectIsLeftAloneAfterTooManyRunsOfAnything(t *testing.T) {
	w := newWorld(t, anyTimes(t), func(c *control.Config) { c.Limits.ObjectAttempts = 4 })
	partly(w)
	for n := range 4 {
		in := w.incident("shop").ID
		ask := w.deletion(in, fmt.Sprintf("checkout-%d", n))
		if n == 3 {
			ask = w.restart(in)
		}
		if s := w.propose(repair, ask); s.State != writ.PlanGranted {
			t.Fatalf("%d: %s %s %s", n, s.State, s.Reason, s.Detail)
		}
		w.runner.take().succeed()
		w.pass(30 * time.Second)
	}
	in := w.incident("shop").ID
	if s := w.propose(repair, w.deletion(in, "checkout-9")); s.State != writ.PlanDenied || s.Reason != writ.ReasonAttempts || !strings.Contains(s.Detail, "4 times") {
		t.Errorf("a fifth run: %s %s %s", s.State, s.Reason, s.Detail)
	}
	// Nobody is asked about what may not run.
	if s := w.propose(human("rob"), w.scale(in)); s.State != writ.PlanDenied || s.Reason != writ.ReasonAttempts {
		t.Errorf("tier 2: %s %s", s.State, s.Reason)
	}
	elsewhere := w.restart(in)
	elsewhere.Parameters = with(workload, "name", writ.String("cart"))
	if s := w.propose(repair, elsewhere); s.State != writ.PlanGranted {
		t.Errorf("another object: %s %s", s.State, s.Reason)
	}
}

func TestAttemptsAreForgottenOnceTheyCountForNothing(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	h.succeed()
	count := func() (n int) {
		must(t, w.ctl.SweepOnce(w.ctx))
		must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
			rows, err := tx.Find(store.Attempts, store.Filter{})
			n = len(rows)
			return err
		}))
		return n
	}
	if w.pass(23 * time.Hour); count() != 2 {
		t.Errorf("%d attempts are kept", count())
	}
	if w.pass(time.Hour); count() != 0 {
		t.Errorf("%d attempts are kept for ever", count())
	}
}

// status is what a person sees.
func (w *world) status() writ.Status {
	w.t.Helper()
	s, err := w.ctl.Status(w.ctx, human("ann"))
	must(w.t, err)
	return s
}
