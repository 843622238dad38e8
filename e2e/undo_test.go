package e2e_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/writ-dev/writ"
)

// raise asks for more memory, which needs a person, and is another operation than scale.
func (x *scene) raise() answer {
	x.t.Helper()
	w := x.workload()
	w["container"], w["memory_limit"] = x.now().Spec.Template.Spec.Containers[0].Name, "256Mi"
	return x.asks("raise-memory", w, writ.PlanWaiting)
}

// signed has a plan approved and waits until its run has ended as it should.
func (x *scene) signed(id writ.PlanID, want writ.RunState) writ.RunStatus {
	x.t.Helper()
	digest := digestIn(x.t, x.wantCLI(x.t, 8, you, "plan", "show", string(id)).out)
	x.wantCLI(x.t, 0, you, "approve", string(id), "--digest", digest)
	return x.ended(id, want)
}

// turn waits until the undo of an incident has a plan for its number n, and returns it.
func (x *scene) turn(n int) writ.UndoneRun {
	x.t.Helper()
	var out writ.UndoneRun
	await(x.t, "the undo's next plan", func() (bool, string) {
		in, err := x.person.Incident(x.t.Context(), x.incident)
		must(x.t, err)
		if in.Undo == nil || len(in.Undo.Runs) <= n {
			return false, "no undo"
		}
		out = in.Undo.Runs[n]
		return out.State == writ.PlanWaiting, string(in.Undo.State) + " " + string(out.State) + " " + out.Detail + in.Undo.Detail
	})
	return out
}

func (x *scene) replicaSets() []string {
	x.t.Helper()
	l, err := x.kube.AppsV1().ReplicaSets(x.ns).List(x.t.Context(), metav1.ListOptions{})
	must(x.t, err)
	var out []string
	for _, r := range l.Items {
		out = append(out, string(r.UID))
	}
	return out
}

// TestUND01UND05UND07TheRunsOfAnIncidentAreUnwoundInReverseOrder makes two runs on one object, lets the runner die between their
// undos, and compares all of the object. No revision is lost (UND-05), and replicas are back (UND-07).
func TestUND01UND05UND07TheRunsOfAnIncidentAreUnwoundInReverseOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "unwound")
	x := s.healthy(t, "unwound").diagnosed()
	before := ours(x.now())
	first := x.signed(x.scale(5).Plan, writ.RunSucceeded)
	second := x.signed(x.raise().Plan, writ.RunSucceeded)
	x.AwaitRollout(t, x.ns, deployment)
	history := x.replicaSets()

	// Asked for by one person, approved by another: whoever asks does not approve.
	x.wantCLI(t, 8, rob, "incident", "undo", string(x.incident), "--reason", "it was not the memory", "--wait=false")
	newest := x.turn(0)
	if newest.Run != second.ID {
		t.Fatalf("%s is put back first, want the newest, %s", newest.Run, second.ID)
	}
	x.wantCLI(t, 3, rob, "approve", string(newest.Plan), "--digest", digestIn(t, x.wantCLI(t, 8, rob, "plan", "show", string(newest.Plan)).out))
	x.signed(newest.Plan, writ.RunSucceeded)
	if d := x.now(); *d.Spec.Replicas != 5 {
		t.Errorf("after the first undo %d replicas, want the 5 of the older run", *d.Spec.Replicas)
	}
	s.procs["runner"].kill()
	s.startRunner()
	s.awaitRunner()
	x.AwaitRollout(t, x.ns, deployment)
	// Its plan may have been made while pods were still being replaced; what has grown since would be refused. Taken back, the undo
	// stops; asked again, it goes on with a plan of what is now.
	early := x.turn(1)
	x.wantCLI(t, 0, rob, "plan", "withdraw", string(early.Plan), "--reason", "made during a rollout")
	await(t, "the undo stops", func() (bool, string) {
		in, err := x.person.Incident(t.Context(), x.incident)
		must(t, err)
		return in.Undo.State == writ.UndoStopped, string(in.Undo.State)
	})
	x.wantCLI(t, 8, rob, "incident", "undo", string(x.incident), "--wait=false")
	oldest := x.turn(0) // what is left of it
	if oldest.Plan == early.Plan {
		t.Fatalf("%s was taken back and waits again", early.Plan)
	}
	if oldest.Run != first.ID {
		t.Fatalf("%s is put back second, want %s", oldest.Run, first.ID)
	}
	r := x.signed(oldest.Plan, writ.RunSucceeded)
	if r.Reverts != first.ID {
		t.Errorf("the run says that it put back %q", r.Reverts)
	}
	if diff := cmp.Diff(before, ours(x.now())); diff != "" {
		t.Errorf("not as before the two runs (-before +after):\n%s", diff)
	}
	for _, uid := range history {
		if !strings.Contains(strings.Join(x.replicaSets(), " "), uid) {
			t.Errorf("the undo destroyed the revision %s", uid)
		}
	}
	await(t, "the undo's end", func() (bool, string) {
		in, err := x.person.Incident(t.Context(), x.incident)
		must(t, err)
		return in.Undo.State == writ.UndoDone, string(in.Undo.State)
	})
	x.wantCLI(t, 1, rob, "incident", "undo", string(x.incident)) // nothing is left to undo
	x.wantWrites(4)
	x.dead(r.ID)
	s.explains(t)
	s.verified(t)
}

// TestUND03AnUndoThatFailedIsNotLost: a third party changed the object. The undo stops, says who changed what, and goes on when that is gone.
func TestUND03AnUndoThatFailedIsNotLost(t *testing.T) {
	t.Parallel()
	s := newSite(t, oneProcess, "meddled")
	x := s.healthy(t, "meddled").diagnosed()
	before := ours(x.now())
	x.signed(x.scale(5).Plan, writ.RunSucceeded)
	x.AwaitRollout(t, x.ns, deployment)
	x.somebody(func(d *appsv1.Deployment) { d.Labels["team"] = "search" })
	theirs := ours(x.now())
	got := x.wantCLI(t, 1, rob, "incident", "undo", string(x.incident))
	if !strings.Contains(got.out, string(writ.ReasonUndoConflict)) || !strings.Contains(got.out, "metadata.labels.team") {
		t.Errorf("it does not say who changed what: %s", got.out)
	}
	if diff := cmp.Diff(theirs, ours(x.now())); diff != "" {
		t.Errorf("somebody's change was touched:\n%s", diff)
	}
	x.wantWrites(1)
	x.somebody(func(d *appsv1.Deployment) { delete(d.Labels, "team") })
	x.wantCLI(t, 8, rob, "incident", "undo", string(x.incident), "--wait=false")
	x.signed(x.turn(0).Plan, writ.RunSucceeded)
	if diff := cmp.Diff(before, ours(x.now())); diff != "" {
		t.Errorf("not as before (-before +after):\n%s", diff)
	}
	s.explains(t)
	s.verified(t)
}

// TestI15AnUncertainRunIsSettledByAPersonOnce: it is settled by a person, and by nobody twice.
func TestI15AnUncertainRunIsSettledByAPersonOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, oneProcess, "settled")
	x := s.broken(t, "settled").diagnosed()
	run := x.runOf(x.asks(restartLong, x.workload(), writ.PlanGranted).Plan)
	x.reaches(run, writ.EntryStepEffect)
	x.somebody(func(d *appsv1.Deployment) { d.Annotations["example.com/note"] = "somebody was here" })
	x.wantCLI(t, 0, you, "run", "stop", string(run), "--reason", "it does not help")
	x.endedRun(run, writ.RunUncertain)
	shown := x.wantCLI(t, 6, you, "run", "show", string(run))
	for _, want := range []string{"step 1 is in doubt", "kubectl get --raw", "restartedAt", "writ run settle"} {
		if !strings.Contains(shown.out, want) {
			t.Errorf("a person is not told %q: %s", want, shown.out)
		}
	}
	x.wantCLI(t, 1, rob, "incident", "undo", string(x.incident)) // nobody knows what it did
	x.wantCLI(t, 0, you, "run", "settle", string(run), "--step", "1", "--as", "applied", "--reason", "the annotation is there")
	x.wantCLI(t, 1, you, "run", "settle", string(run), "--step", "1", "--as", "not-applied", "--reason", "or is it")
	if shown = x.wantCLI(t, 6, you, "run", "show", string(run)); !strings.Contains(shown.out, "the annotation is there") || strings.Contains(shown.out, "in doubt") {
		t.Errorf("the settlement is not shown: %s", shown.out)
	}
	s.verified(t)
}

// TestI16ARunThatWasSettledIsPutBack: a person has looked and said that the step was applied. Then the run is put back as one
// that succeeded would be: whoever asked for it does not settle it, and what a third party added stops it until it is gone.
func TestI16ARunThatWasSettledIsPutBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "doubted")
	x := s.broken(t, "doubted").diagnosed()
	before := ours(x.now())
	run := x.runOf(x.asks(restartLong, x.workload(), writ.PlanGranted).Plan)
	x.reaches(run, writ.EntryStepEffect)
	x.somebody(func(d *appsv1.Deployment) { d.Labels["team"] = "search" })
	x.wantCLI(t, 0, you, "run", "stop", string(run), "--reason", "it does not help")
	x.endedRun(run, writ.RunUncertain)
	x.dead(run)
	settle := []string{"run", "settle", string(run), "--step", "1", "--as", "applied", "--reason", "the annotation is there"}
	if r := x.wantCLI(t, 3, rob, settle...); !strings.Contains(r.err, string(writ.ReasonApproverConflict)) { // his agent asked
		t.Errorf("the agent's owner is refused with: %s", r.err)
	}
	x.wantCLI(t, 0, you, settle...)
	x.somebody(func(d *appsv1.Deployment) { delete(d.Labels, "team") })
	x.still(stuck)
	x.wantCLI(t, 8, rob, "run", "undo", string(run), "--reason", "it did not help", "--wait=false")
	r := x.signed(x.turn(0).Plan, writ.RunSucceeded)
	if r.Reverts != run {
		t.Errorf("the run says that it put back %q", r.Reverts)
	}
	if diff := cmp.Diff(before, ours(x.now())); diff != "" {
		t.Errorf("not as before (-before +after):\n%s", diff)
	}
	x.wantWrites(2)
	x.dead(r.ID)
	await(t, "the undo's end", func() (bool, string) {
		in, err := x.person.Incident(t.Context(), x.incident)
		must(t, err)
		return in.Undo.State == writ.UndoDone, string(in.Undo.State)
	})
	s.explains(t)
	s.verified(t)
}
