package kubernetes_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

var shared testbed.Shared

func TestMain(m *testing.M) { testbed.Main(m, &shared) }

const target writ.Location = "kubernetes://prod-eu1"

// A world is the cluster with the two accounts of rbac.yaml, and the administrator's raw view of it.
type world struct {
	*testbed.Cluster
	admin        *http.Client
	mint, reader string // tokens
}

var worldOnce struct {
	sync.Once
	w world
}

// cluster applies rbac.yaml, as an owner of a cluster would, and returns what a runner then has.
func cluster(t testing.TB) world {
	t.Helper()
	c := shared.Cluster(t)
	worldOnce.Do(func() {
		w := &worldOnce.w
		w.Cluster = c
		cfg, err := c.Config(c.AdminToken)
		if err != nil {
			t.Fatal(err)
		}
		if w.admin, err = rest.HTTPClientFor(cfg); err != nil {
			t.Fatal(err)
		}
		manifest, err := os.ReadFile("rbac.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq(string(manifest), "\n---\n") {
			var o map[string]any
			if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
				t.Fatal(err)
			}
			w.apply(t, o)
		}
		w.mint = c.Token(t, "writ-system", "writ-minter", time.Hour)
		w.reader = c.Token(t, "writ-system", "writ-reader", time.Hour)
	})
	if worldOnce.w.reader == "" {
		t.Fatal("the cluster could not be prepared; see the first test")
	}
	return worldOnce.w
}

var plurals = map[string]string{
	"Namespace": "/api/v1/namespaces", "ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts", "Service": "/api/v1/namespaces/%s/services",
	"ConfigMap": "/api/v1/namespaces/%s/configmaps", "ResourceQuota": "/api/v1/namespaces/%s/resourcequotas", "Pod": "/api/v1/namespaces/%s/pods",
	"Node": "/api/v1/nodes", "Deployment": "/apis/apps/v1/namespaces/%s/deployments", "StatefulSet": "/apis/apps/v1/namespaces/%s/statefulsets",
	"DaemonSet": "/apis/apps/v1/namespaces/%s/daemonsets", "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/%s/networkpolicies",
	"Event":         "/api/v1/namespaces/%s/events",
	"ClusterRole":   "/apis/rbac.authorization.k8s.io/v1/clusterroles",
	"PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses", "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}

// list is the path of the list that o belongs into.
func list(o map[string]any) string {
	path := plurals[o["kind"].(string)]
	if strings.Contains(path, "%s") {
		return fmt.Sprintf(path, at(o, "metadata", "namespace"))
	}
	return path
}

func at(v any, path ...string) any {
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// call is the administrator's own request.
func (w world) call(t testing.TB, method, path, contentType string, body any) (int, map[string]any) {
	t.Helper()
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.Host+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("User-Agent", "administrator")
	resp, err := w.admin.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(got, &o); err != nil {
		t.Fatalf("%s %s: %d %q", method, path, resp.StatusCode, got)
	}
	return resp.StatusCode, o
}

// apply is a server-side apply, create a plain POST.
func (w world) apply(t testing.TB, o map[string]any) {
	t.Helper()
	path := list(o) + "/" + at(o, "metadata", "name").(string)
	if status, got := w.call(t, http.MethodPatch, path+"?fieldManager=gitops&force=true", "application/apply-patch+yaml", o); status > 299 {
		t.Fatalf("apply %s: %d %v", path, status, got["message"])
	}
}

func (w world) create(t testing.TB, o map[string]any) {
	t.Helper()
	if status, got := w.call(t, http.MethodPost, list(o), "application/json", o); status > 299 {
		t.Fatalf("create %s: %d %v", list(o), status, got["message"])
	}
}

// patch is a third party's merge patch.
func (w world) patch(t testing.TB, path string, change map[string]any) {
	t.Helper()
	if status, got := w.call(t, http.MethodPatch, path+"?fieldManager=colleague", "application/merge-patch+json", change); status > 299 {
		t.Fatalf("patch %s: %d %v", path, status, got["message"])
	}
}

// atRest is a cluster with a connector, and a namespace of the test's own with the deployment api at rest: one replica of api:1.
func atRest(t testing.TB) (w world, c *kubernetes.Connector, ns string) {
	t.Helper()
	w = cluster(t)
	c, ns = w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	return w, c, ns
}

// connect makes a connector under the runner's two accounts, with the API server at addr.
func (w world) connect(t testing.TB, addr string) *kubernetes.Connector {
	t.Helper()
	mint, err := w.Config(w.mint)
	if err != nil {
		t.Fatal(err)
	}
	read, err := w.Config(w.reader)
	if err != nil {
		t.Fatal(err)
	}
	mint.Host, read.Host = "https://"+addr, "https://"+addr
	c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: mint, Read: read, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// addr is where the API server listens.
func (w world) addr() string { return strings.TrimPrefix(w.Host, "https://") }

// writes counts, from the API server's own audit log, what came from connectors and was no read: of any path, or only of
// those that contain one of parts.
func (w world) writes(t testing.TB, parts ...string) int {
	t.Helper()
	b, err := os.ReadFile(w.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(b) {
		if !bytes.Contains(line, []byte(`"userAgent":"writ"`)) {
			continue
		}
		var e struct{ Verb, Stage, RequestURI string }
		if err := json.Unmarshal(line, &e); err != nil {
			continue // the last line may be half-written
		}
		counts := len(parts) == 0 || slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(e.RequestURI, p) })
		if counts && e.Stage == "ResponseComplete" && e.Verb != "get" && e.Verb != "list" {
			n++
		}
	}
	return n
}

// namespaced is the scope of one namespace.
func namespaced(ns string) []writ.Location { return []writ.Location{target + writ.Location("/"+ns)} }

func with(kv ...any) writ.Parameters {
	out := writ.Parameters{}
	for i := 0; i < len(kv); i += 2 {
		switch v := kv[i+1].(type) {
		case string:
			out[kv[i].(string)] = writ.String(v)
		case int:
			out[kv[i].(string)] = writ.Int(int64(v))
		case bool:
			out[kv[i].(string)] = writ.Bool(v)
		}
	}
	return out
}

// workload are the parameters that name one.
func workload(kind, ns, name string, more ...any) writ.Parameters {
	return with(append([]any{"kind", kind, "namespace", ns, "name", name}, more...)...)
}

func deployPath(ns, name string) string {
	return "/apis/apps/v1/namespaces/" + ns + "/deployments/" + name
}

// plan plans one operation in the scope of the namespace, or fails the test.
func plan(t testing.TB, c *kubernetes.Connector, ns string, op writ.OperationName, p writ.Parameters) connector.Prepared {
	t.Helper()
	got, err := c.Plan(t.Context(), connector.Draft{Key: "pln_01HZZZZZZZZZZZZZZZZZZZZZZZ.1", Operation: op, With: p, Scope: namespaced(ns)})
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	return got
}

// lease mints a lease that ends with the test.
func lease(t testing.TB, c *kubernetes.Connector, undo bool, steps ...connector.Prepared) connector.Lease {
	t.Helper()
	id := strings.ToUpper(rand.Text())
	id = "0" + strings.NewReplacer("I", "1", "L", "1", "O", "0", "U", "V").Replace(id)[:25]
	l, err := c.Lease(t.Context(), connector.LeaseRequest{
		Name: "writ-" + strings.ToLower(id), Run: writ.RunID("run_" + id), Tier: writ.T2, Steps: steps, Undo: undo, TTL: time.Minute,
	}, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := l.Revoke(ctx); err != nil {
			t.Error(err)
		}
	})
	return l
}
