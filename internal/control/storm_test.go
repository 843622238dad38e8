package control_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// crowd registers twenty repair agents of twenty owners.
func crowd(n int) (func(*control.Config), []writ.Principal) {
	var all []writ.Principal
	for i := range n {
		all = append(all, writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: fmt.Sprintf("agent-%d", i)})
	}
	return func(c *control.Config) {
		for i, p := range all {
			c.Agents = append(c.Agents, writ.Agent{
				Name: p.Sub, Iss: p.Iss, Sub: p.Sub, Team: "checkout", Owner: writ.Person{Iss: idp, Sub: fmt.Sprintf("owner-%d", i)}, Roles: []writ.AgentRole{writ.RoleRepair},
			})
		}
	}, all
}

func TestD12AStormOfDifferentAlertsOfOneServiceOpensABoundedNumberOfIncidents(t *testing.T) {
	w := newWorld(t)
	var opened, busy atomic.Int64
	var all sync.WaitGroup
	for n := range 500 {
		all.Go(func() {
			_, err := w.ctl.Alert(w.ctx, source, group(fmt.Sprintf("storm-%d", n)))
			var r *writ.Refusal
			switch {
			case err == nil:
				opened.Add(1)
			case errors.As(err, &r) && r.Code == writ.ReasonStorm && errors.Is(err, writ.ErrBusy) && r.After > 0:
				busy.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if opened.Load() != 25 || busy.Load() != 475 || w.count(writ.EntryIncident) != 25 {
		t.Errorf("%d opened, %d told to come again", opened.Load(), busy.Load())
	}
	if n := len(w.leaves()); n != 27 || w.count(writ.EntryDeny) != 1 { // the genesis, what was opened, and that the rest was turned away
		t.Errorf("the storm wrote %d entries", n)
	}
	// What is open goes on, another service has its own places, and a resolved incident leaves its place.
	open := incidents(t, w)[0]
	if in, err := w.ctl.Alert(w.ctx, source, group(open.GroupKey)); err != nil || in.ID != open.ID {
		t.Errorf("a repeat of what is open: %s %v", in.ID, err)
	}
	w.incident("lab")
	_, err := w.ctl.Alert(w.ctx, source, group(open.GroupKey, func(g *writ.AlertGroup) { g.Status = "resolved" }))
	must(t, err)
	_, err = w.ctl.Alert(w.ctx, source, group("later"))
	must(t, err)
	_, err = w.ctl.Alert(w.ctx, source, group("too late"))
	refused(t, err, writ.ReasonStorm)
}

// TestD12AStormOfAsksIsABoundedNumberOfPromptsAndOneExecution: twenty agents ask for the same repairs in all incidents of
// a storm, again and again.
func TestD12AStormOfAsksIsABoundedNumberOfPromptsAndOneExecution(t *testing.T) {
	enrol, agents := crowd(20)
	w := newWorld(t, enrol)
	var open []writ.IncidentID
	for n := range 500 {
		in, err := w.ctl.Alert(w.ctx, source, group(fmt.Sprintf("storm-%d", n)))
		if err == nil {
			open = append(open, in.ID)
		}
	}
	asks := map[writ.IncidentID]writ.Ask{}
	for _, in := range open[:5] {
		asks[in] = w.scale(in)
	}
	var all sync.WaitGroup
	for _, by := range agents {
		all.Go(func() {
			for range 5 {
				for _, in := range open[:5] {
					if _, err := w.ctl.Propose(w.ctx, by, asks[in]); err != nil && writ.ReasonOf(err) != writ.ReasonStorm && writ.ReasonOf(err) != writ.ReasonObjectBusy {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	waiting := func() []writ.PlanStatus {
		var out []writ.PlanStatus
		for _, in := range open[:5] {
			some, _, err := w.ctl.Plans(w.ctx, human("ann"), writ.PlanFilter{Incident: in})
			must(t, err)
			for _, s := range some {
				out = append(out, w.settled(human("ann"), s.ID))
			}
		}
		return out
	}
	plans := waiting()
	if len(plans) != 1 || plans[0].State != writ.PlanWaiting || w.count(writ.EntryProposal) != 1 {
		t.Fatalf("%d plans, %d proposals", len(plans), w.count(writ.EntryProposal))
	}
	// Different repairs are different prompts, up to what people can look at; a person is never kept out.
	for i, by := range agents {
		for n := range 5 {
			ask := asks[open[0]]
			ask.Parameters = with(ask.Parameters, "replicas", writ.Int(int64(10+i*5+n)))
			if _, err := w.ctl.Propose(w.ctx, by, ask); err != nil && writ.ReasonOf(err) != writ.ReasonStorm {
				t.Error(err)
			}
		}
	}
	plans = waiting()
	if len(plans) != 20 {
		t.Errorf("%d prompts", len(plans))
	}
	if s := w.propose(human("rob"), asks[open[1]]); s.State != writ.PlanWaiting {
		t.Errorf("a person: %s %s", s.State, s.Detail)
	}
	if load := w.status().Services; len(load) != 1 || load[0].Service != "shop" || load[0].Open != 21 {
		t.Errorf("the status shows %+v", load)
	}
	// All of them are approved at once: one runs.
	var granted, denied atomic.Int64
	statements := make([]writ.ApprovalStatement, len(plans))
	for i, p := range plans {
		statements[i] = w.statement(p.ID, "ann", "owner", writ.Approve)
	}
	for i, p := range plans {
		all.Go(func() {
			s, err := w.answer(p.ID, statements[i], "ann")
			switch {
			case err != nil:
				t.Error(err)
			case s.State == writ.PlanGranted:
				granted.Add(1)
			case s.State == writ.PlanDenied:
				denied.Add(1)
			default:
				t.Errorf("%s %s", s.State, s.Reason)
			}
		})
	}
	all.Wait()
	if granted.Load() != 1 || int(denied.Load()) != len(plans)-1 || w.count(writ.EntryGrant) != 1 {
		t.Errorf("%d granted, %d denied", granted.Load(), denied.Load())
	}
	w.runner.take().succeed()
	if w.count(writ.EntryStepIntent) != 1 {
		t.Errorf("%d steps were begun", w.count(writ.EntryStepIntent))
	}
	if r, l, _ := w.held(); r != 0 || l != 0 {
		t.Errorf("%d reservations and %d locks are left", r, l)
	}
}
