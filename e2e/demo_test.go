package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestTheDemoPassesOnBothStages plays the demonstration as people would: on its own storefront, and on a cluster.
func TestTheDemoPassesOnBothStages(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	t.Run("scenes", func(t *testing.T) {
		for name, args := range map[string][]string{"on the storefront": nil, "on a cluster": {"--kubeconfig", b.Kubeconfig}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				demo(t, b.run(t, t.TempDir(), append([]string{"demo", "--yes", "--json"}, args...)...))
			})
		}
	})
	list, err := b.kube.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	must(t, err)
	for _, n := range list.Items {
		if strings.HasPrefix(n.Name, "writ-demo-") && n.DeletionTimestamp == nil {
			t.Errorf("the demo has left %s behind", n.Name)
		}
	}
}

// demo judges what a demonstration has printed.
func demo(t *testing.T, r result) {
	t.Helper()
	var report struct {
		Scenes []struct {
			Name, Expected, Outcome string
			OK                      bool
		}
		Ledger struct {
			Entries  int
			Verified bool
		}
		LeasesAlive *int `json:"leases_alive"`
	}
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatalf("standard output is not one JSON object: %v\n%s\n%s", err, r.out, r.err)
	}
	for _, s := range report.Scenes {
		if !s.OK {
			t.Errorf("%s: %s, want %s", s.Name, s.Outcome, s.Expected)
		}
	}
	if r.code != 0 || len(report.Scenes) < 8 || !report.Ledger.Verified || report.LeasesAlive == nil || *report.LeasesAlive != 0 {
		t.Errorf("status %d, %d scenes, ledger %+v, leases %v", r.code, len(report.Scenes), report.Ledger, report.LeasesAlive)
	}
	if t.Failed() {
		t.Log(r.err)
	}
}
