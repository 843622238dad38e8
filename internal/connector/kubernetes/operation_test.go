package kubernetes_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
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
	twin := aDeployment(ns, "twin") // its replica sets carry the labels of api as well
	for _, labels := range []any{at(twin, "spec", "selector", "matchLabels"), at(twin, "spec", "template", "metadata", "labels")} {
		labels.(m)["app"], labels.(m)["twin"] = "api", "yes"
	}
	w.create(t, twin)
	w.rest(t, deployPath(ns, "twin"))
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
