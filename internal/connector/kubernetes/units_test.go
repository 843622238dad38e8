package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

func TestI09ADisruptionBudgetSelectsAsTheClusterDoes(t *testing.T) {
	const labels = `{"app":"api","tier":"web"}`
	for name, x := range map[string]struct {
		selector string
		want     bool
	}{
		"a label":                   {`{"selector":{"matchLabels":{"app":"api"}}}`, true},
		"all of them":               {`{"selector":{"matchLabels":{"app":"api","tier":"web"}}}`, true},
		"another value":             {`{"selector":{"matchLabels":{"app":"cart"}}}`, false},
		"another label":             {`{"selector":{"matchLabels":{"team":"x"}}}`, false},
		"one of two":                {`{"selector":{"matchLabels":{"app":"api","team":"x"}}}`, false},
		"empty: everything":         {`{"selector":{}}`, true},
		"none: nothing":             {`{}`, false},
		"in":                        {`{"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["cart","api"]}]}}`, true},
		"in others":                 {`{"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["cart"]}]}}`, false},
		"not in":                    {`{"selector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["api"]}]}}`, false},
		"not in others":             {`{"selector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["cart"]}]}}`, true},
		"not in, without the label": {`{"selector":{"matchExpressions":[{"key":"team","operator":"NotIn","values":["x"]}]}}`, true},
		"exists":                    {`{"selector":{"matchExpressions":[{"key":"tier","operator":"Exists"}]}}`, true},
		"exists not":                {`{"selector":{"matchExpressions":[{"key":"team","operator":"Exists"}]}}`, false},
		"does not exist":            {`{"selector":{"matchExpressions":[{"key":"app","operator":"DoesNotExist"}]}}`, false},
		"an operator of the future": {`{"selector":{"matchExpressions":[{"key":"app","operator":"Near"}]}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := kubernetes.Selects([]byte(`{"spec":`+x.selector+`}`), []byte(labels)); got != x.want {
				t.Errorf("selected: %t", got)
			}
		})
	}
}

func TestI09ADisruptionBudgetLetsGoWhatItSays(t *testing.T) {
	for name, x := range map[string]struct {
		budget                 string
		ready, want, now, lets int64
	}{
		"a minimum":                              {`{"spec":{"minAvailable":2}}`, 3, 3, 3, 1},
		"a minimum of percent is rounded up":     {`{"spec":{"minAvailable":"50%"}}`, 3, 3, 3, 1},
		"a maximum":                              {`{"spec":{"maxUnavailable":1}}`, 3, 3, 3, 1},
		"a maximum, and one is down":             {`{"spec":{"maxUnavailable":1}}`, 2, 3, 3, 0},
		"a maximum, and two are down":            {`{"spec":{"maxUnavailable":1}}`, 1, 3, 3, -1},
		"a maximum of percent is rounded up":     {`{"spec":{"maxUnavailable":"34%"}}`, 3, 3, 3, 1 + 1},
		"a minimum, after scaling down":          {`{"spec":{"minAvailable":2}}`, 3, 1, 3, 1},
		"its controller knows of less":           {`{"metadata":{"generation":1},"spec":{"minAvailable":1},"status":{"observedGeneration":1,"expectedPods":3,"disruptionsAllowed":0}}`, 3, 3, 3, 0},
		"its controller knows of more":           {`{"metadata":{"generation":1},"spec":{"minAvailable":2},"status":{"observedGeneration":1,"expectedPods":3,"disruptionsAllowed":3}}`, 2, 3, 3, 0},
		"its controller has not seen it yet":     {`{"metadata":{"generation":2},"spec":{"minAvailable":1},"status":{"observedGeneration":1,"expectedPods":3,"disruptionsAllowed":0}}`, 3, 3, 3, 2},
		"of several workloads, its controller's": {`{"metadata":{"generation":1},"spec":{"minAvailable":5},"status":{"observedGeneration":1,"expectedPods":6,"disruptionsAllowed":1}}`, 3, 3, 3, 1},
		"it says nothing: all may go":            {`{"spec":{}}`, 3, 3, 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			if got := kubernetes.Allowance([]byte(x.budget), x.ready, x.want, x.now); got != x.lets {
				t.Errorf("lets %d go, want %d", got, x.lets)
			}
		})
	}
}

// budget declares a PodDisruptionBudget, and waits until its controller has seen it.
func (w world) budget(t *testing.T, ns, name string, spec map[string]any) {
	t.Helper()
	path := "/apis/policy/v1/namespaces/" + ns + "/poddisruptionbudgets"
	status, got := w.call(t, http.MethodPost, path, "application/json", map[string]any{
		"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": map[string]any{"name": name, "namespace": ns}, "spec": spec,
	})
	if status > 299 {
		t.Fatalf("%d %v", status, got["message"])
	}
}

func selectorOf(app string) map[string]any {
	return map[string]any{"matchLabels": map[string]any{"app": app}}
}

// planErr plans what shall be refused for its budget.
func planErr(t *testing.T, c *kubernetes.Connector, ns string, op writ.OperationName, p writ.Parameters, say string) {
	t.Helper()
	_, err := c.Plan(t.Context(), connector.Draft{Key: "pln_01HZZZZZZZZZZZZZZZZZZZZZZZ.1", Operation: op, With: p, Scope: namespaced(ns)})
	r, ok := errors.AsType[*writ.Refusal](err)
	if !ok || r.Code != writ.ReasonBudget || r.Hint == "" || !strings.Contains(r.Detail, say) {
		t.Errorf("%s: %v", op, err)
	}
}

// The API server holds evictions to a budget, and nothing else: a rollout, a deletion and a scaling are held to it here.
func TestI09NothingIsPlannedBelowADisruptionBudget(t *testing.T) {
	w := cluster(t)
	c := w.connect(t, w.addr())
	ns := w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 3)
	w.Deployment(t, ns, "cart", "cart:1", 3)
	w.patch(t, deployPath(ns, "api"), map[string]any{"spec": map[string]any{"strategy": map[string]any{"rollingUpdate": map[string]any{"maxUnavailable": 1, "maxSurge": 0}}}})
	d := workload("deployment", ns, "api")
	free := plan(t, c, ns, kubernetes.Restart, d).Step
	want := writ.Units{Workload: target + writ.Location("/"+ns+"/deployment/api"), Wanted: 3, Ready: 3, Down: 1, Floor: 2, By: writ.FloorStrategy}
	if len(free.Units) != 1 || free.Units[0] != want || free.Owner != "" {
		t.Errorf("without a budget: %+v", free.Units)
	}
	pods := w.podsOf(t, ns, "api")
	w.budget(t, ns, "all-three", map[string]any{"minAvailable": 3, "selector": selectorOf("api")})
	planErr(t, c, ns, kubernetes.Restart, d, "all-three")
	planErr(t, c, ns, kubernetes.DeletePod, with("namespace", ns, "name", pods[0]), "all-three")
	planErr(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2), "all-three")
	planErr(t, c, ns, kubernetes.SetResources, workload("deployment", ns, "api", "container", "api", "memory_limit", "64Mi"), "all-three")
	if up := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 5)).Step; up.Units[0].Down != 0 {
		t.Errorf("scaling out takes away: %+v", up.Units)
	}
	if other := plan(t, c, ns, kubernetes.Restart, workload("deployment", ns, "cart")).Step; other.Units[0].By == writ.FloorBudget {
		t.Errorf("another workload's budget counts: %+v", other.Units)
	}
}

func TestI09AReadyPodIsDeletedOnlyWhileTheOthersHold(t *testing.T) {
	w := cluster(t)
	c := w.connect(t, w.addr())
	ns := w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 3)
	pods := w.podsOf(t, ns, "api")
	del := func(name string) writ.Parameters { return with("namespace", ns, "name", name) }
	at := target + writ.Location("/"+ns+"/deployment/api")
	got := plan(t, c, ns, kubernetes.DeletePod, del(pods[0])).Step
	want := writ.Units{Workload: at, Wanted: 3, Ready: 3, Down: 1, Floor: 2, By: writ.FloorDefault}
	if got.Owner != at || len(got.Units) != 1 || got.Units[0] != want || got.Blast.Permille != 334 {
		t.Errorf("owner %s, %+v, %+v", got.Owner, got.Units, got.Blast)
	}
	// Another pod starts to crash: it can be deleted, the ready ones cannot.
	path := "/api/v1/namespaces/" + ns + "/pods/"
	w.patch(t, path+pods[1], map[string]any{"metadata": map[string]any{"annotations": map[string]any{testbed.CrashAnnotation: "true"}}})
	testbed.Await(t, "a pod that is not ready", w.readyIs(t, ns, "api", 2))
	planErr(t, c, ns, kubernetes.DeletePod, del(pods[0]), "2 of 3 pods ready, and 2 must be left")
	if stuck := plan(t, c, ns, kubernetes.DeletePod, del(pods[1])).Step; stuck.Units[0].Down != 0 || stuck.Blast.Permille != 0 {
		t.Errorf("the stuck pod: %+v %+v", stuck.Units, stuck.Blast)
	}
}

func TestI09ANodesPodsAreCountedByWorkload(t *testing.T) {
	w := cluster(t)
	c := w.connect(t, w.addr())
	ns := w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 2)
	_, pod := w.call(t, http.MethodGet, "/api/v1/namespaces/"+ns+"/pods/"+w.podsOf(t, ns, "api")[0], "", nil)
	node := fmt.Sprint(at(pod, "spec", "nodeName"))
	got, err := c.Plan(t.Context(), connector.Draft{
		Key: "pln_01HZZZZZZZZZZZZZZZZZZZZZZZ.1", Operation: kubernetes.Cordon, With: with("name", node), Scope: []writ.Location{target + "/_cluster/node"},
	})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(got.Step.Units, func(u writ.Units) bool { return u.Workload == target+writ.Location("/"+ns+"/deployment/api") })
	if i < 0 || got.Step.Units[i].Down != 0 || got.Step.Units[i].Ready != 2 || got.Step.Units[i].Wanted != 2 {
		t.Errorf("%+v", got.Step.Units)
	}
}

// podsOf names the pods of an app, sorted.
func (w world) podsOf(t *testing.T, ns, app string) []string {
	t.Helper()
	_, list := w.call(t, http.MethodGet, "/api/v1/namespaces/"+ns+"/pods?labelSelector=app%3D"+app, "", nil)
	var out []string
	for _, p := range list["items"].([]any) {
		if at(p, "metadata", "deletionTimestamp") == nil {
			out = append(out, fmt.Sprint(at(p, "metadata", "name")))
		}
	}
	slices.Sort(out)
	return out
}

// readyIs waits for a deployment to have so many ready replicas.
func (w world) readyIs(t *testing.T, ns, name string, n int) func(context.Context) (bool, string, error) {
	return func(context.Context) (bool, string, error) {
		_, o := w.call(t, http.MethodGet, deployPath(ns, name), "", nil)
		got := fmt.Sprint(at(o, "status", "readyReplicas"))
		return got == fmt.Sprint(n), got + " ready", nil
	}
}
