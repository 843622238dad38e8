package control_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// manyAtOnce lifts the default policy's limits of one change at a time and of repeats, so that only the budget is left to hold plans back.
func manyAtOnce(t *testing.T) func(*control.Config) {
	return func(c *control.Config) {
		c.Policy = loadPolicy(t, patched(t, map[string]string{
			"context.concurrent < 1": "context.concurrent < 1000", "context.sameFixRepeated < 3": "context.sameFixRepeated < 1000",
		}), c.Library)
	}
}

func TestI09ConcurrentGrantsNeverPassTheServicesCapacity(t *testing.T) {
	const plans, share = 200, 90 // eleven of them fit into 1000
	w := newWorld(t, manyAtOnce(t))
	w.runner.permille = share
	var ids []writ.PlanID
	for len(ids) < plans {
		ask := w.scale(w.incident("shop").ID)
		for n := range int64(20) {
			ask.Parameters = with(ask.Parameters, "replicas", writ.Int(n+1))
			s, err := w.ctl.Propose(w.ctx, repair, ask)
			must(t, err)
			ids = append(ids, s.ID)
		}
	}
	var statements []writ.ApprovalStatement
	for _, id := range ids {
		if s := w.settled(repair, id); s.State != writ.PlanWaiting {
			t.Fatalf("%s: %s", s.State, s.Detail)
		}
		statements = append(statements, w.statement(id, "ann", "owner", writ.Approve))
	}
	var granted, denied atomic.Int64
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			s, err := w.answer(id, statements[i], "ann")
			switch {
			case err != nil:
				t.Error(err)
			case s.State == writ.PlanGranted:
				granted.Add(1)
			case s.State == writ.PlanDenied && s.Reason == writ.ReasonBudget:
				denied.Add(1)
			default:
				t.Errorf("%s: %s %s", s.State, s.Reason, s.Detail)
			}
		})
	}
	all.Wait()
	if granted.Load() != 1000/share || denied.Load() != plans-1000/share || w.count(writ.EntryGrant) != 1000/share {
		t.Errorf("%d granted, %d denied", granted.Load(), denied.Load())
	}
	// What has ended gives its share back, to one plan and no more.
	w.runner.take().succeed()
	ask := w.scale(w.incident("shop").ID)
	for n, want := range []writ.PlanState{writ.PlanGranted, writ.PlanDenied} {
		ask.Parameters = with(ask.Parameters, "replicas", writ.Int(int64(50+n)))
		s := w.propose(repair, ask)
		after, err := w.approve(s.ID, "bob", "owner")
		must(t, err)
		if after.State != want {
			t.Errorf("plan %d is %s: %s", n, after.State, after.Detail)
		}
	}
}

func TestI09APlanBeyondItsPlaybooksBudgetIsDenied(t *testing.T) {
	w := newWorld(t)
	w.runner.permille = 501 // of scale-out-workload's 500
	ask := w.restart(w.incident("shop").ID)
	ask.Playbook, ask.Parameters = "scale-out-workload", with(workload, "replicas", writ.Int(5))
	s := w.propose(repair, ask)
	if s.State != writ.PlanWaiting { // more than half of the service: an owner must agree first
		t.Fatalf("%s: %s", s.State, s.Detail)
	}
	after, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if after.State != writ.PlanDenied || after.Reason != writ.ReasonBudget || w.count(writ.EntryGrant) != 0 {
		t.Errorf("%s: %s", after.State, after.Reason)
	}
}

func TestI09OneChangeOfAServiceAtATime(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	ask := w.restart(w.incident("shop").ID)
	if s := w.propose(second, ask); s.State != writ.PlanDenied || s.Reason != writ.ReasonLimit {
		t.Errorf("during another run: %s %s", s.State, s.Reason)
	}
	elsewhere := w.incident("lab").ID
	other := writ.Ask{Incident: elsewhere, Playbook: "restart-workload", Parameters: with(workload, "namespace", writ.String("lab")),
		Evidence: []writ.EvidenceID{w.observe(diagnose, elsewhere).ID}}
	if s := w.propose(repair, other); s.State != writ.PlanGranted {
		t.Errorf("of another service: %s %s", s.State, s.Detail)
	}
	h.succeed()
	if s := w.propose(second, ask); s.State != writ.PlanGranted {
		t.Errorf("after it has ended: %s %s", s.State, s.Detail)
	}
}
