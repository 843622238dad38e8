package control_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/policy/seal"
)

// publishes puts a set in force with the answers of two people.
func (w *world) publishes(f writ.PolicyFiles) writ.PolicyChangeStatus {
	w.t.Helper()
	s := w.proposes("dora", f)
	for _, sub := range []string{"emil", "finn"} {
		var err error
		s, err = w.votes(s.ID, sub, writ.Approve)
		must(w.t, err)
	}
	if s.State != writ.PolicyInForce {
		w.t.Fatalf("the change is %s: %s", s.State, s.Detail)
	}
	return s
}

// closedFiles forbids every change of shop, with the test of it.
func closedFiles(t testing.TB, version int64) writ.PolicyFiles {
	t.Helper()
	f := setFiles(t, version, nil)
	f.Files["limits/shop.cedar"] = []byte("@id(\"limits/shop\")\n@reason(\"Nothing is changed in the shop.\")\nforbid (principal, action in Action::\"mutate\", resource == Service::\"shop\")\nwhen { !context.tainted };\n")
	f.Files["tests/shop.yaml"] = []byte("base: middle\ncases:\n  - name: the shop is closed\n    set: {service: shop, approvalsOwner: 1, proof: 2}\n    want: {effect: deny, reason: limit, policies: [limits/shop]}\n  - name: it is open for what others wrote of\n    set: {service: shop, tainted: true, approvalsOwner: 1, proof: 2}\n    want: {effect: allow, policies: [grants/approved-repair]}\n")
	var err error
	f.Signature, err = seal.Sign(f.Files, version, setOwner(1))
	must(t, err)
	f.Signature, err = seal.AddSignature(f.Signature, f.Files, setOwner(2))
	must(t, err)
	return f
}

// decidedBy demands that the newest decision on a plan was taken by a set, and that nothing rests on it.
func (w *world) decidedBy(p writ.PlanStatus, set writ.Digest) {
	w.t.Helper()
	if p.Decision == nil || !p.Decision.Policy.Equal(set) || p.Run != "" || w.count(writ.EntryGrant) != 0 {
		w.t.Errorf("decided by %+v, run %q, %d grants", p.Decision, p.Run, w.count(writ.EntryGrant))
	}
}

// Pitfall 8: a plan that waits when another set comes into force names a set that is not in force any more. It is decided
// again by the one that is, and does not stand in the way of the same ask.
func TestPitfall08APlanThatWaitsIsDecidedAgainWhenAnotherSetComesIntoForce(t *testing.T) {
	w := governedWorld(t)
	other, unaware := w.again(), w.again() // two more replicas; one has not begun to decide yet
	must(t, other.AdoptPolicy(w.ctx, w.set(setFiles(t, 1, nil, 1, 2))))
	plan := w.waiting()
	must(t, w.ctl.SweepPolicy(w.ctx))
	if p := w.plan(plan.ID); p.State != writ.PlanWaiting {
		t.Fatalf("under its own set it is %s", p.State)
	}
	next := w.publishes(stricterFiles(t, 2)).Change.Next.Policy
	must(t, unaware.SweepPolicy(w.ctx))
	if p := w.plan(plan.ID); p.State != writ.PlanWaiting {
		t.Fatalf("a replica that has adopted nothing ended it: %s", p.State)
	}
	must(t, w.ctl.SweepPolicy(w.ctx))
	p := w.plan(plan.ID)
	if p.State != writ.PlanStale || p.Reason != writ.ReasonPolicyStale || p.Hint == "" || p.Decision.Verdict != writ.Requires {
		t.Errorf("%s (%s): %+v", p.State, p.Reason, p.Decision)
	}
	w.decidedBy(p, next)
	decisions := w.count(writ.EntryDecision)
	must(t, w.ctl.SweepPolicy(w.ctx))
	w.pass(2 * time.Minute)
	must(t, w.ctl.SweepPolicy(w.ctx))
	if n := w.count(writ.EntryDecision); n != decisions {
		t.Errorf("decided again without a reason: %d entries, then %d", decisions, n)
	}
	if r := w.record("repair"); r.Denied != 0 {
		t.Errorf("the agent's record counts it as denied: %+v", r)
	}
	again := w.propose(repair, w.scale(w.incident("shop").ID))
	if again.ID == plan.ID || again.State != writ.PlanWaiting || again.Needs.Approvals["owner"] != 2 {
		t.Errorf("the same ask again is %s and needs %+v", again.State, again.Needs)
	}
	// What the set in force forbids is denied, not stale; another replica says so too.
	last := w.publishes(closedFiles(t, 3)).Change.Next.Policy
	must(t, other.SweepPolicy(w.ctx))
	p = w.plan(again.ID)
	if p.State != writ.PlanDenied || p.Reason != writ.ReasonLimit {
		t.Errorf("%s (%s)", p.State, p.Reason)
	}
	w.decidedBy(p, last)
	w.auditsPolicy(t)
}

// A plan that is being made when another set comes into force, and one that waits for its holder, get no grant: each names
// the older set.
func TestPitfall08NoGrantForAPlanThatWasMadeUnderAnOlderSet(t *testing.T) {
	w := governedWorld(t)
	var next writ.Digest
	w.runner.script(nil, func(in assignment.Planning) assignment.Answer {
		if next.IsZero() {
			next = w.publishes(setFiles(t, 2, map[string]string{"raises: []": "raises: [ ]"}, 1, 2)).Change.Next.Policy
		}
		return w.runner.plan(in)
	})
	stale := func(p writ.PlanStatus, set writ.Digest) {
		t.Helper()
		if p.State != writ.PlanStale || p.Reason != writ.ReasonPolicyStale {
			t.Errorf("%s (%s: %s)", p.State, p.Reason, p.Detail)
		}
		w.decidedBy(p, set)
	}
	made := w.propose(repair, w.restart(w.incident("shop").ID))
	stale(w.plan(made.ID), next)

	o := w.owner(second)
	held := o.ready()
	last := w.publishes(setFiles(t, 3, nil, 1, 2)).Change.Next.Policy
	if _, err := o.exchange(held); err == nil {
		t.Error("its holder got a grant")
	}
	stale(w.plan(held.ID), last)
	if p := w.plan(w.propose(repair, w.restart(w.incident("shop").ID)).ID); p.State != writ.PlanGranted || !p.Decision.Policy.Equal(last) {
		t.Errorf("the same ask again is %s (%s: %s)", p.State, p.Reason, p.Detail)
	}
	w.runner.take()
}
