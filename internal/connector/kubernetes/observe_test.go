package kubernetes_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

func observe(t *testing.T, c *kubernetes.Connector, scope []writ.Location, r writ.OperationName, p writ.Parameters) (connector.Reading, error) {
	t.Helper()
	return c.Observe(t.Context(), connector.Query{Reader: r, With: p, Scope: scope, Limit: 64 << 10})
}

// TestI04ScopeFollowsControllersAndNothingElse: a service is declared by its workload, and its pods have generated
// names; those of another workload stay out, and of another namespace not even their existence can be learned.
func TestI04ScopeFollowsControllersAndNothingElse(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns, other := w.connect(t, w.addr()), w.Namespace(t), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.Deployment(t, ns, "billing", "billing:1", 1)
	w.Deployment(t, other, "api", "api:1", 1)
	mine := []writ.Location{target + writ.Location("/"+ns+"/deployment/api")}
	for name, x := range map[string]struct {
		with writ.Parameters
		want writ.Reason
	}{
		"own pod":                         {workload("pod", ns, w.readyPod(t, ns, "api")), ""},
		"pod of another workload":         {workload("pod", ns, w.readyPod(t, ns, "billing")), writ.ReasonOutOfScope},
		"pod of another namespace":        {workload("pod", other, w.readyPod(t, other, "api")), writ.ReasonOutOfScope},
		"absent pod of another namespace": {workload("pod", other, "absent"), writ.ReasonOutOfScope},
		"another workload":                {workload("deployment", ns, "billing"), writ.ReasonOutOfScope},
		"a longer name":                   {workload("deployment", ns, "api2"), writ.ReasonOutOfScope},
		"a service of the same name":      {workload("service", ns, "api"), writ.ReasonOutOfScope},
		"a node":                          {with("kind", "node", "name", "n"), writ.ReasonOutOfScope},
		"a node in a namespace":           {workload("node", ns, "n"), writ.ReasonUnknownParameter},
		"no namespace":                    {with("kind", "pod", "name", "x"), writ.ReasonMissingParameter},
	} {
		if _, err := observe(t, c, mine, kubernetes.GetObject, x.with); writ.ReasonOf(err) != x.want || (err != nil) != (x.want != "") {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
	// A plan writes only what the scope itself contains.
	_, err := c.Plan(t.Context(), connector.Draft{Key: "k", Operation: kubernetes.DeletePod, With: with("namespace", ns, "name", w.readyPod(t, ns, "api")), Scope: mine})
	if writ.ReasonOf(err) != writ.ReasonOutOfScope {
		t.Errorf("a pod by its controller's scope: %v", err)
	}
}

func TestReadingsOfABrokenRelease(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 4)
	w.RollOut(t, ns, "api", "api:broken")
	w.rest(t, deployPath(ns, "api"))
	facts := func(r writ.OperationName) writ.Observation {
		t.Helper()
		got, err := observe(t, c, namespaced(ns), r, workload("deployment", ns, "api"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got.Bytes), "api") || got.Truncated {
			t.Errorf("%s: %q", r, got.Bytes)
		}
		return got.Facts
	}
	want := func(o writ.Observation, name string, v writ.Value) {
		t.Helper()
		if o[name] != v {
			t.Errorf("%s is %v, want %v", name, o[name], v)
		}
	}
	var s writ.Observation
	testbed.Await(t, "the release at its end", func(context.Context) (bool, string, error) {
		s = facts(kubernetes.WorkloadStatus)
		return s["ready_replicas"] == writ.Int(3) && s["updated_replicas"] == writ.Int(2), fmt.Sprint(s), nil
	})
	want(s, "replicas", writ.Int(4))
	want(s, "ready_replicas", writ.Int(3))
	want(s, "ready_permille", writ.Int(750))
	want(s, "complete", writ.Bool(false))
	want(s, "revision", writ.Int(2))
	want(s, "generation_observed", writ.Bool(true))
	h := facts(kubernetes.WorkloadHistory)
	want(h, "revisions", writ.Int(2))
	want(h, "current", writ.Int(2))
	want(h, "previous", writ.Int(1))
	p := facts(kubernetes.ListPods)
	want(p, "ready", writ.Int(3))
	want(p, "pods", writ.Int(5)) // three old and two new, since one more than wanted may run
	want(p, "waiting", writ.Int(2))
	want(p, "unready", writ.Int(2))
}

func TestConnectorFromAKubeconfig(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	ns := w.Namespace(t)
	c, err := kubernetes.NewFromKubeconfig(kubernetes.Config{Target: target, Now: time.Now, Rand: rand.Reader}, w.Kubeconfig, w.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	w.Deployment(t, ns, "api", "api:1", 1)
	got, err := observe(t, c, namespaced(ns), kubernetes.WorkloadStatus, workload("deployment", ns, "api"))
	if err != nil || got.Facts["ready_replicas"] != writ.Int(1) {
		t.Errorf("%v, %v", got.Facts, err)
	}
}

// TestI12ReaderCannotWriteAndNeitherReadsSecrets asks the API server what the accounts of rbac.yaml may do.
func TestI12ReaderCannotWriteAndNeitherReadsSecrets(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	for _, right := range w.rules(t, w.reader, "default") {
		if verbs, _, _ := strings.Cut(right, " "); verbs != "get,list" {
			t.Errorf("the reader may %s", right)
		}
	}
	for _, token := range []string{w.reader, w.mint} {
		if status := w.as(t, token, "/api/v1/namespaces/default/secrets"); status != 403 {
			t.Errorf("secrets: %d", status)
		}
	}
	if status := w.as(t, w.mint, deployPath("default", "x")); status != 403 {
		t.Errorf("the minter reads workloads: %d", status)
	}
}

func TestLogsAreCutAtTheirBeginning(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	for i := range 40 {
		if err := w.WriteLog(fmt.Sprintf("line %d of the log that is cut", i)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.Observe(t.Context(), connector.Query{
		Reader: kubernetes.PodLogs, With: with("namespace", ns, "name", w.readyPod(t, ns, "api"), "lines", 40), Scope: namespaced(ns), Limit: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	text := string(got.Bytes)
	if !got.Truncated || len(text) > 1000 || len(text) < 500 || got.Facts["lines"] != writ.Int(40) || strings.Contains(text, "line 0 of") {
		t.Errorf("truncated %v, facts %v, %q", got.Truncated, got.Facts, text)
	}
	if first, _, _ := strings.Cut(text, "\n"); !strings.HasPrefix(first, time.Now().UTC().Format("2006-")) {
		t.Errorf("the first line is cut: %q", first)
	}
}
