package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/policies"
)

// rereads answers that everything a plan rests on holds, but what changes say.
func (r *fakeRunner) rereads(in assignment.Reread, changes ...func(*assignment.Claimed)) assignment.Answer {
	s, err := r.w.ctl.Plan(r.w.ctx, human("ann"), in.Plan, 0)
	if err != nil || !s.Digest.Equal(in.Digest) {
		r.w.t.Errorf("a reread of plan %s: %v", in.Plan, err)
		return assignment.Answer{Refused: &assignment.Refused{Code: writ.ReasonPlanUnknown}}
	}
	out := &assignment.ReadAgain{At: r.w.now(), Claims: []assignment.Claimed{}}
	for _, c := range append(append([]writ.Condition{}, s.Plan.Observe...), s.Plan.Guards...) {
		one := assignment.Claimed{Name: c.Name, Holds: true}
		for _, f := range changes {
			f(&one)
		}
		out.Claims = append(out.Claims, one)
	}
	return assignment.Answer{Reread: out}
}

func (r *fakeRunner) scriptAgain(f func(assignment.Reread) assignment.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = f
}

// lastFacts are those of the newest decision.
func (w *world) lastFacts() policy.Facts {
	w.t.Helper()
	var out policy.Facts
	for _, e := range w.entries() {
		if d, ok := e.Body.(*writ.DecisionBody); ok {
			var err error
			out, err = policy.ParseFacts(d.Facts)
			must(w.t, err)
		}
	}
	return out
}

func TestD1WhatAPlanRestsOnIsReadAgainBeforeItsGrant(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	w.pass(2 * time.Minute) // somebody had to be woken
	asked := w.runner.asked.Load()
	got, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	if got = w.settledAs(s.ID, writ.PlanGranted); got.ReadAgain == nil || got.ReadAgain.True != 1 || got.ReadAgain.Of != 1 || got.ReadAgain.Asked || w.now().Sub(got.ReadAgain.At) > time.Minute {
		t.Errorf("%+v", got.ReadAgain)
	}
	if f := w.lastFacts(); f.Claims != 1 || f.ClaimsTrue != 1 || f.ClaimsAge > 60 {
		t.Errorf("the decision for the grant knows of %d of %d, %d s old", f.ClaimsTrue, f.Claims, f.ClaimsAge)
	}
	if n := w.runner.asked.Load() - asked; n < 1 {
		t.Error("its runner was not asked")
	}
}

// Owners can want what a plan rests on younger at its grant, within bounds; younger than that it is not read again.
func TestD1OwnersSayHowOldAReadingMayBeAtTheGrant(t *testing.T) {
	const life, age = 5 * time.Second, 10 * time.Second
	for name, again := range map[string]bool{"theirs": true, "the longest": false} {
		w := newWorld(t, func(c *control.Config) {
			if again {
				c.ClaimLife = life
			}
		})
		s := w.waiting()
		w.pass(age)
		_, err := w.approve(s.ID, "ann", "owner")
		must(t, err)
		w.settledAs(s.ID, writ.PlanGranted)
		if old := w.lastFacts().ClaimsAge > int(life.Seconds()); old == again {
			t.Errorf("%s: what the grant rests on was read %d s ago", name, w.lastFacts().ClaimsAge)
		}
	}
	for _, bad := range []time.Duration{-time.Second, writ.MinClaimLife - 1, writ.MaxClaimLife + 1} {
		var c control.Config
		newWorld(t, func(good *control.Config) { c = *good })
		c.ClaimLife = bad
		if _, err := control.New(c); err == nil {
			t.Errorf("a life of %s is taken", bad)
		}
	}
}

func TestD1EvidenceThatDoesNotHoldAnyMoreRefusesAndNamesTheClaim(t *testing.T) {
	for name, c := range map[string]struct {
		again func(*fakeRunner, assignment.Reread) assignment.Answer
		want  writ.Reason
		says  string
	}{
		"contradicted": {func(r *fakeRunner, in assignment.Reread) assignment.Answer {
			return r.rereads(in, func(one *assignment.Claimed) {
				*one = assignment.Claimed{Name: one.Name, Code: writ.ReasonEvidenceContradicted, Detail: "claim " + one.Name + ": replicas is 0; at_least 1 is demanded"}
			})
		}, writ.ReasonEvidenceContradicted, "not-switched-off: replicas is 0"},
		"missing": {func(*fakeRunner, assignment.Reread) assignment.Answer {
			return assignment.Answer{Refused: &assignment.Refused{Code: writ.ReasonUnreachable, Detail: "the target does not answer"}}
		}, writ.ReasonEvidenceMissing, "claim not-switched-off could not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.waiting()
			w.runner.scriptAgain(func(in assignment.Reread) assignment.Answer { return c.again(w.runner, in) })
			w.pass(2 * time.Minute)
			_, err := w.approve(s.ID, "ann", "owner")
			must(t, err)
			got := w.settledAs(s.ID, writ.PlanDenied)
			if got.Reason != c.want || !strings.Contains(got.Detail, c.says) || got.ReadAgain.Failed != "not-switched-off" || got.ReadAgain.True != 0 {
				t.Errorf("%s %q %+v", got.Reason, got.Detail, got.ReadAgain)
			}
			if f := w.lastFacts(); f.ClaimFailed != "not-switched-off" || w.count(writ.EntryGrant) != 0 {
				t.Errorf("the ledger's decision names %q; %d grants", f.ClaimFailed, w.count(writ.EntryGrant))
			}
		})
	}
}

// A runner that leaves a condition out, or answers about another, has not read what the plan rests on.
func TestD1AReadingOfSomethingElseIsNone(t *testing.T) {
	w := newWorld(t)
	plan := *w.plan(w.waiting().ID).Plan
	whole := []assignment.Claimed{{Name: plan.Guards[0].Name, Holds: true}}
	if err := control.CheckReading(w.ctl, plan, assignment.ReadAgain{At: w.now(), Claims: whole}); err != nil {
		t.Fatalf("the plan's own: %v", err)
	}
	for name, claims := range map[string][]assignment.Claimed{
		"none":             {},
		"one more":         append(append([]assignment.Claimed{}, whole...), whole[0]),
		"another":          {{Name: "something-else", Holds: true}},
		"true with a code": {{Name: whole[0].Name, Holds: true, Code: writ.ReasonGuard}},
		"false without":    {{Name: whole[0].Name}},
	} {
		if err := control.CheckReading(w.ctl, plan, assignment.ReadAgain{At: w.now(), Claims: claims}); err == nil {
			t.Errorf("%s: it counts", name)
		}
	}
}

// A runner that is away reads when it is back; until then nothing is granted.
func TestD1ASilentRunnerGrantsNothing(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	back := make(chan struct{})
	w.runner.scriptAgain(func(in assignment.Reread) assignment.Answer {
		<-back
		return w.runner.rereads(in)
	})
	w.pass(2 * time.Minute)
	done := make(chan error, 1)
	go func() { _, err := w.approve(s.ID, "ann", "owner"); done <- err }()
	for w.count(writ.EntryApproval) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	if got := w.plan(s.ID); got.State != writ.PlanWaiting || !got.ReadAgain.Asked || w.count(writ.EntryGrant) != 0 {
		t.Errorf("%s %+v", got.State, got.ReadAgain)
	}
	close(back)
	must(t, <-done)
	w.settledAs(s.ID, writ.PlanGranted)
}

// An agent that fetches its grant late is told to ask again, and gets it once the reading is new.
func TestD1AGrantThatIsFetchedLateRestsOnANewReading(t *testing.T) {
	w := newWorld(t)
	o := w.owner(repair)
	s := o.ready()
	w.pass(2 * time.Minute)
	if _, err := o.exchange(s); writ.ReasonOf(err) != writ.ReasonPending {
		t.Fatalf("at once: %v", err)
	}
	for w.plan(s.ID).ReadAgain.Asked {
		time.Sleep(5 * time.Millisecond)
	}
	if _, err := o.exchange(s); err != nil {
		t.Errorf("on a new reading: %v", err)
	}
	late := o.again(w)
	w.runner.scriptAgain(func(in assignment.Reread) assignment.Answer {
		return w.runner.rereads(in, func(one *assignment.Claimed) { one.Holds, one.Code = false, writ.ReasonEvidenceContradicted })
	})
	w.pass(2 * time.Minute)
	if _, err := o.exchange(late); writ.ReasonOf(err) != writ.ReasonPending {
		t.Fatalf("at once: %v", err)
	}
	if got := w.settledAs(late.ID, writ.PlanDenied); got.Reason != writ.ReasonEvidenceContradicted {
		t.Errorf("%s %s", got.Reason, got.Detail)
	}
	if n := w.count(writ.EntryGrant); n != 1 {
		t.Errorf("%d grants", n)
	}
}

// again is a second ready plan, for another incident and object.
func (o owner) again(w *world) writ.PlanStatus {
	w.t.Helper()
	in := w.incident("lab").ID
	other := with(with(workload, "namespace", writ.String("lab")), "name", writ.String("other"))
	ev, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, other)
	must(w.t, err)
	s := w.propose(o.who, o.ask(writ.Ask{Incident: in, Playbook: "restart-workload", Parameters: other, Evidence: []writ.EvidenceID{ev.ID}}))
	if s.State != writ.PlanReady {
		w.t.Fatalf("the second plan is %s: %s %s", s.State, s.Reason, s.Detail)
	}
	return s
}

func (w *world) plan(id writ.PlanID) writ.PlanStatus {
	w.t.Helper()
	s, err := w.ctl.Plan(w.ctx, human("ann"), id, 0)
	must(w.t, err)
	return s
}

// gated is a playbook that says what must be observed.
const gated = `v: 1
name: gated
version: 1
owner: platform
title: "Restart {name}"
class: restart
tier: T1
plane: kubernetes
parameters:
  - {name: name, type: name, title: name of the workload}
observe:
  - name: few-are-ready
    reader: kubernetes/workload.status
    with: {kind: deployment, namespace: shop, name: $name}
    fact: ready_replicas
    op: at_most
    value: 2
steps:
  - {operation: kubernetes/workload.restart, with: {kind: deployment, namespace: shop, name: $name}}
verify:
  - {name: complete, reader: kubernetes/workload.status, with: {kind: deployment, namespace: shop, name: $name}, fact: complete, op: equals, value: true, within_seconds: 60}
undo: inverse
limits: {max_objects: 1, max_permille: 1000}
`

func TestD1AnAskCitesReadingsThatShowWhatItsPlaybookWants(t *testing.T) {
	w := newWorld(t, manyIncidents, func(c *control.Config) {
		must(t, c.Library.Add([]byte(gated)))
		c.Policy = loadPolicy(t, policies.Dev(), c.Library)
	})
	in := w.incident("shop").ID
	ready := int64(2)
	w.runner.script(func(o assignment.Observe) assignment.Answer {
		a := w.runner.read(o)
		a.Observed.Facts = writ.Observation{"ready_replicas": writ.Int(ready)}
		return a
	}, nil)
	ask := func(ids ...writ.EvidenceID) writ.Ask {
		return writ.Ask{Incident: in, Playbook: "gated", Parameters: writ.Parameters{"name": writ.String("checkout")}, Evidence: ids}
	}
	refused := func(what string, want writ.Reason, a writ.Ask) {
		t.Helper()
		_, err := w.ctl.Propose(w.ctx, repair, a)
		if writ.ReasonOf(err) != want || !strings.Contains(err.Error(), "few-are-ready") {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
	good := w.observe(diagnose, in)
	other, _, err := w.ctl.Observe(w.ctx, diagnose, in, "kubernetes/workload.status", target, with(workload, "name", writ.String("other")))
	must(t, err)
	refused("no reading", writ.ReasonEvidenceMissing, ask())
	refused("a reading of something else", writ.ReasonEvidenceMissing, ask(other.ID))
	w.pass(time.Second)
	ready = 4
	refused("the newest reading says no", writ.ReasonEvidenceContradicted, ask(good.ID, w.observe(diagnose, in).ID))
	w.pass(evidenceLife)
	refused("a reading of long ago", writ.ReasonEvidenceStale, ask(good.ID))
	ready = 1
	s := w.propose(repair, ask(w.observe(diagnose, in).ID))
	if s.State != writ.PlanGranted || s.ReadAgain != nil && s.ReadAgain.True != 1 {
		t.Errorf("%s %s %s", s.State, s.Reason, s.Detail)
	}
}
