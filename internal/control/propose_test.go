package control_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

func TestR01OnlyARepairAgentProposes(t *testing.T) {
	w := newWorld(t)
	ask := w.restart(w.incident("shop").ID)
	for name, c := range map[string]struct {
		by   writ.Principal
		want writ.Reason
	}{
		"diagnose only":    {diagnose, writ.ReasonRoleMissing},
		"unregistered":     {writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "stranger"}, writ.ReasonAgentUnregistered},
		"of other issuer":  {writ.Principal{Kind: writ.KindAgent, Iss: "https://evil.test", Sub: "repair"}, writ.ReasonAgentUnregistered},
		"suspended":        {asleep, writ.ReasonAgentSuspended},
		"a runner":         {runnerID.Principal(), writ.ReasonKind},
		"an alert source":  {source, writ.ReasonKind},
		"a nameless human": {writ.Principal{Kind: writ.KindHuman, Iss: idp}, writ.ReasonKind},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.ctl.Propose(w.ctx, c.by, ask)
			refused(t, err, c.want)
		})
	}
	if n := w.count(writ.EntryProposal); n != 0 {
		t.Errorf("%d proposals", n)
	}
	if n := w.count(writ.EntryDeny); n != 6 {
		t.Errorf("%d refusals are recorded", n)
	}
}

func TestI04AnAskIsCheckedBeforeARunnerSeesIt(t *testing.T) {
	w := newWorld(t)
	in, other := w.incident("shop").ID, w.incident("orders").ID
	good, foreign := w.observe(diagnose, in).ID, w.observe2(other).ID
	logs := w.logsOf(in).ID
	before := w.runner.asked.Load()
	ask := func(change func(*writ.Ask)) writ.Ask {
		a := writ.Ask{Incident: in, Playbook: "scale-out-workload", Parameters: with(workload, "replicas", writ.Int(5)), Evidence: []writ.EvidenceID{good}}
		change(&a)
		return a
	}
	for name, c := range map[string]struct {
		change func(*writ.Ask)
		want   writ.Reason
		hint   string
	}{
		"unknown playbook":           {func(a *writ.Ask) { a.Playbook = "drop-database" }, writ.ReasonUnknownPlaybook, "restart-workload"},
		"unknown incident":           {func(a *writ.Ask) { a.Incident = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD" }, writ.ReasonUnknownIncident, ""},
		"unknown parameter":          {func(a *writ.Ask) { a.Parameters = with(a.Parameters, "force", writ.Bool(true)) }, writ.ReasonUnknownParameter, "allowed: "},
		"beyond a bound":             {func(a *writ.Ask) { a.Parameters = with(a.Parameters, "replicas", writ.Int(21)) }, writ.ReasonParameterBound, "replicas=20"},
		"text in a name":             {func(a *writ.Ask) { a.Parameters = with(a.Parameters, "name", writ.String("$(reboot)")) }, writ.ReasonParameterBound, ""},
		"a number as text":           {func(a *writ.Ask) { a.Parameters = with(a.Parameters, "replicas", writ.String("5")) }, writ.ReasonParameterType, ""},
		"no evidence":                {func(a *writ.Ask) { a.Evidence = nil }, writ.ReasonUnknownEvidence, "read it"},
		"evidence of other incident": {func(a *writ.Ask) { a.Evidence = []writ.EvidenceID{foreign} }, writ.ReasonUnknownEvidence, ""},
		"evidence of nobody":         {func(a *writ.Ask) { a.Evidence = []writ.EvidenceID{"ev_01JDB3V0T6M2Y8H4R1C7K5P9WD"} }, writ.ReasonUnknownEvidence, ""},
		"evidence twice":             {func(a *writ.Ask) { a.Evidence = []writ.EvidenceID{good, good} }, writ.ReasonUnknownEvidence, ""},
		"not the wanted reading":     {func(a *writ.Ask) { a.Evidence = []writ.EvidenceID{logs} }, writ.ReasonUnknownEvidence, "read it"},
		"a novel":                    {func(a *writ.Ask) { a.Because = strings.Repeat("ü", 4001) }, writ.ReasonTooLarge, ""},
		"too much evidence":          {func(a *writ.Ask) { a.Evidence = make([]writ.EvidenceID, 51) }, writ.ReasonTooLarge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.ctl.Propose(w.ctx, repair, ask(c.change))
			refused(t, err, c.want)
			if r, ok := err.(*writ.Refusal); ok && !strings.Contains(r.Hint, c.hint) {
				t.Errorf("hint %q, want %q in it", r.Hint, c.hint)
			}
		})
	}
	if n := w.count(writ.EntryProposal); n != 0 || w.runner.asked.Load() != before {
		t.Errorf("%d proposals, the runner was asked %d times", n, w.runner.asked.Load()-before)
	}
}

// observe2 reads the status of a workload of the service orders.
func (w *world) observe2(in writ.IncidentID) writ.Evidence {
	w.t.Helper()
	ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, with(workload, "namespace", writ.String("orders")))
	must(w.t, err)
	return ev
}

func (w *world) logsOf(in writ.IncidentID) writ.Evidence {
	w.t.Helper()
	ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/pod.logs", target, writ.Parameters{"namespace": writ.String("shop"), "name": writ.String("checkout-1")})
	must(w.t, err)
	return ev
}

func TestI19IdenticalAsksAreOnePlan(t *testing.T) {
	w := quietWorld(t)
	in := w.incident("shop").ID
	w.runner.start()
	ask := w.scale(in)
	var mu sync.Mutex
	ids := map[writ.PlanID]int{}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			s, err := w.ctl.Propose(w.ctx, repair, ask)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[s.ID]++
		})
	}
	all.Wait()
	if len(ids) != 1 || w.count(writ.EntryProposal) != 1 {
		t.Errorf("%d plans, %d proposals", len(ids), w.count(writ.EntryProposal))
	}
	_, err := w.ctl.Propose(w.ctx, second, ask)
	refused(t, err, writ.ReasonStorm) // it is open: another agent adds nothing to it
	again := ask
	again.Incident = w.incident("shop").ID
	_, err = w.ctl.Propose(w.ctx, repair, again)
	refused(t, err, writ.ReasonStorm) // and neither does another incident
	if n := w.count(writ.EntryProposal); n != 1 {
		t.Errorf("%d proposals", n)
	}
	ask.Parameters = with(ask.Parameters, "replicas", writ.Int(4))
	s, err := w.ctl.Propose(w.ctx, repair, ask)
	must(t, err)
	if ids[s.ID] != 0 {
		t.Error("another ask is the same plan")
	}
}

func TestI19OneRequesterHasABoundedNumberOfOpenPlans(t *testing.T) {
	w := newWorld(t)
	ask := w.scale(w.incident("shop").ID)
	var last writ.PlanStatus
	for n := range int64(10) {
		ask.Parameters = with(ask.Parameters, "replicas", writ.Int(n+1))
		if last = w.propose(repair, ask); last.State != writ.PlanWaiting {
			t.Fatalf("plan %d is %s: %s", n, last.State, last.Detail)
		}
	}
	ask.Parameters = with(ask.Parameters, "replicas", writ.Int(100))
	_, err := w.ctl.Propose(w.ctx, repair, ask)
	refused(t, err, writ.ReasonStorm)
	another := ask
	another.Incident = w.incident("shop").ID
	_, err = w.ctl.Propose(w.ctx, repair, another)
	refused(t, err, writ.ReasonStorm) // a new incident is no new slate
	if r, ok := err.(*writ.Refusal); !ok || r.After <= 0 || !errors.Is(err, writ.ErrBusy) {
		t.Errorf("when to come again is not said: %+v", err)
	}
	if s := w.propose(second, ask); s.State != writ.PlanWaiting {
		t.Errorf("another agent: %s %s", s.State, s.Detail)
	}
	_, err = w.ctl.Withdraw(w.ctx, repair, last.ID, "no longer needed")
	must(t, err)
	ask.Parameters = with(ask.Parameters, "replicas", writ.Int(101))
	if s := w.propose(repair, ask); s.State != writ.PlanWaiting {
		t.Errorf("after one was withdrawn: %s %s", s.State, s.Detail)
	}
}

func TestARunnersRefusalEndsThePlan(t *testing.T) {
	w := newWorld(t)
	w.runner.script(nil, func(assignment.Planning) assignment.Answer {
		return assignment.Answer{Refused: &assignment.Refused{Code: writ.ReasonNoChange, Detail: "it is as asked"}}
	})
	s := w.propose(repair, w.restart(w.incident("shop").ID))
	if s.State != writ.PlanRefused || s.Reason != writ.ReasonNoChange || s.Detail != "it is as asked" {
		t.Errorf("%+v", s)
	}
	if w.count(writ.EntryPlanEnd) != 1 || w.count(writ.EntryGrant) != 0 {
		t.Error("the end is not recorded")
	}
}

func TestAPlaybookOfAPlaneWithoutATargetIsOutOfScope(t *testing.T) {
	w := newWorld(t)
	in := w.incident("far").ID
	_, err := w.ctl.Propose(w.ctx, repair, writ.Ask{Incident: in, Playbook: "restart-workload", Parameters: workload})
	refused(t, err, writ.ReasonOutOfScope)
}
