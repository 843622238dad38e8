package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/writ-dev/writ"
)

// rollbackYoung is rollback-deployment for a symptom that began with the revision in use.
const (
	rollbackYoung = "rollback-young"
	youngBlock    = `guards:
  - {name: was-available-before, reader: kubernetes/workload.history, with: {kind: deployment, namespace: $namespace, name: $name}, fact: unavailable_before_revision, op: equals, value: false}
  - {name: pods-were-ready-before, reader: kubernetes/workload.history, with: {kind: deployment, namespace: $namespace, name: $name}, fact: unready_before_revision, op: at_most, value: 0}
`
)

// TestROB07OnAClusterNoRevisionIsPutBackForWhatIsOlder plays the row on a real API server: a Deployment that was down before
// a roll-out, which an agent blames, is not rolled back, and nothing is written. Where the same symptom began with the
// roll-out, the same ask is carried out.
func TestROB07OnAClusterNoRevisionIsPutBackForWhatIsOlder(t *testing.T) {
	t.Parallel()
	s := newSite(t, threeProcesses, "older", "younger")
	asks := func(x *scene) answer {
		return x.agent(t, repairer).propose(t, x.incident, rollbackYoung, map[string]any{"namespace": x.ns, "name": deployment}, x.evidence...)
	}

	older := &scene{site: s, t: t, service: "older", ns: s.namespaces["older"]}
	s.Deployment(t, older.ns, deployment, brokenImage, 3)
	var since time.Time
	await(t, "the Deployment to be away", func() (bool, string) {
		for _, c := range older.now().Status.Conditions {
			if c.Type == appsv1.DeploymentAvailable && c.Status == corev1.ConditionFalse {
				since = c.LastTransitionTime.Time
			}
		}
		return !since.IsZero(), fmt.Sprintf("%+v", older.now().Status.Conditions)
	})
	// The API server tells times in whole seconds.
	await(t, "the next second", func() (bool, string) { return time.Now().Truncate(time.Second).After(since), "" })
	older.RollOut(t, older.ns, deployment, brokenImage+"-too") // which is blamed
	older.still(func(d *appsv1.Deployment) bool {
		return d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas > 0 && d.Status.ReadyReplicas == 0
	})
	older.diagnosed()
	a := asks(older)
	if a.State != string(writ.PlanRefused) && a.State != string(writ.PlanDenied) || !strings.Contains(a.text, "was-available-before") {
		t.Errorf("the plan is %s: %s", a.State, a.text)
	}
	older.wantWrites(0)

	younger := s.broken(t, "younger").diagnosed()
	a = asks(younger)
	if a.Plan == "" {
		t.Fatalf("where the symptom began with the revision there is no plan: %s", a.text)
	}
	younger.ended(a.Plan, writ.RunSucceeded)
	if image := younger.now().Spec.Template.Spec.Containers[0].Image; image != goodImage {
		t.Errorf("it runs %s", image)
	}
	s.verified(t)
}
