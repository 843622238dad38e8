package kubernetes_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

// TestI08DeletedPodIsMadeAgain proves the inverse that pod.delete declares: a controller makes the pod again.
func TestI08DeletedPodIsMadeAgain(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	for _, o := range []m{aStatefulSet(ns, "sts"), aDaemonSet(ns, "ds")} {
		w.create(t, o)
	}
	w.Deployment(t, ns, "dep", "api:1", 2)
	for _, app := range []string{"dep", "sts", "ds"} {
		t.Run(app, func(t *testing.T) {
			victim := w.readyPod(t, ns, app)
			path := "/api/v1/namespaces/" + ns + "/pods/" + victim
			w.rest(t, path)
			_, before := w.call(t, "GET", path, "", nil)
			p := plan(t, c, ns, kubernetes.DeletePod, with("namespace", ns, "name", victim))
			if p.Step.Inverse.Kind != writ.InverseRecreated || p.Step.Blast.Replicas != 1 || p.Step.Blast.Permille == 0 {
				t.Errorf("inverse %s, blast %+v", p.Step.Inverse.Kind, p.Step.Blast)
			}
			if u := lease(t, c, true, p).Undo(t.Context(), p, nil); !u.Restored || w.readyPod(t, ns, app) == "" {
				t.Errorf("undo of a delete that was not made: %+v", u)
			}
			out := run(t, c, p)
			if !out.Sent.Equal(p.Step.Call.Body) {
				t.Error("other bytes were sent than were planned")
			}
			again := lease(t, c, false, p).Do(t.Context(), p)
			if again.Effect != writ.NotApplied || again.Reason != writ.ReasonWorldMoved {
				t.Errorf("a second delete: %+v", again)
			}
			if s := lease(t, c, false, p).Settle(t.Context(), p); s.Effect != writ.Applied {
				t.Errorf("settle: %+v", s)
			}
			back := lease(t, c, true, p)
			testbed.Await(t, "pod made again", func(context.Context) (bool, string, error) {
				u := back.Undo(t.Context(), p, out.After)
				return u.Restored, fmt.Sprintf("%+v", u), nil
			})
			if now := w.readyPod(t, ns, app); now == victim {
				_, o := w.call(t, "GET", path, "", nil)
				if at(o, "metadata", "uid") == at(before, "metadata", "uid") {
					t.Error("it is the same pod")
				}
			}
		})
	}
}

// readyPod waits for all pods of an app to be ready and none to be going, and returns one.
func (w world) readyPod(t *testing.T, ns, app string) (name string) {
	t.Helper()
	testbed.Await(t, "ready pods of "+app, func(context.Context) (bool, string, error) {
		_, pods := w.call(t, "GET", "/api/v1/namespaces/"+ns+"/pods?labelSelector=app%3D"+app, "", nil)
		items, _ := pods["items"].([]any)
		for _, p := range items {
			ready := false
			conditions, _ := at(p, "status", "conditions").([]any)
			for _, x := range conditions {
				ready = ready || at(x, "type") == "Ready" && at(x, "status") == "True"
			}
			if !ready || at(p, "metadata", "deletionTimestamp") != nil {
				return false, fmt.Sprint(len(items), " pods"), nil
			}
			name = at(p, "metadata", "name").(string)
		}
		return len(items) > 0, "none", nil
	})
	return name
}

func TestI08PodThatNobodyMakesAgainIsNotDeleted(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	bare := object("v1", "Pod", ns, "bare", m{"spec": m{"containers": l{m{"name": "app", "image": "app:1"}}}})
	w.create(t, bare)
	if got := refusal(t, c, ns, kubernetes.DeletePod, with("namespace", ns, "name", "bare")); got != writ.ReasonNoInverse {
		t.Errorf("a bare pod: %s", got)
	}
	// A pod that claims a controller which is not there, or is another, has none.
	claims := object("v1", "Pod", ns, "claims", m{"spec": m{"containers": l{m{"name": "app", "image": "app:1"}}}})
	w.create(t, aDeployment(ns, "dep"))
	claims["metadata"].(m)["ownerReferences"] = l{m{"apiVersion": "apps/v1", "kind": "Deployment", "name": "dep", "uid": "00000000-0000-0000-0000-000000000000", "controller": true}}
	w.create(t, claims)
	if got := refusal(t, c, ns, kubernetes.DeletePod, with("namespace", ns, "name", "claims")); got != writ.ReasonNoInverse && got != writ.ReasonNoObject {
		t.Errorf("a pod that claims a controller: %s", got)
	}
}
