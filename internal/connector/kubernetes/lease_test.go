package kubernetes_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
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
	w, c, ns := atRest(t)
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
		"scale":           {scale, false, []string{"get,patch apps/deployments/api"}},
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

// TestI06PowerComesLastAndGoesFirst reads the order of things from the API server's own audit log.
func TestI06PowerComesLastAndGoesFirst(t *testing.T) {
	t.Parallel()
	w, c, ns := atRest(t)
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
		if !bytes.Contains(line, []byte(name)) {
			continue
		}
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

// TestI06LeaseFoundByLabelUnderAnotherName: a role binding that carries the lease's label is ended with it, whatever it
// is called.
func TestI06LeaseFoundByLabelUnderAnotherName(t *testing.T) {
	t.Parallel()
	w, c, ns := atRest(t)
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
	w, c, ns := atRest(t)
	r := request(plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2)))
	w.create(t, object("v1", "ServiceAccount", ns, r.Name, nil))
	if _, err := c.Lease(t.Context(), r, func([]byte) error { return nil }); err == nil {
		t.Error("a lease took over an account that was there")
	}
	for name, bad := range map[string]func(*connector.LeaseRequest){
		"name":              func(r *connector.LeaseRequest) { r.Name = "../x" },
		"run":               func(r *connector.LeaseRequest) { r.Run = "x" },
		"too low a tier":    func(r *connector.LeaseRequest) { r.Tier = writ.T0 },
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
