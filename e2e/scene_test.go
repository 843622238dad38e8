package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

// A scene is one service of a site with a Deployment in trouble.
type scene struct {
	*site
	t        *testing.T
	service  string
	ns       string
	incident writ.IncidentID
	evidence []string
}

const (
	goodImage   = "api:1"
	brokenImage = "api:broken"
)

// healthy makes the service's Deployment.
func (s *site) healthy(t *testing.T, service string) *scene {
	t.Helper()
	x := &scene{site: s, t: t, service: service, ns: s.namespaces[service]}
	s.Deployment(t, x.ns, deployment, goodImage, 3)
	x.still(testbed.Complete)
	return x
}

// broken is healthy, and then a release that does not start.
func (s *site) broken(t *testing.T, service string) *scene {
	t.Helper()
	x := s.healthy(t, service)
	x.RollOut(t, x.ns, deployment, brokenImage)
	x.still(stuck)
	return x
}

// stillFor is how long a Deployment must not have changed before a scene begins: a plan is for exactly one version of an
// object, and controllers write to it for a while after each change.
const stillFor = time.Second

// still waits for a status, and then until the cluster's controllers have nothing more to write.
func (x *scene) still(ok func(*appsv1.Deployment) bool) {
	x.t.Helper()
	version, since := "", time.Now()
	await(x.t, "the controllers", func() (bool, string) {
		d := x.now()
		if d.ResourceVersion != version || !ok(d) {
			version, since = d.ResourceVersion, time.Now()
		}
		return time.Since(since) >= stillFor, fmt.Sprintf("%+v", d.Status)
	})
}

// stuck is the status of one whose newest revision does not start.
func stuck(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.Replicas == 4 && s.UpdatedReplicas == 1 && s.ReadyReplicas == 3 && s.UnavailableReplicas == 1
}

// diagnosed posts the alert and lets the diagnosing agent read.
func (x *scene) diagnosed() *scene {
	x.t.Helper()
	x.incident = x.alert("firing")
	a := x.agent(x.t, diagnoser)
	for _, reader := range []writ.OperationName{kubernetes.WorkloadStatus, kubernetes.WorkloadHistory} {
		id, _ := a.observe(x.t, x.incident, reader, x.workload())
		x.evidence = append(x.evidence, id)
	}
	return x
}

func (x *scene) workload() map[string]any {
	return map[string]any{"kind": "deployment", "namespace": x.ns, "name": deployment}
}

// webhook is what Alertmanager posts about a service.
func (x *scene) webhook(status, service string) []byte {
	return install.Webhook(x.t, install.Alert{
		Name: "DeploymentDegraded", Service: service, Severity: "error", Group: `{}:{alertname="DeploymentDegraded", service="` + service + `"}`,
		Labels: map[string]string{"namespace": x.ns}, Resolved: status == "resolved",
	})
}

// post posts to the alert source's door.
func (s *site) post(t testing.TB, body []byte) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v1/alerts/alertmanager", bytes.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.tokenOf(alerts))
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	text := readAll(t, resp.Body)
	s.heard(text)
	return resp.StatusCode, text
}

func (x *scene) alert(status string) writ.IncidentID {
	x.t.Helper()
	code, text := x.post(x.t, x.webhook(status, x.service))
	if code/100 != 2 {
		x.t.Fatalf("alert: %d %s", code, text)
	}
	var in writ.Incident
	must(x.t, json.Unmarshal([]byte(text), &in))
	return in.ID
}

// asks lets the repairing agent propose, and demands the state that the answer is in.
func (x *scene) asks(playbook string, with map[string]any, want writ.PlanState) answer {
	x.t.Helper()
	out := x.agent(x.t, repairer).propose(x.t, x.incident, playbook, with, x.evidence...)
	if out.State != string(want) {
		shown := ""
		if out.Plan != "" {
			shown = x.cli(x.t, you, "plan", "show", string(out.Plan)).out
		}
		x.t.Fatalf("%s is %s, want %s: %s\n%s", playbook, out.State, want, out.text, shown)
	}
	return out
}

// rollback asks for the library's rollback.
func (x *scene) rollback() answer {
	x.t.Helper()
	return x.asks("rollback-deployment", map[string]any{"namespace": x.ns, "name": deployment}, writ.PlanGranted)
}

// scale asks for another number of replicas, which needs a person.
func (x *scene) scale(replicas int) answer {
	x.t.Helper()
	return x.asks("scale-workload", map[string]any{"namespace": x.ns, "name": deployment, "replicas": replicas}, writ.PlanWaiting)
}

// ended waits for the end of a plan's run and demands its state.
func (x *scene) ended(id writ.PlanID, want writ.RunState) writ.RunStatus {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(x.t.Context(), 2*time.Minute)
	defer cancel()
	p, err := x.person.WaitPlan(ctx, id, writ.PlanPlanning, writ.PlanWaiting)
	must(x.t, err)
	if p.Run == "" {
		x.t.Fatalf("the plan is %s (%s: %s) and has no run", p.State, p.Reason, p.Detail)
	}
	r, err := x.person.WaitRun(ctx, p.Run)
	if err != nil {
		x.t.Fatalf("waiting for %s, which is %s: %v\n%s", p.Run, r.State, err, story(r))
	}
	if r.State != want {
		x.t.Fatalf("the run is %s (%s: %s), want %s\n%s", r.State, r.Reason, r.Detail, want, story(r))
	}
	return r
}

// reaches waits until a run's story has an entry of a kind.
func (x *scene) reaches(id writ.RunID, kind writ.EntryKind) writ.RunStatus {
	x.t.Helper()
	var r writ.RunStatus
	await(x.t, fmt.Sprintf("%s of %s", kind, id), func() (bool, string) {
		var err error
		r, err = x.person.Run(x.t.Context(), id)
		must(x.t, err)
		return slices.ContainsFunc(r.Events, func(e writ.Event) bool { return e.Kind == kind }), story(r)
	})
	return r
}

func story(r writ.RunStatus) string {
	var b bytes.Buffer
	for _, e := range r.Events {
		fmt.Fprintf(&b, "  %d %s %s\n", e.Index, e.Kind, e.Summary)
	}
	return b.String()
}

// now is the Deployment as it is.
func (x *scene) now() *appsv1.Deployment {
	x.t.Helper()
	d, err := x.kube.AppsV1().Deployments(x.ns).Get(x.t.Context(), deployment, metav1.GetOptions{})
	must(x.t, err)
	return d
}

// somebody changes the Deployment behind Writ's back.
func (x *scene) somebody(f func(*appsv1.Deployment)) {
	x.t.Helper()
	await(x.t, "somebody's change", func() (bool, string) {
		d := x.now()
		f(d)
		_, err := x.kube.AppsV1().Deployments(x.ns).Update(x.t.Context(), d, metav1.UpdateOptions{})
		if err != nil && !apierrors.IsConflict(err) {
			x.t.Fatal(err)
		}
		return err == nil, "conflict"
	})
}

// image is the one that a Deployment's newest revision has.
func image(d *appsv1.Deployment) string { return d.Spec.Template.Spec.Containers[0].Image }

// fixed demands that the old image runs again on every replica.
func (x *scene) fixed() {
	x.t.Helper()
	d := x.now()
	if !testbed.Complete(d) || image(d) != goodImage || d.Status.ReadyReplicas != 3 {
		x.t.Errorf("the Deployment is not fixed: %s, %+v", image(d), d.Status)
	}
}
