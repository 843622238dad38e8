package kubernetes_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

// request is a lease request with a fresh name.
func request(steps ...connector.Prepared) connector.LeaseRequest {
	id := "0" + strings.NewReplacer("I", "1", "L", "1", "O", "0", "U", "V").Replace(rand.Text())[:25]
	return connector.LeaseRequest{Name: "writ-" + strings.ToLower(id), Run: writ.RunID("run_" + id), Tier: writ.T1, Steps: steps, TTL: time.Minute}
}

// made lists by name what the cluster holds under a lease's label.
func (w world) made(t testing.TB, lease string) []string {
	t.Helper()
	var out []string
	for _, list := range []string{
		"/api/v1/serviceaccounts", "/apis/rbac.authorization.k8s.io/v1/roles", "/apis/rbac.authorization.k8s.io/v1/rolebindings",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	} {
		_, got := w.call(t, "GET", list+"?labelSelector=writ.dev%2Flease%3D"+lease, "", nil)
		for _, o := range got["items"].([]any) {
			out = append(out, list[strings.LastIndex(list, "/")+1:]+"/"+at(o, "metadata", "name").(string))
		}
	}
	return out
}

// TestI06LeaseHoldsOnlyTheRightsOfItsPlan asks the API server itself what a lease's token may do.
func TestI06LeaseHoldsOnlyTheRightsOfItsPlan(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	pod := w.readyPod(t, ns, "api")
	scale := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2))
	del := plan(t, c, ns, kubernetes.DeletePod, with("namespace", ns, "name", pod))
	_, set := w.call(t, "GET", "/apis/apps/v1/namespaces/"+ns+"/replicasets", "", nil)
	setName := at(set["items"].([]any)[0], "metadata", "name").(string)
	for name, x := range map[string]struct {
		step connector.Prepared
		undo bool
		want []string
	}{
		"scale":           {scale, false, []string{"get,update apps/deployments/api"}},
		"undo scale":      {scale, true, []string{"get,update apps/deployments/api"}},
		"delete pod":      {del, false, []string{"delete,get /pods/" + pod}},
		"undo delete pod": {del, true, []string{"get /pods/" + pod, "get apps/replicasets/" + setName}},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(x.step)
			r.Undo = x.undo
			var handle []byte
			l, err := c.Lease(t.Context(), r, func(h []byte) error { handle = h; return nil })
			if err != nil {
				t.Fatal(err)
			}
			defer l.Revoke(context.Background())
			token := tokenOf(t, handle)
			if got := w.rules(t, token, ns); !slices.Equal(got, x.want) {
				t.Errorf("rights %q, want %q", got, x.want)
			}
			if got := w.rules(t, token, "default"); len(got) > 0 {
				t.Errorf("rights elsewhere: %q", got)
			}
			for _, path := range []string{"/api/v1/namespaces/" + ns + "/secrets", "/api/v1/namespaces/" + ns + "/secrets/x", deployPath(ns, "other"), "/api/v1/nodes"} {
				if status := w.as(t, token, path); status != http.StatusForbidden {
					t.Errorf("GET %s: %d", path, status)
				}
			}
			_, account := w.call(t, "GET", "/api/v1/namespaces/"+ns+"/serviceaccounts/"+r.Name, "", nil)
			want := map[string]any{"writ.dev/lease": r.Name, "writ.dev/run": strings.ToLower(string(r.Run))}
			if diff := cmp.Diff(want, at(account, "metadata", "labels")); diff != "" || account["automountServiceAccountToken"] != false {
				t.Errorf("the account: %s", diff)
			}
		})
	}
}

func tokenOf(t testing.TB, handle []byte) string {
	t.Helper()
	var h struct{ Token string }
	if err := json.Unmarshal(handle, &h); err != nil || h.Token == "" {
		t.Fatalf("handle: %v", err)
	}
	return h.Token
}

// rules are a token's rights in a namespace, apart from those that everybody has.
func (w world) rules(t testing.TB, token, ns string) []string {
	t.Helper()
	b := w.post(t, token, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", fmt.Sprintf(`{"kind":"SelfSubjectRulesReview","apiVersion":"authorization.k8s.io/v1","spec":{"namespace":%q}}`, ns))
	var review struct {
		Status struct {
			ResourceRules []struct{ Verbs, APIGroups, Resources, ResourceNames []string }
		}
	}
	if err := json.Unmarshal(b, &review); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range review.Status.ResourceRules {
		if slices.Contains(r.APIGroups, "authorization.k8s.io") || slices.Contains(r.APIGroups, "authentication.k8s.io") || slices.Contains(r.APIGroups, "certificates.k8s.io") {
			continue
		}
		slices.Sort(r.Verbs)
		out = append(out, fmt.Sprintf("%s %s/%s/%s", strings.Join(r.Verbs, ","), strings.Join(r.APIGroups, ","), strings.Join(r.Resources, ","), strings.Join(r.ResourceNames, ",")))
	}
	slices.Sort(out)
	return out
}

func (w world) post(t testing.TB, token, path, body string) []byte {
	t.Helper()
	_, b := w.send(t, token, "POST", path, body)
	return b
}

// as is the status that a token gets on a path.
func (w world) as(t testing.TB, token, path string) int {
	t.Helper()
	status, _ := w.send(t, token, "GET", path, "")
	return status
}

func (w world) send(t testing.TB, token, method, path, body string) (int, []byte) {
	t.Helper()
	cfg, err := w.Config(token)
	if err != nil {
		t.Fatal(err)
	}
	h, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, w.Host+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := h.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.Bytes()
}

// TestI06PowerComesLastAndGoesFirst reads the order of things from the API server's own audit log.
func TestI06PowerComesLastAndGoesFirst(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	r := request(plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2)))
	var kept []string
	l, err := c.Lease(t.Context(), r, func([]byte) error { kept = w.made(t, r.Name); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"serviceaccounts/" + r.Name, "roles/" + r.Name}; !slices.Equal(kept, want) {
		t.Errorf("when the handle was kept there were %q, want %q", kept, want)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := w.made(t, r.Name); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	want := []string{
		"create serviceaccounts", "create roles", "create serviceaccounts/token", "create rolebindings",
		"delete rolebindings", "delete roles", "delete serviceaccounts",
	}
	if diff := cmp.Diff(want, w.audited(t, r.Name)); diff != "" {
		t.Error(diff)
	}
}

// audited lists the writes that concern a name, in the order in which the API server recorded them.
func (w world) audited(t testing.TB, name string) []string {
	t.Helper()
	b, err := os.ReadFile(w.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range bytes.Lines(b) {
		var e struct {
			Verb, Stage, UserAgent string
			ObjectRef              struct{ Resource, Subresource, Name string }
		}
		if json.Unmarshal(line, &e) != nil || e.Stage != "ResponseComplete" || e.ObjectRef.Name != name || e.UserAgent != "writ" || e.Verb == "get" {
			continue
		}
		out = append(out, e.Verb+" "+strings.TrimSuffix(e.ObjectRef.Resource+"/"+e.ObjectRef.Subresource, "/"))
	}
	return out
}

// A crash lets so many of a process's writes through and then cuts it off from the world, as a kill would.
type crash struct {
	next  http.RoundTripper
	after *atomic.Int64
}

var errCrashed = errors.New("the process is gone")

func (c crash) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && c.after.Add(-1) < 0 {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errCrashed
	}
	return c.next.RoundTrip(r)
}

// TestI06PartialMintIsFoundByItsName crashes the runner after each of the writes of a mint. The next process knows the
// lease's name, and its handle only if it was kept.
func TestI06PartialMintIsFoundByItsName(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	whole, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	for writes, want := range [][]string{{}, {"serviceaccounts/"}, {"serviceaccounts/", "roles/"}, {"serviceaccounts/", "roles/"}, {"serviceaccounts/", "roles/", "rolebindings/"}} {
		t.Run(fmt.Sprint("after ", writes), func(t *testing.T) {
			t.Parallel()
			mint, err := w.Config(w.mint)
			if err != nil {
				t.Fatal(err)
			}
			read, err := w.Config(w.reader)
			if err != nil {
				t.Fatal(err)
			}
			var after atomic.Int64
			after.Store(int64(writes))
			mint.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return crash{next, &after} }
			c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: mint, Read: read, Now: time.Now, Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			r := request(plan(t, whole, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2)))
			var handle []byte
			_, err = c.Lease(t.Context(), r, func(h []byte) error { handle = h; return nil })
			if (err == nil) != (writes == 4) {
				t.Fatalf("lease: %v", err)
			}
			for i := range want {
				want[i] += r.Name
			}
			if got := w.made(t, r.Name); !slices.Equal(got, want) && len(got)+len(want) > 0 {
				t.Errorf("the crash left %q, want %q", got, want)
			}
			l, err := whole.Reopen(r, handle)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := l.Revoke(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.made(t, r.Name); len(got) > 0 {
				t.Errorf("left behind: %q", got)
			}
			testbed.Await(t, "the lease dead", func(ctx context.Context) (bool, string, error) {
				p, err := l.Probe(ctx)
				return p.PowerGone && p.IdentityGone, fmt.Sprintf("%+v", p), err
			})
		})
	}
}

// TestI06LeaseFoundByLabelUnderAnotherName: a role binding that carries the lease's label is ended with it, whatever it
// is called.
func TestI06LeaseFoundByLabelUnderAnotherName(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	r := request(plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2)))
	l, err := c.Reopen(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	status, _ := w.call(t, "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/"+ns+"/rolebindings", "application/json", m{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": m{"name": "odd", "labels": m{"writ.dev/lease": r.Name}},
		"roleRef": m{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"},
	})
	if status != http.StatusCreated {
		t.Fatal(status)
	}
	if p, err := l.Probe(t.Context()); err != nil || p.PowerGone || p.IdentityGone {
		t.Errorf("with a binding left: %+v, %v", p, err)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.made(t, r.Name); len(got) > 0 {
		t.Errorf("left behind: %q", got)
	}
	if p, err := l.Probe(t.Context()); err != nil || !p.PowerGone || !p.IdentityGone || p.PowerStatus != 0 || p.IdentityStatus != 0 {
		t.Errorf("with nothing left: %+v, %v", p, err)
	}
}

// TestI06PowerGoesAtOnceAndIdentityWithinTheCache measures what the design promises of a revoked lease.
func TestI06PowerGoesAtOnceAndIdentityWithinTheCache(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2))
	l, err := c.Lease(t.Context(), request(p), func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	run := l.Do(t.Context(), p) // the token is in the API server's cache now
	if run.Effect != writ.Applied {
		t.Fatalf("%+v", run)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	var power, identity time.Duration
	testbed.Await(t, "the lease dead", func(ctx context.Context) (bool, string, error) {
		got, err := l.Probe(ctx)
		if got.PowerGone && power == 0 {
			power = time.Since(revoked)
		}
		if got.IdentityGone {
			identity = time.Since(revoked)
		}
		return identity > 0, fmt.Sprintf("%+v", got), err
	})
	if power > 5*time.Second || identity < kubernetes.AuthCache || identity > 30*time.Second {
		t.Errorf("power was gone after %s, identity after %s", power, identity)
	}
	t.Logf("power was gone after %s, identity after %s", power, identity)
}

// TestI06RevokeInterruptsACall: a call that hangs does not keep a lease alive.
func TestI06RevokeInterruptsACall(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	ns := w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	c := w.connect(t, w.addr())
	p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2))
	r := request(p)
	var handle []byte
	if _, err := c.Lease(t.Context(), r, func(h []byte) error { handle = h; return nil }); err != nil {
		t.Fatal(err)
	}
	silent := newSilent(t)
	far := w.connect(t, silent.addr)
	hung, err := far.Reopen(r, handle)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan connector.Outcome, 1)
	go func() { done <- hung.Do(context.Background(), p) }()
	<-silent.met
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := hung.Revoke(ctx); err == nil {
		t.Error("revoking over a silent wire succeeded")
	}
	select {
	case out := <-done:
		if out.Effect != writ.NotApplied {
			t.Errorf("%+v", out)
		}
	case <-time.After(10 * time.Second):
		t.Error("the call goes on")
	}
	l, err := c.Reopen(r, handle)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestI06NamesAreNeverTakenOver: something of that name which is there already is not a lease's to use.
func TestI06NamesAreNeverTakenOver(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	c, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	r := request(plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2)))
	w.create(t, object("v1", "ServiceAccount", ns, r.Name, nil))
	if _, err := c.Lease(t.Context(), r, func([]byte) error { return nil }); err == nil {
		t.Error("a lease took over an account that was there")
	}
	for name, bad := range map[string]func(*connector.LeaseRequest){
		"name":              func(r *connector.LeaseRequest) { r.Name = "../x" },
		"run":               func(r *connector.LeaseRequest) { r.Run = "x" },
		"no steps":          func(r *connector.LeaseRequest) { r.Steps = nil },
		"another target":    func(r *connector.LeaseRequest) { r.Steps[0].Step.Object.Location = "kubernetes://other/a/deployment/b" },
		"another path":      func(r *connector.LeaseRequest) { r.Steps[0].Step.Call.Path = "/api/v1/namespaces/x/secrets/y" },
		"another method":    func(r *connector.LeaseRequest) { r.Steps[0].Step.Call.Method = "POST" },
		"no such kind":      func(r *connector.LeaseRequest) { r.Steps[0].Step.Object.Location = target + "/a/secret/b" },
		"a whole namespace": func(r *connector.LeaseRequest) { r.Steps[0].Step.Object.Location = target + "/a" },
	} {
		q := request(r.Steps[0])
		bad(&q)
		if _, err := c.Lease(t.Context(), q, func([]byte) error { return nil }); err == nil {
			t.Errorf("%s: a lease was made", name)
		}
		if _, err := c.Reopen(q, nil); err == nil {
			t.Errorf("%s: a lease was reopened", name)
		}
	}
}
