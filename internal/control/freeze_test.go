package control_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
)

// A freezing is one scope that covers what a requester's tier 2 plan is about.
type freezing struct {
	scope writ.FreezeScope
	value func(by writ.Principal) string
}

func fixed(v string) func(writ.Principal) string { return func(writ.Principal) string { return v } }

var freezings = map[string]freezing{
	"all":          {writ.FreezeAll, fixed("")},
	"the identity": {writ.FreezeAgent, func(by writ.Principal) string { return by.Iss + " " + by.Sub }},
	"the service":  {writ.FreezeService, fixed("shop")},
	"the playbook": {writ.FreezePlaybook, fixed("scale-workload")},
	"the target":   {writ.FreezeTarget, fixed(string(target))},
}

// askers are the kinds of identity that can ask for a change.
var askers = map[string]writ.Principal{"an agent": repair, "a person": human("bob")}

// TestI18EveryPathOfEveryAskerIsFrozen plays each freeze against each way forward, for each kind of identity that can
// ask: nothing gets one step further, the refusal says frozen, and it is in the ledger. With -short each path meets one of
// the freezes.
func TestI18EveryPathOfEveryAskerIsFrozen(t *testing.T) {
	paths := map[string]func(t *testing.T, w *world, by writ.Principal, freeze func()){
		"propose": func(t *testing.T, w *world, by writ.Principal, freeze func()) {
			ask := w.scale(w.incident("shop").ID)
			freeze()
			_, err := w.ctl.Propose(w.ctx, by, ask)
			refused(t, err, writ.ReasonFrozen)
			if !errors.Is(err, writ.ErrFrozen) || w.count(writ.EntryProposal) != 0 || w.denials("propose", writ.ReasonFrozen) != 1 {
				t.Errorf("%v, %d proposals, denials %d", err, w.count(writ.EntryProposal), w.denials("propose", writ.ReasonFrozen))
			}
		},
		"ask again for a plan that is open": func(t *testing.T, w *world, by writ.Principal, freeze func()) {
			ask := w.scale(w.incident("shop").ID)
			w.propose(by, ask)
			freeze()
			_, err := w.ctl.Propose(w.ctx, by, ask)
			refused(t, err, writ.ReasonFrozen)
		},
		"a plan that is being made": func(t *testing.T, w *world, by writ.Principal, freeze func()) {
			ask := w.scale(w.incident("shop").ID)
			w.runner.script(nil, func(p assignment.Planning) assignment.Answer {
				freeze() // while the runner looks
				return w.runner.plan(p)
			})
			if s := w.propose(by, ask); s.State != writ.PlanDenied || s.Reason != writ.ReasonFrozen {
				t.Errorf("%s: %s", s.State, s.Reason)
			}
		},
		"approve a plan that waits": func(t *testing.T, w *world, by writ.Principal, freeze func()) {
			s := w.propose(by, w.scale(w.incident("shop").ID))
			freeze()
			after, err := w.approve(s.ID, "ann", "owner")
			must(t, err)
			if after.State != writ.PlanDenied || after.Reason != writ.ReasonFrozen || w.count(writ.EntryPlanEnd) != 1 {
				t.Errorf("%s: %s", after.State, after.Reason)
			}
		},
		"start a granted run": func(t *testing.T, w *world, by writ.Principal, freeze func()) {
			h := w.grantedTo(by)
			freeze()
			if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused == nil || d.Refused.Code != writ.ReasonFrozen || len(d.Receipts) != 0 {
				t.Errorf("%+v", d.Refused)
			}
			if w.glance().LeasesAlive != 0 || w.count(writ.EntryStepIntent) != 0 {
				t.Error("a lease or an intent was taken")
			}
		},
		"an assignment that is handed out again": func(t *testing.T, w *world, by writ.Principal, freeze func()) {
			h := w.grantedTo(by)
			freeze()
			w.pass(20 * time.Second) // it was not answered
			again := w.runner.take()
			f := feed(t, w, again.a.Feed)
			if again.b.Run != h.b.Run || !f.Covers(h.plan) {
				t.Errorf("run %s with the feed %+v", again.b.Run, f)
			}
		},
		"through another replica": func(t *testing.T, w *world, by writ.Principal, freeze func()) {
			ask := w.scale(w.incident("shop").ID)
			other, err := control.New(w.config)
			must(t, err)
			freeze()
			_, err = other.Propose(w.ctx, by, ask)
			refused(t, err, writ.ReasonFrozen)
		},
	}
	for i, path := range slices.Sorted(maps.Keys(paths)) {
		for j, scope := range slices.Sorted(maps.Keys(freezings)) {
			for kind, by := range askers {
				if testing.Short() && i%len(freezings) != j { // each path with one freeze, each freeze with a path
					continue
				}
				play, z := paths[path], freezings[scope]
				t.Run(strings.Join([]string{path, scope, kind}, ", "), func(t *testing.T) {
					w := newWorld(t)
					play(t, w, by, func() {
						_, err := w.ctl.Freeze(w.ctx, human("ann"), z.scope, z.value(by), "something is odd")
						must(w.t, err)
					})
					if path != "start a granted run" && path != "an assignment that is handed out again" && w.count(writ.EntryGrant) != 0 {
						t.Error("a grant was issued")
					}
				})
			}
		}
	}
}

// grantedTo is a tier 2 run of an asker, which a person has approved.
func (w *world) grantedTo(by writ.Principal) *held {
	w.t.Helper()
	s := w.propose(by, w.scale(w.incident("shop").ID))
	if s, err := w.approve(s.ID, "ann", "owner"); err != nil || s.State != writ.PlanGranted {
		w.t.Fatalf("%s (%s), %v", s.State, s.Reason, err)
	}
	return w.runner.take()
}

// denials counts entries that record a refused call.
func (w *world) denials(what string, why writ.Reason) (n int) {
	for _, e := range w.entries() {
		if b, ok := e.Body.(*writ.DenyBody); ok && b.What == what && b.Reason == why {
			n++
		}
	}
	return n
}

// TestI18WhatAFreezeLeavesAlone: readings and what only makes things safer go on under every freeze. A reading changes
// nothing, and people need it to find out what is wrong; withdrawing, rejecting and stopping are ways to safety; an
// alert is a record of what happens.
func TestI18WhatAFreezeLeavesAlone(t *testing.T) {
	for scope, z := range freezings {
		t.Run(scope, func(t *testing.T) {
			w := newWorld(t)
			in := w.incident("shop")
			ask, other := w.scale(in.ID), w.scale(in.ID)
			ask.Parameters, other.Parameters = with(workload, "replicas", writ.Int(2)), with(workload, "replicas", writ.Int(5))
			first, second := w.propose(repair, ask), w.propose(human("bob"), other)
			h := w.grantedTo(repair)
			lease, intent := h.begin()
			_, err := w.ctl.Freeze(w.ctx, human("ann"), z.scope, z.value(repair), "something is odd")
			must(t, err)

			w.observe(diagnose, in.ID)
			w.observe(human("bob"), in.ID)
			w.incident("shop")
			if s, err := w.ctl.Withdraw(w.ctx, repair, first.ID, "not now"); err != nil || s.State != writ.PlanWithdrawn {
				t.Errorf("withdraw: %s %v", s.State, err)
			}
			if s, err := w.answer(second.ID, w.statement(second.ID, "ann", "owner", writ.Reject), "ann"); err != nil || s.State.Final() != true {
				t.Errorf("reject: %s %v", s.State, err)
			}
			if _, err := w.ctl.Stop(w.ctx, repair, h.b.Run, "stop it"); err != nil {
				t.Errorf("stop: %v", err)
			}
			undo := *h
			undo.lease = "lse_01JDB3V0T6M2Y8H4R1C7K5P9WD"
			l := undo.leaseEntry()
			d := h.deliver(h.effect(intent, writ.Applied), h.revoke(lease), h.probe(lease, true, true), h.check(false), l, h.seal(writ.EntryUndoIntent, h.step()),
				h.seal(writ.EntryUndoEffect, writ.UndoEffectBody{Run: h.b.Run, Step: h.plan.Steps[0].Key, Effect: writ.Applied, Restored: true}),
				undo.revoke(l), undo.probe(l, true, true), h.end(writ.RunUndone, writ.ReasonFrozen))
			if d.Refused != nil || w.run(h.b.Run).State != writ.RunUndone || w.glance().LeasesAlive != 0 {
				t.Errorf("the way to safety: %+v, %s", d.Refused, w.run(h.b.Run).State)
			}
		})
	}
}

// A frozen identity reads nothing either: it may be in somebody else's hands. Others do.
func TestI18AFrozenIdentityAsksForNothing(t *testing.T) {
	for name, by := range map[string]writ.Principal{"the diagnosing agent": diagnose, "the repairing agent": repair, "a person": human("bob")} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			in := w.incident("shop")
			z, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAgent, by.Iss+" "+by.Sub, "it behaves oddly")
			must(t, err)
			_, _, err = w.ctl.Observe(w.ctx, by, in.ID, "kubernetes/workload.status", target, workload)
			refused(t, err, writ.ReasonFrozen)
			if w.denials("observe", writ.ReasonFrozen) != 1 {
				t.Error("the refusal is not in the ledger")
			}
			w.observe(second, in.ID)
			_, err = w.ctl.Unfreeze(w.ctx, human("ann"), z.ID, "it was nothing")
			must(t, err)
			w.observe(by, in.ID)
		})
	}
}

// A name that is nothing is refused, with the nearest one that is something: a freeze of it would stop nothing.
func TestI18AFreezeOfNothingIsRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		scope writ.FreezeScope
		value string
		code  writ.Reason
		hint  string
	}{
		"a misspelt agent":    {writ.FreezeAgent, "repiar", writ.ReasonAgentUnregistered, "did you mean repair?"},
		"a misspelt service":  {writ.FreezeService, "shopp", writ.ReasonUnknownService, "did you mean shop?"},
		"a misspelt playbook": {writ.FreezePlaybook, "scale-workloads", writ.ReasonUnknownPlaybook, "did you mean scale-workload?"},
		"a misspelt target":   {writ.FreezeTarget, "kubernetes://prd", writ.ReasonOutOfScope, "did you mean kubernetes://prod?"},
		"nothing like any":    {writ.FreezeService, "x", writ.ReasonUnknownService, "services: "},
		"a stranger":          {writ.FreezeAgent, "https://idp.test nobody", writ.ReasonAgentUnregistered, "agents: asleep, diagnose"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.ctl.Freeze(w.ctx, human("ann"), c.scope, c.value, "now")
			refused(t, err, c.code)
			if r, ok := errors.AsType[*writ.Refusal](err); !ok || !strings.Contains(r.Hint, c.hint) || !strings.Contains(r.Detail, "nothing was frozen") {
				t.Errorf("%+v", err)
			}
		})
	}
	if all, err := w.ctl.Freezes(w.ctx, human("ann")); err != nil || len(all) != 0 || w.count(writ.EntryFreeze) != 0 {
		t.Errorf("%d freezes, %v", len(all), err)
	}
}

// What is not configured any more can still be frozen while a run of it is in flight.
func TestI18ARunOfAForgottenAgentCanBeFrozen(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	c := w.config
	c.Agents = c.Agents[:1]
	later, err := control.New(c)
	must(t, err)
	_, err = later.Freeze(w.ctx, human("ann"), writ.FreezeAgent, repair.Iss+" "+repair.Sub, "who is that?")
	must(t, err)
	if d := h.deliver(h.leaseEntry(), h.intent()); d.Refused == nil || d.Refused.Code != writ.ReasonFrozen {
		t.Errorf("%+v", d.Refused)
	}
	_, err = later.Freeze(w.ctx, human("ann"), writ.FreezeAgent, "repair", "who is that?")
	refused(t, err, writ.ReasonAgentUnregistered)
}

// A freeze is state, not memory: another process on the same store has it.
func TestI18AFreezeSurvivesARestart(t *testing.T) {
	w := newWorld(t)
	z, err := w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAgent, "repair", "wait")
	must(t, err)
	again, err := control.New(w.config)
	must(t, err)
	all, err := again.Freezes(w.ctx, human("ann"))
	must(t, err)
	if len(all) != 1 || all[0].ID != z.ID || all[0].Named != "repair" || all[0].Value != repair.Iss+" "+repair.Sub {
		t.Errorf("%+v", all)
	}
	told, err := again.Feed(w.ctx, runnerID, assignment.Listen{Epoch: -1})
	must(t, err)
	if f := feed(t, w, told.Feed); len(f.Freezes) != 1 {
		t.Errorf("%+v", f)
	}
}

// The held call ends when the epoch turns: with a freeze, with its end, with a stop; not with anything else.
func TestI18AHeldCallEndsWhenTheEpochTurns(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	first, err := w.ctl.Feed(w.ctx, runnerID, assignment.Listen{Epoch: -1, WaitSeconds: 20})
	must(t, err)
	known := feed(t, w, first.Feed).Epoch
	var z writ.Freeze
	for name, turn := range map[string]func() error{
		"freeze": func() (err error) {
			z, err = w.ctl.Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "wait")
			return err
		},
		"stop": func() error { _, err := w.ctl.Stop(w.ctx, human("ann"), h.b.Run, "wait"); return err },
	} {
		heard := make(chan assignment.Told, 1)
		ask := assignment.Listen{Epoch: known, WaitSeconds: 20}
		go func() {
			told, err := w.ctl.Feed(w.ctx, runnerID, ask)
			if err != nil {
				w.t.Errorf("%s: %v", name, err)
			}
			heard <- told
		}()
		w.incident("orders") // a commit that is no news
		select {
		case <-heard:
			t.Fatalf("%s: heard before it happened", name)
		case <-time.After(200 * time.Millisecond):
		}
		must(t, turn())
		f := feed(t, w, (<-heard).Feed)
		if f.Epoch <= known {
			t.Errorf("%s: epoch %d after %d", name, f.Epoch, known)
		}
		known = f.Epoch
	}
	_, err = w.ctl.Unfreeze(w.ctx, human("ann"), z.ID, "over")
	must(t, err)
	told, err := w.ctl.Feed(w.ctx, runnerID, assignment.Listen{Epoch: known, WaitSeconds: 20})
	must(t, err)
	if f := feed(t, w, told.Feed); f.Epoch <= known || len(f.Freezes) != 0 {
		t.Errorf("%+v", f)
	}
}
