package control_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/token"
)

// undeclared takes the declaration of compatible operations out of the set.
func undeclared(t *testing.T) func(*control.Config) {
	return func(c *control.Config) {
		c.Policy = loadPolicy(t, patched(t, map[string]string{
			"- [kubernetes/workload.restart, kubernetes/workload.rollback, kubernetes/workload.scale, kubernetes/pod.delete]": "- [kubernetes/workload.restart, kubernetes/workload.rollback]",
		}), c.Library)
	}
}

// pod is an ask for another tier 1 repair than restart.
func (w *world) pod(in writ.IncidentID) writ.Ask {
	a := w.restart(in)
	ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/pods.list", target, workload)
	must(w.t, err)
	a.Playbook, a.Parameters, a.Evidence = "delete-stuck-pod", with(workload, "pod", writ.String("checkout-1")), append(a.Evidence, ev.ID)
	return a
}

// proposed asks, waits until it is decided, and returns the plan as people see it.
func (w *world) proposed(by writ.Principal, ask writ.Ask) writ.PlanStatus {
	w.t.Helper()
	s, err := w.ctl.Plan(w.ctx, human("ann"), w.propose(by, ask).ID, 0)
	must(w.t, err)
	return s
}

// factsOf are what policy saw of a plan.
func factsOf(t *testing.T, s writ.PlanStatus) policy.Facts {
	t.Helper()
	f, err := policy.ParseFacts(s.Decision.Facts)
	must(t, err)
	return f
}

// TestPitfall19AChainIsKeyedByTheIncidentAlone: one agent begins, another goes on, on a new server that knows nothing but
// what is in the store. The second operation is not declared compatible with the first, so a person is asked.
func TestPitfall19AChainIsKeyedByTheIncidentAlone(t *testing.T) {
	w := newWorld(t, undeclared(t))
	in := w.incident("shop").ID
	s := w.proposed(repair, w.restart(in))
	if s.State != writ.PlanGranted || s.Decision.Tier != writ.T1 || len(s.Decision.TierBecause) != 0 {
		t.Fatalf("the first is %s at %s because %v", s.State, s.Decision.Tier, s.Decision.TierBecause)
	}
	w.runner.take().succeed()
	w.pass(restartPause)

	got := w.proposed(second, w.pod(in))
	if got.State != writ.PlanWaiting || got.Decision.Tier != writ.T2 || len(got.Decision.TierBecause) != 1 ||
		!strings.Contains(got.Decision.TierBecause[0], "kubernetes/workload.restart and kubernetes/pod.delete in one incident are not declared compatible") {
		t.Errorf("the second is %s at %s because %v", got.State, got.Decision.Tier, got.Decision.TierBecause)
	}
	if f := factsOf(t, got); !slices.Equal(f.Chain, []string{"kubernetes/workload.restart"}) || !slices.Equal(f.TierBecause, got.Decision.TierBecause) {
		t.Errorf("recorded are %v because %v", f.Chain, f.TierBecause)
	}
	again, err := control.New(w.config) // as after a restart, or on another replica
	must(t, err)
	must(t, again.Start(w.ctx))
	d, err := again.Evaluate(w.ctx, second, writ.AccessQuestion{Subject: second, Action: policy.PlaybookAction(got.Playbook.Name), Service: "shop", Plan: got.ID})
	must(t, err)
	if d.Verdict != writ.Requires || !slices.Equal(d.TierBecause, got.Decision.TierBecause) {
		t.Errorf("after a restart it is %s, because %v", d.Verdict, d.TierBecause)
	}
	// The same in another incident begins a chain of its own.
	elsewhere := w.pod(w.incident("shop").ID)
	elsewhere.Parameters = with(elsewhere.Parameters, "pod", writ.String("checkout-2"))
	if other := w.proposed(second, elsewhere); other.Decision.Tier != writ.T1 {
		t.Errorf("in another incident it is %s because %v", other.Decision.Tier, other.Decision.TierBecause)
	}
}

func TestPitfall14DeclaredPairsStayWithoutAPerson(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	for n, ask := range []writ.Ask{w.restart(in), w.pod(in)} {
		s := w.proposed([]writ.Principal{repair, second}[n], ask)
		if s.State != writ.PlanGranted || s.Decision.Tier != writ.T1 {
			t.Fatalf("repair %d is %s at %s because %v", n, s.State, s.Decision.Tier, s.Decision.TierBecause)
		}
		w.runner.take().succeed()
		w.pass(restartPause)
	}
}

// What did nothing is no part of a chain; what may have done something is.
func TestAChainHoldsWhatMayHaveBeenDone(t *testing.T) {
	for state, want := range map[writ.RunState]int{writ.RunFailed: 0, writ.RunSucceeded: 1, writ.RunUndone: 1, writ.RunUncertain: 1} {
		w := newWorld(t, undeclared(t))
		in := w.incident("shop").ID
		w.allowed(repair, w.restart(in)).endedAs(state)
		w.pass(restartPause)
		s := w.proposed(second, w.pod(in))
		if f := factsOf(t, s); len(f.Chain) != want {
			t.Errorf("%s: %v", state, f.Chain)
		}
	}
}

// reaching lets agents make tier 2 changes alone, as an installation's own set may.
func reaching(t *testing.T) func(*control.Config) {
	return func(c *control.Config) {
		c.Policy = loadPolicy(t, patched(t, map[string]string{
			"context.tier == 2 &&\n  (context.approvalsOwner": "context.tier == 2 && resource.env == Env::\"dev\" &&\n  (context.approvalsOwner",
		}), c.Library)
	}
}

// TestPitfall14TheWorstThatCanBeReachedGoverns: where policy lets an agent of the incident make a tier 2 change without a
// person, its tier 1 changes are judged as tier 2.
func TestPitfall14TheWorstThatCanBeReachedGoverns(t *testing.T) {
	w := newWorld(t, reaching(t))
	s := w.proposed(repair, w.restart(w.incident("shop").ID))
	if f := factsOf(t, s); f.Reach != 2 || s.Decision.Tier != writ.T2 || !strings.HasPrefix(f.ReachBy, "agent repair with ") {
		t.Errorf("reach %d by %q, tier %s", f.Reach, f.ReachBy, s.Decision.Tier)
	}
	plain := newWorld(t)
	s = plain.proposed(repair, plain.restart(plain.incident("shop").ID))
	if f := factsOf(t, s); f.Reach != 0 || s.Decision.Tier != writ.T1 {
		t.Errorf("under the shipped set: reach %d by %q, tier %s", f.Reach, f.ReachBy, s.Decision.Tier)
	}
}

// TestPitfall14AllowedPlansCanStillBeReached: a tier 2 plan that people have approved, and whose agent has not fetched its
// grant, needs nobody any more. Until it ends, another agent's tier 1 plan in the incident is judged by it.
func TestPitfall14AllowedPlansCanStillBeReached(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop").ID
	key, err := token.NewKey(rand.Reader)
	must(t, err)
	ask := w.scale(in)
	ask.Holder = token.Thumbprint(&key.PublicKey)
	s := w.proposed(repair, ask)
	s, err = w.approve(s.ID, "ann", "owner")
	must(t, err)
	if s.State != writ.PlanReady {
		t.Fatalf("the plan is %s: %s", s.State, s.Detail)
	}
	got := w.proposed(second, w.restart(in))
	if f := factsOf(t, got); f.Reach != 2 || got.Decision.Tier != writ.T2 || !strings.Contains(f.ReachBy, string(s.ID)) {
		t.Errorf("reach %d by %q, tier %s", f.Reach, f.ReachBy, got.Decision.Tier)
	}
	_, err = w.ctl.Withdraw(w.ctx, second, got.ID, "")
	must(t, err)
	_, err = w.ctl.Withdraw(w.ctx, repair, s.ID, "")
	must(t, err)
	w.pass(time.Second)
	if got := w.proposed(second, w.restart(in)); got.Decision.Tier != writ.T1 {
		t.Errorf("once it is withdrawn: %s because %v", got.Decision.Tier, got.Decision.TierBecause)
	}
}
