package control_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
)

// R27: the bytes of a reading end with their time, and not before their incident; entry, commitment and facts stay.
func TestR27TheBytesOfAReadingEndAndItsEntryStays(t *testing.T) {
	w := newWorld(t, func(c *control.Config) { c.EvidenceRetention = 30 * 24 * time.Hour })
	in := w.incident("shop")
	ev := w.observe(diagnose, in.ID)
	look := func() (writ.Evidence, string) {
		t.Helper()
		must(t, w.ctl.SweepEvidence(w.ctx))
		e, b, err := w.ctl.Evidence(w.ctx, human("ann"), ev.ID)
		must(t, err)
		return e, string(b)
	}
	if e, b := look(); b == "" || !e.KeptUntil.Equal(e.At.Add(30*24*time.Hour)) {
		t.Errorf("at first: %q, kept until %s", b, e.KeptUntil)
	}
	w.pass(31 * 24 * time.Hour)
	if e, b := look(); b == "" || !e.Erased.IsZero() {
		t.Errorf("of an open incident it is %q, erased %s", b, e.Erased)
	}
	_, err := w.ctl.Alert(w.ctx, source, group("group-1", func(g *writ.AlertGroup) { g.Status = "resolved" }))
	must(t, err)
	w.pass(25 * time.Hour)
	entries := w.count(writ.EntryEvidence)
	e, b := look()
	if b != "" || e.Erased.IsZero() || e.Commitment != ev.Commitment || len(e.Facts) == 0 || w.count(writ.EntryEvidence) != entries {
		t.Errorf("afterwards: %q %+v", b, e)
	}
	if _, _, _, err := w.store.Blob(w.ctx, ev.Commitment); err == nil || !strings.Contains(err.Error(), "erased") {
		t.Errorf("the blob: %v", err)
	}
	look() // again harms nothing
}
