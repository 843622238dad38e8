package control_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/token"
)

// upTo lets the runner's ceiling end at a tier.
func (w *world) upTo(tier writ.Tier) {
	w.runner.script(nil, func(in assignment.Planning) assignment.Answer {
		a := w.runner.plan(in)
		if a.Planned != nil {
			a.Planned.MaxTier = tier
		}
		return a
	})
}

// TestI11WhatWasPassedOnEndsAtTheTierInForce: a hand-off up to tier 2 passes on no plan that policy puts into tier 3, though its
// own tier is 2.
func TestI11WhatWasPassedOnEndsAtTheTierInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, raisedTo(t, writ.T3))
	in := w.incident("shop").ID
	s := w.propose(repair, under(w.handed(diagnose, "repair", in), w.scale(in)))
	if s.State != writ.PlanDenied || s.Reason != writ.ReasonHandOff || !strings.Contains(s.Detail, "counts as tier 3") || !strings.Contains(s.Detail, "its own tier is T2") {
		t.Errorf("up to T2 it is %s %s: %s", s.State, s.Reason, s.Detail)
	}
	enough := w.handed(diagnose, "repair", in, func(a *writ.HandOffAsk) { a.MaxTier = writ.T3 })
	if s = w.propose(repair, under(enough, w.scale(in))); s.State != writ.PlanWaiting {
		t.Errorf("up to T3 it is %s %s: %s", s.State, s.Reason, s.Detail)
	}
}

// TestI12NobodyIsAskedAboutAPlanAboveItsRunnersCeiling: what policy puts above the tier that the runner carries out is denied
// before people are asked, and says why; also when it comes there between two answers. A runner that says nothing of its
// ceiling is asked for nothing.
func TestI12NobodyIsAskedAboutAPlanAboveItsRunnersCeiling(t *testing.T) {
	t.Parallel()
	for max, want := range map[writ.Tier]writ.PlanState{writ.T0: writ.PlanDenied, writ.T3: writ.PlanDenied, writ.T4: writ.PlanWaiting} {
		w := newWorld(t, raisedTo(t, writ.T4))
		w.upTo(max)
		ask := w.scale(w.incident("shop").ID)
		ask.DryRun = true
		if s := w.propose(repair, ask); (s.Reason == writ.ReasonOverCeiling) != (want == writ.PlanDenied) {
			t.Errorf("up to %s a dry run is told %s: %s", max, s.Reason, s.Detail)
		}
		ask.DryRun = false
		s := w.propose(repair, ask)
		if s.State != want {
			t.Errorf("up to %s it is %s %s: %s", max, s.State, s.Reason, s.Detail)
		}
		if want == writ.PlanDenied && (s.Reason != writ.ReasonOverCeiling || !strings.Contains(s.Detail, "counts as T4, and the ceiling of its runner ends at "+max.String())) {
			t.Errorf("up to %s it is %s: %s", max, s.Reason, s.Detail)
		}
	}

	w := newWorld(t, chained(t, "raises: [{playbook: scale-workload, at_least: T3}]"))
	w.upTo(writ.T3)
	in := w.incident("shop").ID
	s := w.propose(repair, w.scale(in))
	wantRaised(t, w, s.ID, writ.T3)
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	w.allowed(repair, w.restart(in)).succeed()
	if after, err := w.approve(s.ID, "bob", "owner"); err != nil || after.State != writ.PlanDenied || after.Reason != writ.ReasonOverCeiling {
		t.Errorf("after the second answer it is %s %s: %s (%v)", after.State, after.Reason, after.Detail, err)
	}
}

// readied asks with a key of the agent's own, has people approve, and leaves the grant where it is.
func (w *world) readied(by writ.Principal, ask writ.Ask, people ...string) writ.PlanStatus {
	w.t.Helper()
	key, err := token.NewKey(rand.Reader)
	must(w.t, err)
	ask.Holder = token.Thumbprint(&key.PublicKey)
	s := w.proposed(by, ask)
	for _, sub := range people {
		s, err = w.approve(s.ID, sub, "owner")
		must(w.t, err)
	}
	if s.State != writ.PlanReady {
		w.t.Fatalf("the plan is %s: %s", s.State, s.Detail)
	}
	return s
}

// TestPitfall14AnAllowedPlanIsReachedAtItsTierInForce: a plan of tier 2 that tiers.yaml puts into tier 3, and that needs nobody
// any more, puts what else its incident asks for into tier 3.
func TestPitfall14AnAllowedPlanIsReachedAtItsTierInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, raisedTo(t, writ.T3))
	in := w.incident("shop").ID
	s := w.readied(repair, w.scale(in), "ann", "bob")
	if got := w.proposed(second, w.restart(in)); factsOf(t, got).Reach != 3 || got.Decision.Tier != writ.T3 || !strings.Contains(factsOf(t, got).ReachBy, string(s.ID)) {
		t.Errorf("reach %d by %q, tier %s", factsOf(t, got).Reach, factsOf(t, got).ReachBy, got.Decision.Tier)
	}
}

// What a plan has only from another one that could be reached ends with that one: two plans do not hold each other up for ever.
func TestPitfall14ReachEndsWithWhatCouldBeReached(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := w.incident("shop").ID
	s := w.readied(repair, w.scale(in), "ann")
	echo := w.readied(second, w.restart(in), "ann")
	if echo.Tier() != writ.T2 {
		t.Fatalf("beside a plan of T2 the other is %s", echo.Tier())
	}
	_, err := w.ctl.Withdraw(w.ctx, repair, s.ID, "")
	must(t, err)
	w.pass(time.Second)
	if got := w.proposed(repair, w.pod(in)); got.Decision.Tier != writ.T1 || factsOf(t, got).Reach != 0 {
		t.Errorf("once it is withdrawn: %s because %v", got.Decision.Tier, got.Decision.TierBecause)
	}
}
