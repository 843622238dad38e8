package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// planted are secrets in the places where a cluster has them. The service's next release changes one of them, so that
// the plan's difference is about it.
var planted = map[string]string{
	"password in the environment": "Pq7-vault-4411-zulu",
	"its next value":              "Rk9-vault-5522-yank",
	"password in a connection":    "Xw3-conn-9917-tango",
	"token in an annotation":      "Lm5-hook-3306-kilo",
	"bearer token in the log":     "Qa8.bearer.7745.oscar",
	"password in the log":         "Zt2-login-6658-sierra",
	"password in an event":        "Nb6-event-2219-delta",
	"key in an argument":          "Vc4-flag-8830-foxtrot",
}

// plant puts them there.
func (x *scene) plant() {
	x.t.Helper()
	x.somebody(func(d *appsv1.Deployment) {
		d.Annotations["example.com/webhook-token"] = planted["token in an annotation"]
		c := &d.Spec.Template.Spec.Containers[0]
		c.Args = []string{"--api-key=" + planted["key in an argument"]}
		c.Env = []corev1.EnvVar{
			{Name: "DB_PASSWORD", Value: planted["password in the environment"]},
			{Name: "DATABASE_URL", Value: "postgres://app:" + planted["password in a connection"] + "@db.example:5432/app"},
		}
	})
	x.AwaitRollout(x.t, x.ns, deployment)
	x.somebody(func(d *appsv1.Deployment) { // the bad release
		c := &d.Spec.Template.Spec.Containers[0]
		c.Image, c.Env[0].Value = brokenImage, planted["its next value"]
	})
	x.AwaitPod(x.t, x.ns, deployment, "ImagePullBackOff")
	x.still(stuck)
	must(x.t, x.WriteLog(
		"GET /health 200", "Authorization: Bearer "+planted["bearer token in the log"], "login failed: password="+planted["password in the log"]))
	now := metav1.Now()
	_, err := x.kube.CoreV1().Events(x.ns).Create(x.t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "api-"}, Reason: "Failed", Type: "Warning", FirstTimestamp: now, LastTimestamp: now, Count: 1,
		InvolvedObject: corev1.ObjectReference{Kind: "Deployment", APIVersion: "apps/v1", Namespace: x.ns, Name: deployment, UID: x.now().UID},
		Message:        "cannot connect with password=" + planted["password in an event"],
	}, metav1.CreateOptions{})
	must(x.t, err)
}

// forms are the ways in which a secret would stand in a file: as it is, in JSON, in base64 at any offset, in hex.
func forms(secret string) [][]byte {
	quoted, err := json.Marshal(secret)
	out := [][]byte{[]byte(secret), []byte(hex.EncodeToString([]byte(secret)))}
	if err == nil {
		out = append(out, bytes.Trim(quoted, `"`))
	}
	for pad := range 3 {
		b := base64.StdEncoding.EncodeToString(append(make([]byte, pad), secret...))
		from, to := (pad*8+5)/6, (pad+len(secret))*8/6 // whole characters of the secret alone
		out = append(out, []byte(b[from:to]), []byte(strings.NewReplacer("+", "-", "/", "_").Replace(b[from:to])))
	}
	return out
}

// TestI20NoSecretIsWrittenAnywhere reads everything about a service full of secrets, repairs it, and then searches all
// that Writ has stored, printed and answered.
func TestI20NoSecretIsWrittenAnywhere(t *testing.T) {
	t.Parallel()
	for _, how := range topologies {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, how, "secret")
			x := s.healthy(t, "secret")
			x.plant()
			x.diagnosed()
			x.readEverything()
			plan := x.rollback().Plan
			r := x.ended(plan, writ.RunSucceeded)
			for _, args := range [][]string{
				{"plan", "show", string(plan)}, {"plan", "show", string(plan), "-o", "json"}, {"run", "show", string(r.ID)}, {"status"}, {"ledger", "tail"},
				{"incident", "timeline", string(x.incident)}, {"incident", "show", string(x.incident), "-o", "json"}, {"plan", "list", "-o", "json"},
			} {
				s.wantCLI(t, 0, you, args...)
			}
			for _, id := range x.evidence {
				s.wantCLI(t, 0, you, "evidence", "show", id)
			}
			x.dead(r.ID)
			s.verified(t)
			x.search()
		})
	}
}

// readEverything uses every reader that shows text.
func (x *scene) readEverything() {
	x.t.Helper()
	pods, err := x.kube.CoreV1().Pods(x.ns).List(x.t.Context(), metav1.ListOptions{})
	must(x.t, err)
	ready := slices.IndexFunc(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	if ready < 0 {
		x.t.Fatal("no pod runs")
	}
	pod := map[string]any{"namespace": x.ns, "name": pods.Items[ready].Name}
	a := x.agent(x.t, diagnoser)
	for _, q := range []struct {
		reader writ.OperationName
		with   map[string]any
		shows  string // that the reading is about the right thing
	}{
		{kubernetes.GetObject, x.workload(), "DB_PASSWORD"},
		{kubernetes.GetObject, map[string]any{"kind": "pod", "namespace": x.ns, "name": pods.Items[ready].Name}, "DB_PASSWORD"},
		{kubernetes.ListPods, x.workload(), deployment},
		{kubernetes.ListEvents, x.workload(), "cannot connect"},
		{kubernetes.PodLogs, pod, "Authorization"},
	} {
		id, _ := a.observe(x.t, x.incident, q.reader, q.with)
		x.evidence = append(x.evidence, id)
		shown := x.wantCLI(x.t, 0, you, "evidence", "show", id)
		if !strings.Contains(shown.out, q.shows) || !strings.Contains(shown.out, "[redacted]") && q.reader != kubernetes.ListPods {
			x.t.Errorf("%s does not show %q and a place that was redacted:\n%s", q.reader, q.shows, shown.out)
		}
	}
}

// search looks for every secret in the data directory, the logs and all that was answered.
func (x *scene) search() {
	x.t.Helper()
	places := map[string][]byte{}
	x.mu.Lock()
	places["answers to agents and people, and the export"] = []byte(x.said.String())
	x.mu.Unlock()
	for _, p := range x.procs {
		places["log of "+p.name] = read(x.t, p.log)
	}
	must(x.t, filepath.WalkDir(filepath.Join(x.in.Dir, "data"), func(file string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			places[file] = read(x.t, file)
		}
		return err
	}))
	for i, e := range x.entries(x.t) { // as the entry says it, whatever the file does to it
		places["entry "+string(e.Record.Kind)+" "+e.Hash.String()] = e.Record.Body
		if i == 0 && len(e.Record.Body) == 0 {
			x.t.Error("entries cannot be read")
		}
	}
	if n := len(places["answers to agents and people, and the export"]); n < 10_000 || len(places) < 10 {
		x.t.Fatalf("there is nothing to search: %d bytes, %d places", n, len(places))
	}
	for what, known := range map[string]string{"an environment variable's name": "DB_PASSWORD", "the namespace": x.ns} {
		if !slices.ContainsFunc(slices.Collect(maps.Values(places)), func(b []byte) bool { return bytes.Contains(b, []byte(known)) }) {
			x.t.Errorf("%s is found nowhere: the search does not work", what)
		}
	}
	if db := places[filepath.Join(x.in.Dir, "data", "ledger.db")]; !slices.ContainsFunc(forms(x.ns)[1:], func(f []byte) bool { return bytes.Contains(db, f) }) {
		x.t.Error("the namespace is not found in base64: the search does not work")
	}
	secrets := map[string]string{"the minter's token": x.minter, "the reader's token": x.reader}
	for what, v := range planted {
		secrets[what] = v
	}
	for name := range x.in.Tokens {
		secrets["the token of "+name] = x.tokenOf(name)
	}
	for _, v := range x.leaseTokens() {
		secrets["a lease's token"] = v
	}
	if secrets["a lease's token"] == "" {
		x.t.Error("no lease's token was seen")
	}
	for what, secret := range secrets {
		for _, form := range forms(secret) {
			for where, b := range places {
				if at := bytes.Index(b, form); at >= 0 {
					x.t.Errorf("%s stands in %s: …%q…", what, where, b[max(0, at-60):min(len(b), at+len(form)+20)])
				}
			}
		}
	}
}
