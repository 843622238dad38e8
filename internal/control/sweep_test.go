package control_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

func TestI05ExpiryMeansNo(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	w.pass(planLife - time.Millisecond)
	must(t, w.ctl.SweepOnce(w.ctx))
	if p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0); err != nil || p.State != writ.PlanWaiting {
		t.Fatalf("before its time it is %s, %v", p.State, err)
	}
	w.pass(time.Millisecond)
	must(t, w.ctl.SweepOnce(w.ctx))
	p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if p.State != writ.PlanExpired || p.Reason != writ.ReasonExpired || w.count(writ.EntryPlanEnd) != 1 || w.count(writ.EntryGrant) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestAPlanThatNoRunnerResolvesExpires(t *testing.T) {
	w := quietWorld(t)
	in := w.incident("shop").ID
	s, err := w.ctl.Propose(w.ctx, repair, writ.Ask{Incident: in, Playbook: "restart-workload", Parameters: workload, Evidence: []writ.EvidenceID{evidence(w, in)}})
	must(t, err)
	if s.State != writ.PlanPlanning {
		t.Fatalf("it is %s", s.State)
	}
	first, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
	must(t, err)
	if again, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{}); again != nil || err != nil {
		t.Fatalf("handed out twice at once: %+v %v", again, err)
	}
	w.pass(16 * time.Second)
	again, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{})
	must(t, err)
	if again == nil || again.ID != first.ID {
		t.Fatalf("not handed out again: %+v", again)
	}
	w.pass(time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	p, err := w.ctl.Plan(w.ctx, repair, s.ID, 0)
	must(t, err)
	if p.State != writ.PlanExpired || p.Reason != writ.ReasonUnavailable {
		t.Errorf("%s: %s", p.State, p.Reason)
	}
	if late, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{}); late != nil || err != nil {
		t.Errorf("an expired assignment is handed out: %+v %v", late, err)
	}
	must(t, w.ctl.AnswerAssignment(w.ctx, runnerID, assignment.Answer{Assignment: first.ID, Refused: &assignment.Refused{Code: "x"}}))
}

// evidence lets a runner that takes one piece of work answer one reading.
func evidence(w *world, in writ.IncidentID) writ.EvidenceID {
	w.t.Helper()
	done := make(chan error, 1)
	go func() {
		a, err := w.ctl.Next(w.ctx, runnerID, assignment.Ask{WaitSeconds: 20})
		if err == nil && a != nil {
			ans := w.runner.read(*a.Observe)
			ans.Assignment = a.ID
			err = w.ctl.AnswerAssignment(w.ctx, runnerID, ans)
		}
		done <- err
	}()
	id := w.observe(diagnose, in).ID
	must(w.t, <-done)
	return id
}

// Sweep itself is a loop with a real ticker: it goes on after what it was asked to do, and ends with its context.
func TestSweepEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	w.pass(planLife)
	ctx, cancel := context.WithCancel(w.ctx)
	ended := make(chan struct{})
	go func() { w.ctl.Sweep(ctx); close(ended) }()
	p := w.settledAs(s.ID, writ.PlanExpired)
	cancel()
	<-ended
	if p.Reason != writ.ReasonExpired {
		t.Errorf("%+v", p)
	}
}

func (w *world) settledAs(id writ.PlanID, want writ.PlanState) writ.PlanStatus {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		s, err := w.ctl.Plan(w.ctx, human("ann"), id, time.Second)
		must(w.t, err)
		if s.State == want {
			return s
		}
	}
	w.t.Fatalf("the plan never became %s", want)
	return writ.PlanStatus{}
}

func TestIdempotencyKeysReplayRefuseAndExpire(t *testing.T) {
	w := quietWorld(t)
	keys := w.ctl.Idempotency()
	call, other := writ.DigestOf([]byte("call")), writ.DigestOf([]byte("other"))
	begin := func(by writ.Principal, d writ.Digest) (string, bool, error) {
		b, replay, err := keys.Begin(w.ctx, by, "k1", d)
		return string(b), replay, err
	}
	if _, replay, err := begin(repair, call); replay || err != nil {
		t.Fatal(replay, err)
	}
	if _, _, err := begin(repair, call); !errors.Is(err, writ.ErrBusy) {
		t.Errorf("under way: %v", err)
	}
	if _, _, err := begin(repair, other); !errors.Is(err, writ.ErrInvalid) || writ.ReasonOf(err) != writ.ReasonIdempotency {
		t.Errorf("another call: %v", err)
	}
	if _, replay, err := begin(second, other); replay || err != nil {
		t.Errorf("another caller's key of the same name: %t %v", replay, err)
	}
	must(t, keys.Finish(w.ctx, repair, "k1", 201, []byte("answer")))
	must(t, keys.Finish(w.ctx, repair, "k1", 500, nil)) // too late to forget
	if b, replay, err := begin(repair, call); !replay || b != "answer" || err != nil {
		t.Errorf("replay: %q %t %v", b, replay, err)
	}
	if _, _, err := begin(repair, other); writ.ReasonOf(err) != writ.ReasonIdempotency {
		t.Errorf("another call after the answer: %v", err)
	}
	must(t, keys.Finish(w.ctx, second, "k1", 422, nil))
	if _, replay, err := begin(second, call); replay || err != nil {
		t.Errorf("a call that failed keeps its key: %t %v", replay, err)
	}
	w.pass(61 * time.Second) // its process has died
	if _, replay, err := begin(second, call); replay || err != nil {
		t.Errorf("a dead call keeps its key: %t %v", replay, err)
	}
	w.pass(25 * time.Hour)
	must(t, w.ctl.SweepOnce(w.ctx))
	must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Idempotency, store.Filter{})
		if len(rows) != 0 {
			t.Errorf("%d keys are kept after their life", len(rows))
		}
		return err
	}))
	if _, replay, err := begin(repair, other); replay || err != nil {
		t.Errorf("an expired key: %t %v", replay, err)
	}
}

func TestStatementsAreRememberedUntilNobodyCouldUseThem(t *testing.T) {
	w := newWorld(t, twoOwners(t))
	s := w.waiting()
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	nonces := func() (n int) {
		must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
			rows, err := tx.Find(store.Nonces, store.Filter{})
			n = len(rows)
			return err
		}))
		return n
	}
	w.pass(planLife)
	must(t, w.ctl.SweepOnce(w.ctx))
	if nonces() != 2 {
		t.Errorf("%d are remembered when the plan ends", nonces())
	}
	w.pass(2 * time.Hour)
	must(t, w.ctl.SweepOnce(w.ctx))
	if nonces() != 0 {
		t.Errorf("%d are remembered for ever", nonces())
	}
}
