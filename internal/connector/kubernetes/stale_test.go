package kubernetes_test

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/playbooks"
)

// UND-13: right after a change the status still tells of the old pods, which are healthy. That is no success: a rollout
// is complete when the controller has seen this generation and every replica is of it.
func TestUND13AStaleStatusIsNoSuccess(t *testing.T) {
	type numbers = map[string]any
	for name, c := range map[string]struct {
		kind             string
		generation, want float64
		status           numbers
		complete         bool
	}{
		"the old pods are healthy, the change not seen": {"deployment", 8, 3, numbers{"observedGeneration": 7.0, "replicas": 3.0, "updatedReplicas": 3.0, "readyReplicas": 3.0, "availableReplicas": 3.0}, false},
		"seen, no pod of it yet":                        {"deployment", 8, 3, numbers{"observedGeneration": 8.0, "replicas": 3.0, "readyReplicas": 3.0, "availableReplicas": 3.0}, false},
		"one new pod, the old ones carry it":            {"deployment", 8, 3, numbers{"observedGeneration": 8.0, "replicas": 4.0, "updatedReplicas": 1.0, "readyReplicas": 3.0, "availableReplicas": 3.0}, false},
		"all new, an old one still there":               {"deployment", 8, 3, numbers{"observedGeneration": 8.0, "replicas": 4.0, "updatedReplicas": 3.0, "readyReplicas": 4.0, "availableReplicas": 4.0}, false},
		"all new, one not available":                    {"deployment", 8, 3, numbers{"observedGeneration": 8.0, "replicas": 3.0, "updatedReplicas": 3.0, "readyReplicas": 2.0, "availableReplicas": 2.0}, false},
		"no status at all":                              {"deployment", 1, 1, numbers{}, false},
		"rolled out":                                    {"deployment", 8, 3, numbers{"observedGeneration": 8.0, "replicas": 3.0, "updatedReplicas": 3.0, "readyReplicas": 3.0, "availableReplicas": 3.0}, true},
		"a set whose update is under way": {"statefulset", 4, 2, numbers{"observedGeneration": 4.0, "replicas": 2.0, "currentReplicas": 1.0, "updatedReplicas": 1.0, "readyReplicas": 2.0, "availableReplicas": 2.0,
			"currentRevision": "a", "updateRevision": "b"}, false},
		"a daemon that was not seen": {"daemonset", 3, 0, numbers{"observedGeneration": 2.0, "desiredNumberScheduled": 3.0, "numberReady": 3.0, "updatedNumberScheduled": 3.0, "numberAvailable": 3.0}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := json.Marshal(map[string]any{"metadata": numbers{"generation": c.generation}, "spec": numbers{"replicas": c.want}, "status": c.status})
			if err != nil {
				t.Fatal(err)
			}
			got, err := kubernetes.FactsOf(c.kind, o)
			if err != nil || got["complete"] != writ.Bool(c.complete) {
				t.Errorf("complete is %s, %v", got["complete"], err)
			}
		})
	}
}

// Every playbook of the library that changes a workload is verified by that fact.
func TestUND13EveryPlaybookOfAWorkloadVerifiesTheRollout(t *testing.T) {
	files, err := playbooks.Library.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		b, err := fs.ReadFile(playbooks.Library, f.Name())
		if err != nil {
			t.Fatal(err)
		}
		pb, _, err := playbook.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		changes, verified := false, false
		for _, s := range pb.Steps {
			switch s.Operation {
			case "kubernetes/workload.rollback", "kubernetes/workload.restart", "kubernetes/workload.scale":
				changes = true
			}
		}
		for _, v := range pb.Verify {
			verified = verified || v.Reader == "kubernetes/workload.status" && v.Fact == "complete"
			// More replicas than there were before cannot be the old ones.
			verified = verified || pb.Name == "scale-out-workload" && v.Fact == "ready_replicas" && v.Op == writ.AtLeast
		}
		if changes && !verified {
			t.Errorf("%s does not verify that the rollout is complete", f.Name())
		}
		if changes {
			n++
		}
	}
	if n < 3 {
		t.Errorf("only %d playbooks change a workload", n)
	}
}
