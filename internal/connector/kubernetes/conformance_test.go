package kubernetes_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/connectortest"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// Planted secrets: in the environment and arguments of a container, in an event and in a log.
const (
	plantedEnv   = "Tr0ub4dor-env"
	plantedArg   = "Tr0ub4dor-arg"
	plantedURL   = "Tr0ub4dor-url"
	plantedEvent = "Tr0ub4dor-event"
	plantedLog   = "Tr0ub4dor-log"
)

func TestConformanceOfRollback(t *testing.T) {
	w := cluster(t)
	ns := w.Namespace(t)
	connectortest.Run(t, connectortest.Fixture{
		Upstream: w.addr(),
		Connect:  func(t *testing.T, addr string) connector.Connector { return w.connect(t, addr) },
		Writes:   func(t *testing.T) int { return w.writes(t) },
		Secrets:  []string{plantedEnv, plantedArg, plantedURL, plantedEvent, plantedLog},
		Queries:  func(t *testing.T) []connector.Query { return queries(t, w) },
		Fresh: func(t *testing.T) connectortest.Subject {
			name := fresh("api")
			w.Deployment(t, ns, name, "api:1", 1)
			w.RollOut(t, ns, name, "api:2")
			w.rest(t, deployPath(ns, name))
			return subject(w, deployPath(ns, name), connector.Draft{
				Key: "pln_01HZZZZZZZZZZZZZZZZZZZZZZZ.1", Operation: kubernetes.Rollback, With: workload("deployment", ns, name), Scope: namespaced(ns),
			})
		},
	})
}

// TestConformanceOfCordon counts writes that belong to nodes, so it does not run beside tests that lease nodes.
func TestConformanceOfCordon(t *testing.T) {
	w := cluster(t)
	connectortest.Run(t, connectortest.Fixture{
		Upstream: w.addr(),
		Connect:  func(t *testing.T, addr string) connector.Connector { return w.connect(t, addr) },
		Writes:   func(t *testing.T) int { return w.writes(t, "/nodes/", "clusterrole", kubernetes.DefaultLeaseNamespace) },
		Queries:  func(t *testing.T) []connector.Query { return queries(t, w) },
		Fresh: func(t *testing.T) connectortest.Subject {
			name := fresh("node")
			path := "/api/v1/nodes/" + name
			w.create(t, map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name}})
			t.Cleanup(func() { w.call(t, "DELETE", path, "application/json", nil) })
			w.rest(t, path)
			return subject(w, path, connector.Draft{
				Key: "pln_01HZZZZZZZZZZZZZZZZZZZZZZZ.1", Operation: kubernetes.Cordon, With: with("name", name),
				Scope: []writ.Location{target + "/_cluster/node"},
			})
		},
	})
}

func subject(w world, path string, d connector.Draft) connectortest.Subject {
	return connectortest.Subject{
		Draft:     d,
		Elsewhere: d.Scope[0] + "-else",
		State:     func(t *testing.T) string { return w.state(t, path) },
		Meddle: func(t *testing.T) {
			w.patch(t, path, map[string]any{"metadata": map[string]any{"labels": map[string]any{"meddled": "yes"}}})
		},
	}
}

// fresh is a name that nothing else has.
func fresh(stem string) string { return stem + "-" + strings.ToLower(rand.Text()[:8]) }

// queries try every reader on a deployment with secrets planted in all the places from which a reader reads.
func queries(t *testing.T, w world) []connector.Query {
	t.Helper()
	ns := w.Namespace(t)
	w.Deployment(t, ns, "leaky", "api:1", 1)
	w.patch(t, deployPath(ns, "leaky"), map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{
		"name": "leaky", "image": "api:2", "args": []any{"--api-token=" + plantedArg, "--dsn", "postgres://app:" + plantedURL + "@db/x"},
		"env": []any{map[string]any{"name": "DB_PASSWORD", "value": plantedEnv}},
	}}}}}})
	w.AwaitRollout(t, ns, "leaky")
	w.create(t, map[string]any{
		"apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "Odd", "message": "login with password=" + plantedEvent + " was refused",
		"metadata":       map[string]any{"name": "odd", "namespace": ns},
		"involvedObject": map[string]any{"kind": "Deployment", "name": "leaky", "namespace": ns, "apiVersion": "apps/v1"},
	})
	if err := w.WriteLog("Authorization: Bearer "+plantedLog, `{"msg":"ok","secret":"`+plantedLog+`"}`); err != nil {
		t.Fatal(err)
	}
	_, pods := w.call(t, "GET", "/api/v1/namespaces/"+ns+"/pods?labelSelector=app%3Dleaky", "", nil)
	pod := ""
	for _, p := range pods["items"].([]any) {
		if at(p, "metadata", "deletionTimestamp") == nil {
			pod = fmt.Sprint(at(p, "metadata", "name"))
		}
	}
	_, nodes := w.call(t, "GET", "/api/v1/nodes?limit=1", "", nil)
	node := fmt.Sprint(at(nodes["items"].([]any)[0], "metadata", "name"))
	d := workload("deployment", ns, "leaky")
	return []connector.Query{
		{Reader: kubernetes.WorkloadStatus, With: d, Scope: namespaced(ns), Limit: 64 << 10},
		{Reader: kubernetes.WorkloadHistory, With: d, Scope: namespaced(ns), Limit: 64 << 10},
		{Reader: kubernetes.GetObject, With: d, Scope: namespaced(ns), Limit: 64 << 10},
		{Reader: kubernetes.GetObject, With: workload("pod", ns, pod), Scope: []writ.Location{target + writ.Location("/"+ns+"/deployment/leaky")}, Limit: 64 << 10},
		{Reader: kubernetes.ListPods, With: d, Scope: namespaced(ns), Limit: 64 << 10},
		{Reader: kubernetes.ListEvents, With: d, Scope: namespaced(ns), Limit: 64 << 10},
		{Reader: kubernetes.PodLogs, With: with("namespace", ns, "name", pod), Scope: []writ.Location{target + writ.Location("/"+ns+"/deployment/leaky")}, Limit: 64 << 10},
		{Reader: kubernetes.NodeStatus, With: with("name", node), Scope: []writ.Location{target + "/_cluster/node"}, Limit: 64 << 10},
	}
}
