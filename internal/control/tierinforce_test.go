package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/grant"
)

// byPlainKeys is the development set, changed, in which the keys of these tests may approve at every tier.
func byPlainKeys(t *testing.T, replace map[string]string) func(*control.Config) {
	replace["proof: A"] = "proof: D"
	return func(c *control.Config) { c.Policy = loadPolicy(t, patched(t, replace), c.Library) }
}

// raisedTo puts scaling into a higher tier.
func raisedTo(t *testing.T, tier writ.Tier) func(*control.Config) {
	return byPlainKeys(t, map[string]string{"raises: []": "raises: [{playbook: scale-workload, at_least: " + tier.String() + "}]"})
}

// typed is a person's statement with the object's name typed.
func (w *world) typed(id writ.PlanID, sub string) writ.ApprovalStatement {
	w.t.Helper()
	st := w.statement(id, sub, "owner", writ.Approve)
	s, err := w.ctl.Plan(w.ctx, human(sub), id, 0)
	must(w.t, err)
	st.Typed = approval.Confirmation(*s.Plan)
	return st
}

// wantRaised fails unless a plan waits whose own tier is T2 and that counts as want.
func wantRaised(t *testing.T, w *world, id writ.PlanID, want writ.Tier) {
	t.Helper()
	s, err := w.ctl.Plan(w.ctx, human("ann"), id, 0)
	must(t, err)
	if s.State != writ.PlanWaiting || s.Plan.Tier != writ.T2 || s.Decision.Tier != want || s.Tier() != want || s.Needs.Approvals["owner"] != 2 {
		t.Fatalf("%s: its own tier is %s, decided %s, in force %s, needs %v", s.State, s.Plan.Tier, s.Decision.Tier, s.Tier(), s.Needs)
	}
}

// TestI12APlanThatPolicyRaisesIsHeldToTheTierInForce: whatever puts a plan of T2 into T4, an approval without the typed name
// is no approval, two owners are needed, and the grant, its entry and so its runner are told of T4.
func TestI12APlanThatPolicyRaisesIsHeldToTheTierInForce(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*control.Config)
		before func(*world) writ.IncidentID // what makes a plan of its incident T4
	}{
		"by tiers.yaml": {raisedTo(t, writ.T4), func(w *world) writ.IncidentID { return w.incident("shop").ID }},
		"by its incident's chain": {chained(t, "raises: []"), func(w *world) writ.IncidentID {
			in := w.incident("shop").ID
			w.allowed(repair, w.restart(in)).succeed()
			return in
		}},
		"by its record": {func(c *control.Config) {
			byPlainKeys(t, map[string]string{})(c)
			c.Autonomy.Begin = 1
		}, func(w *world) writ.IncidentID {
			s := w.propose(repair, w.scale(w.incident("shop").ID))
			wantRaised(t, w, s.ID, writ.T3)
			for _, sub := range []string{"ann", "bob"} {
				_, err := w.approve(s.ID, sub, "owner")
				must(t, err)
			}
			w.runner.take().endedAs(writ.RunUndone)
			w.pass(time.Hour)
			return w.incident("shop").ID
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.change)
			s := w.propose(repair, w.scale(c.before(w)))
			wantRaised(t, w, s.ID, writ.T4)
			_, err := w.approve(s.ID, "ann", "owner")
			refused(t, err, writ.ReasonApprovalMismatch)
			wrong := w.typed(s.ID, "ann")
			wrong.Typed += "x"
			_, err = w.answer(s.ID, wrong, "ann")
			refused(t, err, writ.ReasonApprovalMismatch)
			after, err := w.answer(s.ID, w.typed(s.ID, "ann"), "ann")
			must(t, err)
			if after.State != writ.PlanWaiting {
				t.Fatalf("after one of two it is %s", after.State)
			}
			after, err = w.answer(s.ID, w.typed(s.ID, "bob"), "bob")
			must(t, err)
			w.grantedAs(after, writ.T4, 2)
		})
	}
}

// chained lets a restart and a scaling of one incident come to T4.
func chained(t *testing.T, raises string) func(*control.Config) {
	return byPlainKeys(t, map[string]string{
		"undeclared: T2": "undeclared: T4", "raises: []": raises,
		"- [kubernetes/workload.restart, kubernetes/workload.rollback, kubernetes/workload.scale, kubernetes/pod.delete]": "- [kubernetes/workload.restart, kubernetes/workload.rollback]",
	})
}

// grantedAs fails unless a plan is granted, and its runner and the ledger are told of the tier and of so many approvals.
func (w *world) grantedAs(s writ.PlanStatus, tier writ.Tier, approvals int) {
	w.t.Helper()
	if s.State != writ.PlanGranted {
		w.t.Fatalf("%s %s", s.State, s.Detail)
	}
	h := w.runner.take()
	claims, err := grant.Check(h.b.Grant, grant.Want{Issuer: issuer, Keys: w.grantKeys(), Runner: runnerID, Now: w.now(), Leeway: grant.MaxLeeway})
	must(w.t, err)
	if h.grant.Tier != tier || claims.Writ.Tier != tier || h.plan.Tier != writ.T2 || len(h.b.Approvals) != approvals {
		w.t.Errorf("the plan is of %s, its grant says %s, the entry %s, and %d approvals", h.plan.Tier, claims.Writ.Tier, h.grant.Tier, len(h.b.Approvals))
	}
}

// TestI12WhatWasApprovedAsT3DoesNotCountOnceThePlanIsT4: the incident's chain grows while people answer. Their words are not
// counted as what T4 demands, and each of them may give it once more.
func TestI12WhatWasApprovedAsT3DoesNotCountOnceThePlanIsT4(t *testing.T) {
	t.Parallel()
	w := newWorld(t, chained(t, "raises: [{playbook: scale-workload, at_least: T3}]"))
	in := w.incident("shop").ID
	s := w.propose(repair, w.scale(in))
	wantRaised(t, w, s.ID, writ.T3)
	_, err := w.approve(s.ID, "ann", "owner")
	must(t, err)
	w.allowed(repair, w.restart(in)).succeed()
	after, err := w.approve(s.ID, "bob", "owner") // the last of two, as T3
	must(t, err)
	if after.State != writ.PlanWaiting || after.Tier() != writ.T4 {
		t.Fatalf("it is %s at %s: %s", after.State, after.Tier(), after.Detail)
	}
	_, err = w.approve(s.ID, "ann", "owner")
	refused(t, err, writ.ReasonApprovalMismatch)
	if after, err = w.answer(s.ID, w.typed(s.ID, "ann"), "ann"); err != nil || after.State != writ.PlanWaiting {
		t.Fatalf("%s %v", after.State, err)
	}
	_, err = w.answer(s.ID, w.typed(s.ID, "ann"), "ann")
	refused(t, err, writ.ReasonApprovalReplayed)
	after, err = w.answer(s.ID, w.typed(s.ID, "bob"), "bob")
	must(t, err)
	w.grantedAs(after, writ.T4, 2)
}

// A statement for a passkey is not made without the typed name either, and what waits is told as what it counts as.
func TestI12NoStatementIsMadeAndNoNoticeToldBelowTheTierInForce(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	w := newWorld(t, approving, telling(t, r, r), raisedTo(t, writ.T4))
	k := newPasskey(t)
	w.hasPasskey("ann", k)
	id := w.waiting().ID
	_, err := w.beginAnswer(id, "ann")
	refused(t, err, writ.ReasonApprovalMismatch)
	w.tells()
	if got := r.got(); len(got) == 0 || !strings.Contains(got[0].Summary, "(T4)") {
		t.Errorf("told: %+v", got)
	}
}
