package control_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// A playbook that is observed only is decided and recorded like any other, and nothing of it runs: nobody is asked, nothing
// is granted, locked or reserved, and the agent is told so.
func TestAnObservedPlaybookIsDecidedAndNothingOfItRuns(t *testing.T) {
	w := governedWorld(t)
	s := w.proposes("dora", setFiles(t, 2, map[string]string{"raises: []": "raises: []\nobserve: [restart-workload, scale-workload]"}, 1, 2))
	if len(s.Change.Rules) != 2 || s.Change.Rules[0].ID != "observe/restart-workload" {
		t.Errorf("%+v", s.Change.Rules)
	}
	waiting := w.waiting() // while it is still enforced
	for _, sub := range []string{"emil", "finn"} {
		_, err := w.votes(s.ID, sub, writ.Approve)
		must(t, err)
	}
	// A plan that waited before is not granted any more.
	if p, err := w.approve(waiting.ID, "ann", "owner"); err == nil && p.State == writ.PlanGranted {
		t.Errorf("a plan of an observed playbook was granted")
	}
	_, err := w.ctl.Withdraw(w.ctx, repair, waiting.ID, "asked again")
	must(t, err)
	for name, c := range map[string]struct {
		ask  writ.Ask
		want string
	}{
		"allowed":    {w.restart(w.incident("shop").ID), "would have been allowed"},
		"needs word": {w.scale(w.incident("shop").ID), "would have asked for 1 of owner"},
	} {
		p := w.propose(repair, c.ask)
		if p.State != writ.PlanObserved || p.Reason != writ.ReasonObserved || !strings.Contains(p.Detail, c.want) || p.Run != "" {
			t.Errorf("%s: %s %s %q", name, p.State, p.Reason, p.Detail)
		}
		if p, err = w.ctl.Plan(w.ctx, human("ann"), p.ID, 0); err != nil || p.Decision == nil || !p.Decision.Observed || p.Decision.Allowed() {
			t.Errorf("%s: %+v", name, p.Decision)
		}
	}
	must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
		for _, table := range []store.Table{store.Reservations, store.Locks, store.Grants, store.Runs, store.Attempts} {
			if rows, err := tx.Find(table, store.Filter{}); err != nil || len(rows) != 0 {
				t.Errorf("%s has %d rows, %v", table, len(rows), err)
			}
		}
		rows, err := tx.Find(store.Slots, store.Filter{Key: "shop"})
		if len(rows) != 0 {
			t.Errorf("%d plans of the service are still open", len(rows))
		}
		return err
	}))
	observed := 0
	for _, e := range w.entries() {
		if d, ok := e.Body.(*writ.DecisionBody); ok && d.Observed {
			observed++
		}
	}
	if observed != 2 {
		t.Errorf("%d observed decisions are recorded", observed)
	}
	if st, err := w.ctl.Glance(w.ctx); err != nil || len(st.Observed) != 2 {
		t.Errorf("%+v, %v", st.Observed, err)
	}
	if d, err := w.ctl.Evaluate(w.ctx, repair, writ.AccessQuestion{Subject: repair, Action: "playbook/restart-workload", Service: "shop", Incident: w.incident("shop").ID}); err != nil || d.Allowed() || !d.Observed {
		t.Errorf("advice: %+v, %v", d, err)
	}
	w.auditsPolicy(t)
}

// An observed decision becomes a real one when its playbook is enforced: a simulation says that more is permitted then.
func TestEnforcingAnObservedPlaybookIsSeenAsPermittingMore(t *testing.T) {
	w := governedWorld(t)
	s := w.proposes("dora", setFiles(t, 2, map[string]string{"raises: []": "raises: []\nobserve: [restart-workload]"}, 1, 2))
	for _, sub := range []string{"emil", "finn"} {
		_, err := w.votes(s.ID, sub, writ.Approve)
		must(t, err)
	}
	w.propose(repair, w.restart(w.incident("shop").ID))
	sim, err := w.ctl.SimulatePolicy(w.ctx, human("ann"), setFiles(t, 3, nil))
	if err != nil || !sim.Wider() || len(sim.Rows) != 1 || !strings.HasPrefix(sim.Rows[0].Before, "observed, would be allow") {
		t.Errorf("%+v, %v", sim, err)
	}
}
