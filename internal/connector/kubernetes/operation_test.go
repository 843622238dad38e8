package kubernetes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

// run makes a planned call under a lease of its own.
func run(t *testing.T, c *kubernetes.Connector, p connector.Prepared) connector.Outcome {
	t.Helper()
	out := lease(t, c, false, p).Do(t.Context(), p)
	if out.Effect != writ.Applied {
		t.Fatalf("%s: %+v", p.Step.Operation, out)
	}
	return out
}

// unrun undoes it under another.
func unrun(t *testing.T, c *kubernetes.Connector, p connector.Prepared, out connector.Outcome) connector.Undone {
	t.Helper()
	return lease(t, c, true, p).Undo(t.Context(), p, out.After)
}

func refusal(t *testing.T, c *kubernetes.Connector, ns string, op writ.OperationName, p writ.Parameters) writ.Reason {
	t.Helper()
	_, err := c.Plan(t.Context(), connector.Draft{Key: "k", Operation: op, With: p, Scope: namespaced(ns)})
	if err == nil {
		t.Fatalf("%s %v was planned", op, p)
	}
	return writ.ReasonOf(err)
}

func TestRollbackRepairsABrokenReleaseAndKeepsTheReplicas(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 2)
	w.RollOut(t, ns, "api", "api:2")
	w.patch(t, deployPath(ns, "api"), m{"spec": m{"replicas": 4}}) // scaled after revision 1 was made
	w.AwaitRollout(t, ns, "api")
	w.RollOut(t, ns, "api", "api:broken")
	w.rest(t, deployPath(ns, "api"))

	p := plan(t, c, ns, kubernetes.Rollback, workload("deployment", ns, "api"))
	if want := "Roll back api in " + ns + " on prod-eu1 from revision 3 to 2"; p.Step.Title != want {
		t.Errorf("title %q, want %q", p.Step.Title, want)
	}
	want := []writ.Change{{Path: "spec.template.spec.containers[api].image", Before: "api:broken", After: "api:2"}}
	if diff := cmp.Diff(want, p.Step.Diff); diff != "" {
		t.Errorf("diff: %s", diff)
	}
	// One of four may be missing at any time; that one is missing already.
	if p.Step.Blast != (writ.Blast{Objects: 1, Replicas: 4}) {
		t.Errorf("blast %+v", p.Step.Blast)
	}
	run(t, c, p)
	d := w.AwaitRollout(t, ns, "api")
	if d.Spec.Template.Spec.Containers[0].Image != "api:2" || *d.Spec.Replicas != 4 || d.Status.ReadyReplicas != 4 {
		t.Errorf("image %s, %d of %d ready", d.Spec.Template.Spec.Containers[0].Image, d.Status.ReadyReplicas, *d.Spec.Replicas)
	}
}

func TestRollbackToAGivenRevision(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	if got := refusal(t, c, ns, kubernetes.Rollback, workload("deployment", ns, "api")); got != writ.ReasonNoObject {
		t.Errorf("with no earlier revision: %s", got)
	}
	w.RollOut(t, ns, "api", "api:2")
	w.RollOut(t, ns, "api", "api:3")
	w.rest(t, deployPath(ns, "api"))
	for rev, want := range map[int]writ.Reason{3: writ.ReasonNoChange, 9: writ.ReasonNoObject} {
		if got := refusal(t, c, ns, kubernetes.Rollback, workload("deployment", ns, "api", "revision", rev)); got != want {
			t.Errorf("to revision %d: %s, want %s", rev, got, want)
		}
	}
	if got := refusal(t, c, ns, kubernetes.Rollback, workload("deployment", ns, "absent")); got != writ.ReasonNoObject {
		t.Errorf("an absent deployment: %s", got)
	}
	p := plan(t, c, ns, kubernetes.Rollback, workload("deployment", ns, "api", "revision", 1))
	run(t, c, p)
	if d := w.AwaitRollout(t, ns, "api"); d.Spec.Template.Spec.Containers[0].Image != "api:1" {
		t.Errorf("image %s", d.Spec.Template.Spec.Containers[0].Image)
	}
	// The revision in use is now the fourth, so "the one before" is the third, not the second.
	w.rest(t, deployPath(ns, "api"))
	if p := plan(t, c, ns, kubernetes.Rollback, workload("deployment", ns, "api")); !strings.HasSuffix(p.Step.Title, "from revision 4 to 3") {
		t.Errorf("title %q", p.Step.Title)
	}
	w.patch(t, deployPath(ns, "api"), m{"spec": m{"paused": true}})
	for _, op := range []writ.OperationName{kubernetes.Rollback, kubernetes.Restart} {
		if got := refusal(t, c, ns, op, workload("deployment", ns, "api")); got != writ.ReasonNoChange {
			t.Errorf("%s of a paused deployment: %s", op, got)
		}
	}
}

// TestI16EveryOperationIsUndoneExactly runs and undoes each operation with inverse replace, on each kind it takes.
func TestI16EveryOperationIsUndoneExactly(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	for _, o := range []m{aDeployment(ns, "dep"), aStatefulSet(ns, "sts"), aDaemonSet(ns, "ds")} {
		w.create(t, o)
	}
	for _, o := range []m{aDeployment(ns, "dep"), aStatefulSet(ns, "sts"), aDaemonSet(ns, "ds")} {
		w.rest(t, kubernetes.PathOf(locate(o)))
	}
	for _, x := range []struct {
		op    writ.OperationName
		kind  string
		name  string
		more  []any
		title string
	}{
		{kubernetes.Restart, "deployment", "dep", nil, "Restart dep in %s on prod-eu1"},
		{kubernetes.Restart, "statefulset", "sts", nil, "Restart sts in %s on prod-eu1"},
		{kubernetes.Restart, "daemonset", "ds", nil, "Restart ds in %s on prod-eu1"},
		{kubernetes.Scale, "deployment", "dep", []any{"replicas", 3}, "Scale dep in %s on prod-eu1 from 1 to 3 replicas"},
		{kubernetes.Scale, "statefulset", "sts", []any{"replicas", 0}, "Scale sts in %s on prod-eu1 from 1 to 0 replicas"},
		{kubernetes.SetResources, "deployment", "dep", []any{"container", "app", "memory_limit", "256Mi", "cpu_request", "1"}, ""},
		{kubernetes.SetResources, "statefulset", "sts", []any{"container", "app", "cpu_limit", "2"}, "Set resources of container app of sts in %s on prod-eu1"},
		{kubernetes.SetResources, "daemonset", "ds", []any{"container", "app", "memory_request", "32Mi"}, ""},
	} {
		t.Run(fmt.Sprint(strings.TrimPrefix(string(x.op), "kubernetes/"), " ", x.kind), func(t *testing.T) {
			if x.kind == "deployment" && x.op == kubernetes.SetResources {
				x.more = []any{"container", "app", "memory_limit", "256Mi", "cpu_request", "250m"}
			}
			path := kubernetes.PathOf(target + writ.Location("/"+ns+"/"+x.kind+"/"+x.name))
			w.rest(t, path)
			before := w.state(t, path)
			p := plan(t, c, ns, x.op, workload(x.kind, ns, x.name, x.more...))
			if x.title != "" && p.Step.Title != fmt.Sprintf(x.title, ns) {
				t.Errorf("title %q", p.Step.Title)
			}
			out := run(t, c, p)
			if w.state(t, path) == before {
				t.Fatal("nothing has changed")
			}
			w.rest(t, path) // the controllers have done their part as well
			if u := unrun(t, c, p, out); !u.Restored {
				t.Errorf("undo: %+v", u)
			}
			if diff := cmp.Diff(tree(t, before), tree(t, w.state(t, path))); diff != "" {
				t.Errorf("left behind: %s", diff)
			}
		})
	}
}

func aStatefulSet(ns, name string) m {
	o := aDeployment(ns, name)
	o["kind"] = "StatefulSet"
	o["spec"].(m)["serviceName"] = name
	return o
}

func aDaemonSet(ns, name string) m {
	o := aDeployment(ns, name)
	o["kind"] = "DaemonSet"
	delete(o["spec"].(m), "replicas")
	return o
}

func TestSetResourcesRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.create(t, aDeployment(ns, "dep"))
	for name, x := range map[string]struct {
		more []any
		want writ.Reason
	}{
		"request above limit": {[]any{"container", "app", "cpu_request", "2"}, writ.ReasonParameterBound},
		"nothing asked":       {[]any{"container", "app"}, writ.ReasonMissingParameter},
		"as it is":            {[]any{"container", "app", "cpu_request", "100m", "memory_limit", "128Mi"}, writ.ReasonNoChange},
		"no such container":   {[]any{"container", "other", "cpu_request", "100m"}, writ.ReasonNoObject},
		"not of Kubernetes":   {[]any{"container", "app", "memory_limit", "1K"}, writ.ReasonParameterBound},
	} {
		if got := refusal(t, c, ns, kubernetes.SetResources, workload("deployment", ns, "dep", x.more...)); got != x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
	}
	if got := refusal(t, c, ns, kubernetes.Scale, workload("deployment", ns, "dep", "replicas", 1)); got != writ.ReasonNoChange {
		t.Errorf("scale to what it is: %s", got)
	}
}

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

func TestUncordonUndoneLeavesTheNodeCordoned(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, name := w.connect(t, w.addr()), fresh("node")
	path := "/api/v1/nodes/" + name
	node := aNode("", name)
	node["spec"].(m)["unschedulable"] = true
	w.create(t, node)
	t.Cleanup(func() { w.call(t, "DELETE", path, "application/json", nil) })
	w.rest(t, path)
	before := w.state(t, path)
	p, err := c.Plan(t.Context(), connector.Draft{Key: "k", Operation: kubernetes.Uncordon, With: with("name", name), Scope: []writ.Location{target + writ.Location("/_cluster/node/"+name)}})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Step.Blast.Cluster || p.Step.Object.Location != target+writ.Location("/_cluster/node/"+name) {
		t.Errorf("blast %+v of %s", p.Step.Blast, p.Step.Object.Location)
	}
	out := run(t, c, p)
	w.rest(t, path) // the node controller has taken its taint away
	if u := unrun(t, c, p, out); !u.Restored {
		t.Errorf("undo: %+v", u)
	}
	if w.state(t, path) != before {
		t.Error("not as it was")
	}
}

// TestI16ConflictNamesWhoChangedWhat: the sentence that a person gets at 3 am.
func TestI16ConflictNamesWhoChangedWhat(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2))
	out := run(t, c, p)
	w.patch(t, deployPath(ns, "api"), m{"spec": m{"replicas": 5}})
	theirs := w.state(t, deployPath(ns, "api"))
	u := unrun(t, c, p, out)
	if u.Effect != writ.NotApplied || u.Reason != writ.ReasonUndoConflict || !slices.Equal(u.Left, []string{"spec.replicas"}) {
		t.Errorf("undo: %+v", u)
	}
	if !strings.Contains(u.Detail, "changed by colleague at "+time.Now().UTC().Format("2006-01-02T")) || !strings.Contains(u.Detail, "spec.replicas") {
		t.Errorf("detail %q", u.Detail)
	}
	if w.state(t, deployPath(ns, "api")) != theirs {
		t.Error("the colleague's change was overwritten")
	}
	// An object that was made anew is not the one that was changed, however alike it is.
	w.call(t, "DELETE", deployPath(ns, "api"), "application/json", nil)
	testbed.Await(t, "deployment gone", func(context.Context) (bool, string, error) {
		return w.state(t, deployPath(ns, "api")) == "absent", "", nil
	})
	if u := unrun(t, c, p, out); u.Reason != writ.ReasonUndoConflict {
		t.Errorf("undo of a deployment that is gone: %+v", u)
	}
	w.Deployment(t, ns, "api", "api:1", 1)
	if u := unrun(t, c, p, out); u.Reason != writ.ReasonUndoConflict {
		t.Errorf("undo of a deployment made anew: %+v", u)
	}
	if again := lease(t, c, false, p).Do(t.Context(), p); again.Reason != writ.ReasonWorldMoved {
		t.Errorf("do on a deployment made anew: %+v", again)
	}
}

// TestI16UndoGetsThroughWhileStatusMoves: only what somebody asked for counts as a change of theirs.
func TestI16UndoGetsThroughWhileStatusMoves(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	before := w.state(t, deployPath(ns, "api"))
	p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 6))
	out := run(t, c, p) // six pods come up: the controller writes status all the while
	if u := unrun(t, c, p, out); !u.Restored {
		t.Errorf("undo: %+v", u)
	}
	if w.state(t, deployPath(ns, "api")) != before {
		t.Error("not as it was")
	}
}

// TestI20PlansShowNoSecrets: a diff that touches a secret shows that it changes, and not to what.
func TestI20PlansShowNoSecrets(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	release := func(password, image string) m {
		return m{"spec": m{"template": m{"spec": m{"containers": l{m{"name": "api", "image": image, "env": l{m{"name": "DB_PASSWORD", "value": password}}}}}}}}
	}
	w.Deployment(t, ns, "api", "api:1", 1)
	w.patch(t, deployPath(ns, "api"), release("hunter-old", "api:1"))
	w.AwaitRollout(t, ns, "api")
	w.patch(t, deployPath(ns, "api"), release("hunter-new", "api:1"))
	w.AwaitRollout(t, ns, "api")
	p := plan(t, c, ns, kubernetes.Rollback, workload("deployment", ns, "api"))
	want := []writ.Change{{Path: "spec.template.spec.containers[api].env[DB_PASSWORD].value", Before: "[redacted]", After: "[redacted]"}}
	if diff := cmp.Diff(want, p.Step.Diff); diff != "" {
		t.Error(diff)
	}
	b, err := json.Marshal(p.Step)
	if err != nil || strings.Contains(string(b), "hunter") {
		t.Errorf("the step holds the secret: %s, %v", b, err)
	}
}
