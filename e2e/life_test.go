package e2e_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/writ-dev/writ"
)

// TestR27ToR32TheLifeOfARepair runs the same scripts against one process and against three.
func TestR27ToR32TheLifeOfARepair(t *testing.T) {
	t.Parallel()
	for _, how := range topologies {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, how, "rollback", "scale", "reject", "undo", "moved", "conflict")
			t.Run("scripts", func(t *testing.T) {
				for name, script := range map[string]func(*scene){
					"rollback": (*scene).aFixedDeployment, "scale": (*scene).aPersonApproves, "reject": (*scene).aPersonRejects,
					"undo": (*scene).anExactUndo, "moved": (*scene).aRefusedWrite,
				} {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						if name == "scale" || name == "reject" || name == "moved" {
							script(s.healthy(t, name))
						} else {
							script(s.broken(t, name))
						}
					})
				}
			})
			// Last, since a second repair that was no good takes T1 from the agent.
			t.Run("conflict", func(t *testing.T) { (*scene).anUndoConflict(s.broken(t, "conflict")) })
			t.Run("the ledger verifies offline", func(t *testing.T) { s.verified(t) })
			t.Run("the ledger explains every write", func(t *testing.T) { s.explains(t) })
		})
	}
}

// aFixedDeployment: alert, incident, evidence, proposal, plan, grant, run, verified effect, dead lease.
func (x *scene) aFixedDeployment() {
	x.diagnosed()
	again := x.alert("firing") // Alertmanager repeats itself
	if again != x.incident {
		x.t.Errorf("a repeated alert opened %s beside %s", again, x.incident)
	}
	r := x.ended(x.rollback().Plan, writ.RunSucceeded)
	x.fixed()
	x.wantWrites(1)
	x.dead(r.ID)
	x.powerThenIdentity(r.ID)
	x.alert("resolved")
	list := x.wantCLI(x.t, 0, you, "incident", "show", string(x.incident))
	if !strings.Contains(list.out, "resolved") {
		x.t.Errorf("the incident is not resolved: %s", list.out)
	}
	timeline := x.wantCLI(x.t, 0, you, "incident", "timeline", string(x.incident))
	for _, kind := range []writ.EntryKind{writ.EntryIncident, writ.EntryEvidence, writ.EntryProposal, writ.EntryPlan, writ.EntryDecision, writ.EntryGrant,
		writ.EntryLease, writ.EntryStepIntent, writ.EntryStepEffect, writ.EntryVerify, writ.EntryRevoke, writ.EntryProbe, writ.EntryRun} {
		if !strings.Contains(timeline.out, string(kind)) {
			x.t.Errorf("the timeline says nothing of a %s", kind)
		}
	}
}

// aPersonApproves: nothing happens before a person has signed over the digest that the plan shows.
func (x *scene) aPersonApproves() {
	x.diagnosed()
	plan := string(x.scale(5).Plan)
	if inbox := x.wantCLI(x.t, 0, you, "inbox"); !strings.Contains(inbox.out, plan) {
		x.t.Fatalf("the inbox does not show %s: %s", plan, inbox.out)
	}
	shown := x.wantCLI(x.t, 8, you, "plan", "show", plan) // 8: still waiting
	digest := digestIn(x.t, shown.out)
	if !strings.Contains(shown.out, "replicas") || !strings.Contains(shown.out, x.ns) {
		x.t.Errorf("the plan does not show the change: %s", shown.out)
	}
	if why := x.wantCLI(x.t, 0, you, "plan", "explain", plan); !strings.Contains(why.out, ".cedar:") || !strings.Contains(why.out, "smallest changes") {
		x.t.Errorf("the plan is explained as: %s", why.out)
	}
	x.wantCLI(x.t, 0, you, "plan", "diff", plan, plan)
	// Another digest, no digest, and the agent's own human are refused.
	x.wantCLI(x.t, 5, you, "approve", plan, "--digest", "sha256:"+strings.Repeat("ab", 32))
	x.wantCLI(x.t, 2, you, "approve", plan)
	x.wantCLI(x.t, 3, rob, "approve", plan, "--digest", digest)
	x.wantWrites(0)
	x.wantCLI(x.t, 0, you, "approve", plan, "--digest", digest, "--reason", "the queue grows")
	r := x.ended(writ.PlanID(plan), writ.RunSucceeded)
	d := x.AwaitRollout(x.t, x.ns, deployment)
	if *d.Spec.Replicas != 5 || d.Status.ReadyReplicas != 5 {
		x.t.Errorf("%d replicas, %d ready", *d.Spec.Replicas, d.Status.ReadyReplicas)
	}
	x.wantWrites(1)
	x.wantCLI(x.t, 3, you, "approve", plan, "--digest", digest) // it waits for nobody now
	x.dead(r.ID)
}

// aPersonRejects: no is the end.
func (x *scene) aPersonRejects() {
	x.diagnosed()
	plan := x.scale(5).Plan
	digest := digestIn(x.t, x.wantCLI(x.t, 8, you, "plan", "show", string(plan)).out)
	x.wantCLI(x.t, 0, you, "reject", string(plan), "--digest", digest, "--reason", "not now")
	p, err := x.person.WaitPlan(x.t.Context(), plan)
	must(x.t, err)
	if p.State != writ.PlanRejected || p.Run != "" {
		x.t.Errorf("the plan is %s, run %q", p.State, p.Run)
	}
	x.wantCLI(x.t, 3, you, "plan", "show", string(plan))
	x.wantWrites(0)
}

// anExactUndo: a repair that does not help leaves the object field by field as it was.
func (x *scene) anExactUndo() {
	x.somebody(func(d *appsv1.Deployment) {
		d.Labels["team"], d.Annotations["example.com/note"] = "checkout", "keep me"
	})
	x.still(stuck)
	x.diagnosed()
	before := ours(x.now())
	r := x.ended(x.asks(restartSoon, x.workload(), writ.PlanGranted).Plan, writ.RunUndone)
	if r.Reason != writ.ReasonVerificationFailed {
		x.t.Errorf("the reason is %s", r.Reason)
	}
	if diff := cmp.Diff(before, ours(x.now())); diff != "" {
		x.t.Errorf("the undo is not exact (-before +after):\n%s", diff)
	}
	x.wantWrites(2)
}

// aRefusedWrite: somebody changes the object while the plan waits; the approval is then for a world that is gone.
func (x *scene) aRefusedWrite() {
	x.diagnosed()
	plan := x.scale(5).Plan
	digest := digestIn(x.t, x.wantCLI(x.t, 8, you, "plan", "show", string(plan)).out)
	x.somebody(func(d *appsv1.Deployment) { d.Annotations["example.com/note"] = "somebody was here" })
	x.AwaitRollout(x.t, x.ns, deployment)
	theirs := x.now()
	x.wantCLI(x.t, 0, you, "approve", string(plan), "--digest", digest)
	r := x.ended(plan, writ.RunRefused)
	if r.Reason != writ.ReasonWorldMoved || len(r.Leases) != 0 {
		x.t.Errorf("refused for %s, with %d leases", r.Reason, len(r.Leases))
	}
	if diff := cmp.Diff(ours(theirs), ours(x.now())); diff != "" {
		x.t.Errorf("somebody's change was touched:\n%s", diff)
	}
	x.wantWrites(0)
	x.nothingLeft(strings.ToLower(string(r.ID)))
}

// anUndoConflict: somebody changes the object while the run waits for its effect; the undo leaves theirs alone.
func (x *scene) anUndoConflict() {
	x.diagnosed()
	run := x.runOf(x.asks(restartLong, x.workload(), writ.PlanGranted).Plan)
	x.reaches(run, writ.EntryStepEffect)
	x.somebody(func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Image = "api:broken-by-somebody-else"
	})
	theirs := ours(x.now())
	x.wantCLI(x.t, 0, you, "run", "stop", string(run), "--reason", "it does not help")
	r := x.endedRun(run, writ.RunUncertain)
	if r.Reason != writ.ReasonUndoConflict {
		x.t.Errorf("the reason is %s", r.Reason)
	}
	if diff := cmp.Diff(theirs, ours(x.now())); diff != "" {
		x.t.Errorf("somebody's change was touched:\n%s", diff)
	}
	x.wantWrites(1)
	x.wantCLI(x.t, 6, you, "run", "show", string(run)) // 6: uncertain, a person must look
	x.dead(run)
}
