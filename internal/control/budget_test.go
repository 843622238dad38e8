package control_test

import (
	"fmt"
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

// manyPlans lifts the limits on how much may be open at once.
func manyPlans(c *control.Config) {
	c.Limits = control.Limits{OpenIncidents: 10000, OpenPlans: 10000, OpenPlansEach: 10000}
}

func TestI09ConcurrentGrantsNeverPassTheServicesCapacity(t *testing.T) {
	const share = 90 // eleven of them fit into 1000
	plans := 200
	if testing.Short() {
		plans = 40 // the race detector makes each ten times as dear
	}
	w := newWorld(t, manyAtOnce(t), manyPlans)
	w.runner.permille = share
	var ids []writ.PlanID
	ask := w.scale(w.incident("shop").ID)
	for n := range plans { // of one service, each on an object of its own
		ask.Parameters = with(ask.Parameters, "name", writ.String(fmt.Sprintf("part-%d", n)))
		s, err := w.ctl.Propose(w.ctx, human("rob"), ask)
		must(t, err)
		ids = append(ids, s.ID)
	}
	var statements []writ.ApprovalStatement
	for _, id := range ids {
		if s := w.settled(human("rob"), id); s.State != writ.PlanWaiting {
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
	if granted.Load() != 1000/share || denied.Load() != int64(plans-1000/share) || w.count(writ.EntryGrant) != 1000/share {
		t.Errorf("%d granted, %d denied", granted.Load(), denied.Load())
	}
	// What has ended gives its share back, to one plan and no more.
	w.runner.take().succeed()
	for n, want := range []writ.PlanState{writ.PlanGranted, writ.PlanDenied} {
		ask.Parameters = with(ask.Parameters, "name", writ.String(fmt.Sprintf("more-%d", n)))
		s := w.propose(human("rob"), ask)
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
	ask.Parameters = with(workload, "name", writ.String("cart"))
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

func unitsOf(at writ.Location, ready, down, floor int) []writ.Units {
	return []writ.Units{{Workload: at, Wanted: ready, Ready: ready, Down: down, Floor: floor, By: writ.FloorBudget}}
}

func TestI09NoGrantBelowAFloor(t *testing.T) {
	for name, x := range map[string]struct {
		units []writ.Units
		want  writ.PlanState
	}{
		"to the floor":    {unitsOf(checkout, 3, 1, 2), writ.PlanGranted},
		"below the floor": {unitsOf(checkout, 3, 2, 2), writ.PlanDenied},
		"nothing is lost": {unitsOf(checkout, 0, 0, 2), writ.PlanGranted},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.runner.units = x.units
			s := w.propose(repair, w.restart(w.incident("shop").ID))
			if s.State != x.want || x.want == writ.PlanDenied && s.Reason != writ.ReasonBudget {
				t.Errorf("%s %s: %s", s.State, s.Reason, s.Detail)
			}
		})
	}
}

// Two runs of one service write different objects, and both take units of one workload away.
func TestI09RunsTogetherNeverPassAWorkloadsFloor(t *testing.T) {
	w := newWorld(t, manyAtOnce(t))
	w.runner.units = unitsOf(checkout, 3, 1, 2)
	_, h := w.granted()
	ask := w.restart(w.incident("shop").ID)
	ask.Parameters = with(workload, "name", writ.String("cart"))
	if s := w.propose(repair, ask); s.State != writ.PlanDenied || s.Reason != writ.ReasonBudget {
		t.Errorf("during another run: %s %s: %s", s.State, s.Reason, s.Detail)
	}
	h.succeed()
	if s := w.propose(repair, ask); s.State != writ.PlanGranted {
		t.Errorf("after it has ended: %s %s: %s", s.State, s.Reason, s.Detail)
	}
}

// What acts on a node acts on every service that has units there: each of them is drawn on.
func TestI09ANodesServicesAreAllDrawnOn(t *testing.T) {
	w := newWorld(t, manyAtOnce(t))
	w.runner.permille, w.runner.units = 250, unitsOf("kubernetes://prod/lab/deployment/tools", 2, 1, 0)
	_, h := w.granted() // of the shop, and it takes half of the lab's tools away
	load := w.status().Services
	if len(load) != 2 || load[0].Service != "lab" || load[0].Permille != 500 || load[0].Units != 1 || load[1].Permille != 250 || len(load[1].Locks) != 1 {
		t.Errorf("the status shows %+v", load)
	}
	w.runner.permille, w.runner.units = 501, nil
	elsewhere := w.incident("lab").ID
	ev := w.observeLab(elsewhere)
	ask := writ.Ask{Incident: elsewhere, Playbook: "restart-workload", Parameters: with(workload, "namespace", writ.String("lab")), Evidence: []writ.EvidenceID{ev}}
	s := w.propose(human("rob"), ask)
	after, err := w.approve(s.ID, "ann", "owner") // more than half of a service takes an owner
	must(t, err)
	if after.State != writ.PlanDenied || after.Reason != writ.ReasonBudget {
		t.Errorf("of the other service: %s %s: %s", after.State, after.Reason, after.Detail)
	}
	h.succeed()
	s = w.propose(human("rob"), ask)
	if after, err = w.approve(s.ID, "ann", "owner"); err != nil || after.State != writ.PlanGranted {
		t.Errorf("after it has ended: %s %s: %s %v", after.State, after.Reason, after.Detail, err)
	}
	if load := w.status().Services; len(load) != 2 {
		t.Errorf("the status shows %+v", load)
	}
}

func (w *world) observeLab(in writ.IncidentID) writ.EvidenceID {
	w.t.Helper()
	ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, with(workload, "namespace", writ.String("lab")))
	must(w.t, err)
	return ev.ID
}
