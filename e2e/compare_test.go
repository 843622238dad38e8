package e2e_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"testing"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/writ-dev/writ"
)

// ours is a Deployment without what the cluster's own controllers keep: status, book-keeping in metadata, and the
// revision.
func ours(d *appsv1.Deployment) map[string]any {
	annotations := maps.Clone(d.Annotations)
	delete(annotations, "deployment.kubernetes.io/revision")
	b, err := json.Marshal(map[string]any{"labels": d.Labels, "annotations": annotations, "finalizers": d.Finalizers, "owners": d.OwnerReferences, "spec": d.Spec, "uid": d.UID})
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		return map[string]any{"error": err.Error()}
	}
	return out
}

var digestLine = regexp.MustCompile(`(?m)^  Digest +(sha256:[0-9a-f]{64})$`)

// digestIn finds the plan's digest in what a person was shown.
func digestIn(t testing.TB, text string) string {
	t.Helper()
	m := digestLine.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no digest in %s", text)
	}
	return m[1]
}

// runOf waits for the run of a plan.
func (x *scene) runOf(id writ.PlanID) writ.RunID {
	x.t.Helper()
	p, err := x.person.WaitPlan(x.t.Context(), id, writ.PlanPlanning, writ.PlanWaiting)
	must(x.t, err)
	if p.Run == "" {
		x.t.Fatalf("the plan is %s (%s) and has no run", p.State, p.Reason)
	}
	return p.Run
}

// endedRun waits for the end of a run.
func (x *scene) endedRun(id writ.RunID, want writ.RunState) writ.RunStatus {
	x.t.Helper()
	r, err := x.person.Run(x.t.Context(), id)
	must(x.t, err)
	return x.ended(r.Plan, want)
}

// explains demands that every change of a Deployment by Writ stands in the ledger before it was made, and that the
// ledger claims no effect that the API server did not record: the second half of "nothing missing", on a small scale.
func (s *site) explains(t *testing.T) {
	t.Helper()
	s.explainsOr(t, false)
}

// explainsOr is explains for a site on which there may have been no change.
func (s *site) explainsOr(t *testing.T, none bool) {
	t.Helper()
	runs := map[string]writ.RunID{} // by the name of a lease
	intents := map[[2]string]int{}  // by run and object
	effects := map[writ.RunID]int{} // applied, forward and back
	seen := map[writ.RunID]int{}    // recorded by the API server
	for _, e := range s.entries(t) {
		switch b := e.Body.(type) {
		case *writ.LeaseBody:
			runs[b.Name] = b.Run
		case *writ.StepBody: // of an intent, forward or back
			intents[[2]string{string(b.Run), string(b.Object.Location)}]++
		case *writ.EffectBody:
			if b.Effect == writ.Applied {
				effects[b.Run]++
			}
		case *writ.UndoEffectBody:
			if b.Effect == writ.Applied {
				effects[b.Run]++
			}
		}
	}
	for _, ns := range s.namespaces {
		for _, w := range (&scene{site: s, t: t, ns: ns}).writes() {
			run, ok := runs[w.account()]
			if !ok {
				t.Errorf("%s changed %s/%s, and no lease of that name is in the ledger", w.User.Username, ns, w.Object.Name)
				continue
			}
			key := [2]string{string(run), string(target) + "/" + ns + "/deployment/" + w.Object.Name}
			if intents[key]--; intents[key] < 0 {
				t.Errorf("%s changed %s more often than it said it would", run, key[1])
			}
			seen[run]++
		}
	}
	if len(seen) == 0 && !none {
		t.Error("the API server has recorded no change by Writ at all")
	}
	for run, n := range effects {
		if seen[run] != n {
			t.Errorf("%s: the ledger has %d effects, the API server %d changes", run, n, seen[run])
		}
	}
}
