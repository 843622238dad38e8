package control_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
)

// cutSigner is a signer that cannot be reached while it is down.
type cutSigner struct {
	ledger.Signer
	down atomic.Bool
}

func (s *cutSigner) Sign(ctx context.Context, r ledger.SignRequest) ([]byte, error) {
	if s.down.Load() {
		return nil, writ.ErrUnavailable
	}
	return s.Signer.Sign(ctx, r)
}

// unavailable fails unless err is of the kind that makes a caller ask again later.
func unavailable(t testing.TB, what string, err error) {
	t.Helper()
	if !errors.Is(err, writ.ErrUnavailable) {
		t.Errorf("%s: %v, want unavailable", what, err)
	}
}

// Nothing is answered from memory: what cannot be recorded does not happen, at no tier.
func TestD14WithoutTheDatabaseEveryTierIsRefused(t *testing.T) {
	w := newWorld(t)
	waiting := w.waiting()
	statement, err := w.statement(waiting.ID, "ann", "owner", writ.Approve).Bytes()
	must(t, err)
	signature, err := approval.Sign(statement, w.people["ann"], rand.Reader)
	must(t, err)
	in := w.incident("shop").ID
	ask := w.restart(in)
	w.runner.stop()
	must(t, w.store.Close()) // as a database that is gone: every call of it fails from here
	_, err = w.ctl.Alert(w.ctx, source, group("later"))
	unavailable(t, "an alert", err)
	_, _, err = w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, workload)
	unavailable(t, "a reading", err)
	_, err = w.ctl.Propose(w.ctx, repair, ask)
	unavailable(t, "a proposal of tier 1", err)
	_, err = w.ctl.Answer(w.ctx, human("ann"), waiting.ID, statement, signature, "")
	unavailable(t, "an approval of tier 2", err)
	_, err = w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
	unavailable(t, "work for a runner", err)
	_, err = w.ctl.Deliver(w.ctx, runnerID, assignment.Delivery{Run: "run_01JDB3V0T6M2Y8H4R1C7K5P9WD", Entries: [][]byte{[]byte("x")}})
	unavailable(t, "the next step of a run", err)
}

// What was read and decided is on the record, where it waits for its signature. Before that a runner is given neither
// a run nor the receipt that a step needs.
func TestD14WithoutTheSignerReadingsGoOnAndNoRunIsHandedOut(t *testing.T) {
	for name, playbook := range map[string]string{"T1": "restart-workload", "T2": "scale-workload"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.incident("shop").ID
			w.signer.down.Store(true)
			ask := w.restart(in) // with a reading
			if playbook == "scale-workload" {
				ask.Playbook, ask.Parameters = playbook, with(workload, "replicas", writ.Int(3))
			}
			s := w.propose(repair, ask)
			if s.State == writ.PlanWaiting {
				var err error
				s, err = w.approve(s.ID, "ann", "owner")
				must(t, err)
			}
			if s.State != writ.PlanGranted || w.count(writ.EntryEvidence) != 1 {
				t.Fatalf("the plan is %s: %s", s.State, s.Detail)
			}
			time.Sleep(100 * time.Millisecond) // enough for the runner, which waits for work, to be handed a run
			if n := len(w.runner.runs); n != 0 {
				t.Fatalf("%d runs were handed out without a proof of their grants", n)
			}
			w.signer.down.Store(false)
			h := w.runner.take()
			w.signer.down.Store(true)
			lease, intent := h.leaseEntry(), h.intent()
			short, cancel := context.WithTimeout(w.ctx, 100*time.Millisecond)
			defer cancel()
			d, err := w.ctl.Deliver(short, runnerID, assignment.Delivery{Run: h.b.Run, Entries: [][]byte{lease, intent}})
			if err == nil || len(d.Receipts) != 0 {
				t.Errorf("a step was acknowledged without a signature: %+v", d)
			}
			w.signer.down.Store(false)
			if d := h.deliver(lease, intent); d.Refused != nil || len(d.Receipts) != 2 {
				t.Errorf("once it is back: %+v", d)
			}
		})
	}
}

func TestD14AGrantWaitsForTheSignerNoLongerThanItLives(t *testing.T) {
	w := newWorld(t)
	ask := w.restart(w.incident("shop").ID)
	w.signer.down.Store(true)
	s := w.propose(repair, ask)
	w.pass(5 * time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	after, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if s.State != writ.PlanGranted || after.State != writ.PlanExpired || reservations(w) != 0 {
		t.Errorf("it was %s and is %s, %d reservations", s.State, after.State, reservations(w))
	}
}

// Tier 3 wants proof of level A from two owners. Nothing that is built gives it, so such a plan waits until it expires,
// whether everything works or not.
func TestD14NobodyCanApproveTier3(t *testing.T) {
	w := newWorld(t, func(c *control.Config) {
		c.Policy = loadPolicy(t, patched(t, map[string]string{"raises: []": "raises: [{service: shop, environment: prod, at_least: T3}]"}), c.Library)
	})
	s := w.waiting()
	for _, who := range []string{"ann", "bob"} {
		after, err := w.approve(s.ID, who, "owner")
		must(t, err)
		if after.State != writ.PlanWaiting {
			t.Errorf("after %s it is %s: %s", who, after.State, after.Detail)
		}
	}
	w.pass(planLife)
	must(t, w.ctl.SweepOnce(w.ctx))
	after, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if after.State != writ.PlanExpired || w.count(writ.EntryGrant) != 0 {
		t.Errorf("it is %s, %d grants", after.State, w.count(writ.EntryGrant))
	}
}

func TestD14WhenNobodyAnswersWhatNeedsNobodyGoesOn(t *testing.T) {
	w := newWorld(t)
	asked := w.waiting()
	s, h := w.granted() // reads and restarts the same service meanwhile
	h.succeed()
	w.pass(planLife)
	must(t, w.ctl.SweepOnce(w.ctx))
	after, err := w.ctl.Plan(w.ctx, repair, asked.ID, 0)
	must(t, err)
	if after.State != writ.PlanExpired || after.Reason != writ.ReasonExpired || w.run(h.b.Run).State != writ.RunSucceeded {
		t.Errorf("tier 2 is %s, tier 1 %s", after.State, s.State)
	}
	if n := w.count(writ.EntryGrant); n != 1 {
		t.Errorf("%d grants", n)
	}
}

// What a repair would touch is counted from the inventory. A share that is not known counts as the whole service, which
// policy alone does not grant: a person is asked, who may approve it.
func TestD14AShareThatIsNotKnownIsAskedOfAPerson(t *testing.T) {
	w := quietWorld(t)
	w.runner.permille = -1
	w.runner.start()
	in := w.incident("shop").ID
	t1, t2 := w.propose(repair, w.restart(in)), w.propose(repair, w.scale(in))
	if t1.State != writ.PlanWaiting || t2.State != writ.PlanWaiting || w.count(writ.EntryGrant) != 0 {
		t.Errorf("tier 1 is %s, tier 2 %s", t1.State, t2.State)
	}
	after, err := w.approve(t1.ID, "ann", "owner")
	must(t, err)
	if after.State != writ.PlanGranted || after.Plan.Blast.Permille != 1000 {
		t.Errorf("it is %s: %s", after.State, after.Detail)
	}
}

func TestD14WithoutARunnerAReadingIsRefusedAfterItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := quietWorld(t)
		in := w.incident("shop").ID
		began := time.Now()
		_, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, workload)
		unavailable(t, "a reading", err)
		if waited := time.Since(began); waited > control.MaxWait || w.count(writ.EntryEvidence) != 0 {
			t.Errorf("after %s, %d readings", waited, w.count(writ.EntryEvidence))
		}
	})
}

// An approval is for this plan now: when no runner takes the run in time it is gone, and a person is asked again.
func TestD14AnApprovedRunThatNoRunnerTakesLapses(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	s, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	h := w.runner.take() // and dies with it
	w.pass(5 * time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	after, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if r := w.run(h.b.Run); r.State != writ.RunExpired || after.State != writ.PlanExpired || reservations(w) != 0 {
		t.Errorf("run %s, plan %s, %d reservations", r.State, after.State, reservations(w))
	}
	if again := w.propose(repair, w.scale(w.incident("shop").ID)); again.State != writ.PlanWaiting {
		t.Errorf("the same asked again is %s: it must wait for a person", again.State)
	}
}

// A server without a policy does not start. If one were there all the same: a reading asks no policy, whatever would
// change something does.
func TestD14WithoutAPolicyNothingIsGranted(t *testing.T) {
	w := quietWorld(t)
	w.config.Policy = &policy.Bundle{}
	var err error
	w.ctl, err = control.New(w.config)
	must(t, err)
	w.runner.start()
	in := w.incident("shop").ID
	for tier, ask := range map[string]writ.Ask{"T1": w.restart(in), "T2": w.scale(in)} { // each with a reading
		if s, err := w.ctl.Propose(w.ctx, repair, ask); err == nil {
			t.Errorf("%s: a proposal was taken, it is %s", tier, s.State)
		}
	}
	if w.count(writ.EntryEvidence) != 2 || w.count(writ.EntryGrant) != 0 || len(w.runner.runs) != 0 {
		t.Errorf("%d readings, %d grants", w.count(writ.EntryEvidence), w.count(writ.EntryGrant))
	}
}
