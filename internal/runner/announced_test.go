package runner_test

import (
	"context"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
)

// wantLeasesClosed demands of the record what a reader of it goes by: each announced lease is proven dead.
func wantLeasesClosed(t *testing.T, w *world) {
	t.Helper()
	open := func() (left []string) {
		dead := map[writ.LeaseID]bool{}
		entries := w.control.entries()
		for _, e := range entries {
			if p, ok := e.Body.(*writ.ProbeBody); ok && p.PowerGone && p.IdentityGone {
				dead[p.Lease] = true
			}
		}
		for _, e := range entries {
			if l, ok := e.Body.(*writ.LeaseBody); ok && !dead[l.Lease] {
				left = append(left, l.Name)
			}
		}
		return left
	}
	w.until("the record of every lease's death", func() bool { return len(open()) == 0 })
}

func TestI06ALeaseThatWasAnnouncedAndNeverMintedIsProvenAbsent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		var left *world
		dir := t.TempDir()
		w.control.on(func(p string) error {
			if p == "delivered" && left == nil { // the ledger has it; the runner dies before it hears so
				left = w.snapshot(dir)
			}
			return nil
		})
		w.execute(g)
		w.stop()
		left.start()
		defer left.stop()
		left.until("the run's end", func() bool { return left.ended(g.run).State != "" })
		if end := left.ended(g.run); end.State != writ.RunFailed || left.target.mints != 0 {
			t.Errorf("%+v after %d mints", end, left.target.mints)
		}
		wantLeasesClosed(t, left)
		var probes int
		for _, e := range left.control.entries() {
			if p, ok := e.Body.(*writ.ProbeBody); ok {
				probes++
				if !p.NeverMinted || !p.PowerGone || !p.IdentityGone || p.PowerStatus != 0 || p.IdentityStatus != 0 {
					t.Errorf("the probe of a lease that never was: %+v", p)
				}
			}
		}
		if probes != 1 {
			t.Errorf("%d probes recorded", probes)
		}
		leases, err := left.journal.Leases(context.Background(), g.run)
		must(t, err)
		if len(leases) != 1 || !leases[0].Begun.IsZero() || !leases[0].Dead() {
			t.Errorf("%+v", leases)
		}
	})
}

func TestI06ARefusedLeaseIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.control.Refuse = func(e ledger.Entry) *assignment.Refused {
			if e.Record.Kind == writ.EntryLease {
				return &assignment.Refused{Code: writ.ReasonBudget, Detail: "too much at once"}
			}
			return nil
		}
		if end := w.execute(g); end.State != writ.RunFailed || end.Reason != writ.ReasonBudget {
			t.Errorf("%+v", end)
		}
		leases, err := w.journal.Leases(context.Background(), g.run)
		must(t, err)
		if len(leases) != 0 || w.target.mints != 0 {
			t.Errorf("%d mints, leases %+v", w.target.mints, leases)
		}
		for _, e := range w.control.entries() {
			switch e.Record.Kind {
			case writ.EntryLease, writ.EntryRevoke, writ.EntryProbe, writ.EntryStepIntent:
				t.Errorf("the ledger holds a %s of what never was", e.Record.Kind)
			}
		}
	})
}
