package kubernetes_test

import (
	"context"
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
	w, c, ns := atRest(t)
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
	w, c, ns := atRest(t)
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
