package client_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
)

func TestACallerThatRepeatsACallItselfKeepsItsKey(t *testing.T) {
	f := &fake{states: []writ.PlanState{writ.PlanWaiting}, runs: []writ.RunState{writ.RunRunning}}
	c := start(t, f, nil)
	const key = "restart-of-2026-11-28"
	for range 2 {
		if _, _, err := c.Observe(client.WithKey(t.Context(), key), incident, "kubernetes/workload.status", "kubernetes://prod-eu1", writ.Parameters{"name": writ.String("api")}); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.keys) != 1 || !f.keys[key] {
		t.Errorf("the calls carried %v", f.keys)
	}
}
