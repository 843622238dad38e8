package kubernetes_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

const jsonPatch = "application/json-patch+json"

// A plan waits for people while its workload fails and recovers, which its status tells every few seconds. None of that
// is a change that anybody made: the approved call is still the right one.
func TestD11AnApprovedCallOutlivesStatusWrites(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	ns := w.Namespace(t)
	w.apply(t, aDeployment(ns, "api"))
	c := w.connect(t, w.addr())
	p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 3))
	version := func() string {
		_, o := w.call(t, http.MethodGet, deployPath(ns, "api"), "", nil)
		v, _ := at(o, "metadata", "resourceVersion").(string)
		return v
	}
	was := version()
	w.patch(t, deployPath(ns, "api")+"/status", map[string]any{"status": map[string]any{"conditions": []any{
		map[string]any{"type": "Odd", "status": "True", "reason": "Test", "message": "m", "lastUpdateTime": "2026-01-02T03:04:05Z", "lastTransitionTime": "2026-01-02T03:04:05Z"},
	}}})
	if version() == was {
		t.Fatal("the status write did not move the object's version")
	}
	again := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 3))
	if again.Step.Object != p.Step.Object {
		t.Errorf("planned again: %+v, before %+v", again.Step.Object, p.Step.Object)
	}
	if out := lease(t, c, false, p).Do(t.Context(), p); out.Effect != writ.Applied || out.Version == p.Step.Object.Version {
		t.Errorf("%+v", out)
	}
}

// Between the runner's last look and the write there is time for somebody else. The API server itself then refuses the
// approved bytes: for a changed spec, for an object made anew, and for the field alone where there is no generation.
func TestI14TheApprovedBytesAreRefusedByTheServerOnceTheWorldMoved(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	ns := w.Namespace(t)
	c := w.connect(t, w.addr())
	for name, change := range map[string]func(path string){
		"another field of the spec": func(path string) { w.patch(t, path, map[string]any{"spec": map[string]any{"minReadySeconds": 1}}) },
		"the field itself":          func(path string) { w.patch(t, path, map[string]any{"spec": map[string]any{"replicas": 5}}) },
		"changed and put back": func(path string) {
			w.patch(t, path, map[string]any{"spec": map[string]any{"replicas": 5}})
			w.patch(t, path, map[string]any{"spec": map[string]any{"replicas": 1}})
		},
	} {
		object := strings.ReplaceAll(name, " ", "-")
		w.apply(t, aDeployment(ns, object))
		p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, object, "replicas", 3))
		if p.Step.Call.ContentType != jsonPatch {
			t.Fatalf("a call of type %s", p.Step.Call.ContentType)
		}
		change(deployPath(ns, object))
		if status, answer := w.call(t, http.MethodPatch, p.Step.Call.Path, jsonPatch, json.RawMessage(p.Body)); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %v", name, status, answer)
		}
		if out := lease(t, c, false, p).Do(t.Context(), p); out.Effect != writ.NotApplied || out.Reason != writ.ReasonWorldMoved {
			t.Errorf("%s: %+v", name, out)
		}
	}
	node := fresh("node")
	path := "/api/v1/nodes/" + node
	w.create(t, map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": node}})
	t.Cleanup(func() { w.call(t, "DELETE", path, "application/json", nil) })
	p, err := c.Plan(t.Context(), connector.Draft{Key: "k", Operation: kubernetes.Cordon, With: with("name", node), Scope: []writ.Location{target + "/_cluster/node"}})
	if err != nil {
		t.Fatal(err)
	}
	w.patch(t, path, map[string]any{"spec": map[string]any{"unschedulable": true}})
	if status, answer := w.call(t, http.MethodPatch, p.Step.Call.Path, jsonPatch, json.RawMessage(p.Body)); status != http.StatusUnprocessableEntity {
		t.Errorf("a node that somebody else has cordoned: %d %v", status, answer)
	}
}
