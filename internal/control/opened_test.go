package control_test

import (
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// Salt and bytes go together: who may read gets both, and can compute what the ledger holds; who may not gets neither; and once
// the bytes are erased nobody does.
func TestR27TheSaltOfAReadingGoesWithItsBytesOnly(t *testing.T) {
	w := newWorld(t, func(c *control.Config) { c.EvidenceRetention = time.Hour })
	in := w.incident("shop")
	ev := w.observe(diagnose, in.ID)
	var entered *writ.EvidenceBody
	for _, e := range w.entries() {
		if b, ok := e.Body.(*writ.EvidenceBody); ok {
			entered = b
		}
	}
	for _, by := range []writ.Principal{human("ann"), diagnose, repair} {
		c, err := w.ctl.OpenedEvidence(w.ctx, by, ev.ID)
		if err != nil || !c.Opens(entered.Commitment) || c.Evidence.ID != ev.ID {
			t.Errorf("%s: %v", by, err)
		}
		c.Bytes[0] ^= 1
		if c.Opens(entered.Commitment) {
			t.Errorf("%s: a changed byte is not found", by)
		}
	}
	for name, by := range map[string]writ.Principal{
		"nobody": {}, "a runner": writ.RunnerID(runnerID).Principal(), "a suspended agent": asleep, "a stranger": {Kind: writ.KindAgent, Iss: idp, Sub: "stranger"},
	} {
		if c, err := w.ctl.OpenedEvidence(w.ctx, by, ev.ID); err == nil || len(c.Salt) != 0 || len(c.Bytes) != 0 {
			t.Errorf("%s gets the salt: %v", name, err)
		}
	}
	if _, err := w.ctl.OpenedEvidence(w.ctx, human("ann"), "ev_01JDB3V0T6M2Y8H4R1C7K5P9WD"); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("no such reading: %v", err)
	}
	_, err := w.ctl.Alert(w.ctx, source, group("group-1", func(g *writ.AlertGroup) { g.Status = "resolved" }))
	must(t, err)
	w.pass(2 * time.Hour)
	must(t, w.ctl.SweepEvidence(w.ctx))
	if c, err := w.ctl.OpenedEvidence(w.ctx, human("ann"), ev.ID); !errors.Is(err, writ.ErrNotFound) || len(c.Salt) != 0 {
		t.Errorf("of an erased reading: %v", err)
	}
}
