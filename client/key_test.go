package client_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
)

func TestACallerThatRepeatsACallItselfKeepsItsKey(t *testing.T) {
	f := &fake{PlanStates: []writ.PlanState{writ.PlanWaiting}, RunStates: []writ.RunState{writ.RunRunning}}
	c := start(t, f, nil)
	const key = "restart-of-2026-11-28"
	for range 2 {
		if _, _, err := c.Observe(client.WithKey(t.Context(), key), incident, "kubernetes/workload.status", "kubernetes://prod-eu1", writ.Parameters{"name": writ.String("api")}); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.Seen(); len(got) != 1 || got[0] != key {
		t.Errorf("the calls carried %v", f.Seen())
	}
}
