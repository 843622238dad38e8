package kubernetes_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
)

// TestUND05AnUndoNeverPassesTheFloor: putting fewer replicas back is held to the budget that its owners declared since.
func TestUND05AnUndoNeverPassesTheFloor(t *testing.T) {
	w := cluster(t)
	c := w.connect(t, w.addr())
	ns := w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 2)
	w.rest(t, deployPath(ns, "api"))
	p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 4))
	out := run(t, c, p)
	w.rest(t, deployPath(ns, "api"))
	ask := connector.Reversal{Key: "back", Of: p, After: out.After, Scope: namespaced(ns)}
	free, err := c.Revert(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if u := free.Step.Units; len(u) != 1 || u[0].Down != 2 || u[0].Floor != 2 || free.Step.Blast.Permille != 500 {
		t.Errorf("units %+v, blast %+v", u, free.Step.Blast)
	}
	w.budget(t, ns, "three", map[string]any{"minAvailable": 3, "selector": selectorOf("api")})
	if _, err := c.Revert(t.Context(), ask); writ.ReasonOf(err) != writ.ReasonBudget {
		t.Errorf("an undo below the floor: %v", err)
	}
}
