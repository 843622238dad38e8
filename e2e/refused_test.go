package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

// TestI17ARunThatIsRefusedUnreadIsNotLeftOpen: a runner without its trust file believes no grant, so it has no run to end. The ledger
// tells of the refused presentation and of the plan's end, and an auditor finds nothing open.
func TestI17ARunThatIsRefusedUnreadIsNotLeftOpen(t *testing.T) {
	t.Parallel()
	x := openHalting(t, nil).bad()
	plan := x.scaleUp()
	must(t, os.Remove(filepath.Join(x.in.Dir, "trust.json")))
	if a := x.approves(plan); a.code != 0 {
		t.Fatalf("the approval: %s", a.err)
	}
	r := x.ends(plan)
	if r.State != writ.RunRefused || r.Reason != writ.ReasonTrustMissing {
		t.Errorf("the run is %s (%s)", r.State, r.Reason)
	}
	if x.denied(writ.ReasonTrustMissing) == 0 || len(x.wire.Changes()) != 0 {
		t.Errorf("%d refusals in the ledger, changes %v", x.denied(writ.ReasonTrustMissing), x.wire.Changes())
	}
	x.verified(t)
	bundle := filepath.Join(t.TempDir(), "all.bundle")
	x.wantCLI(t, 0, you, "ledger", "export", "-f", bundle)
	var report verify.Report
	must(t, json.Unmarshal([]byte(x.run(t, x.dir, "ledger", "verify", bundle, "--trust", x.in.Verify, "-o", "json").out), &report))
	if !report.Complete || len(report.Open) != 0 {
		t.Errorf("left open: %+v", report.Open)
	}
}
