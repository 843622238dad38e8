package control_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// CAP-05: a runner whose clock went back believes that an expired grant lives. Its first step is refused by the control
// plane's clock, whether or not the sweep has come by; what began in time goes on.
func TestCAP05TheFirstStepOfARunWhoseGrantHasExpiredIsRefused(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	w.pass(5*time.Minute + time.Second)
	d := h.deliver(h.leaseEntry(), h.intent())
	if d.Refused == nil || d.Refused.Code != writ.ReasonGrantExpired {
		t.Errorf("answered %+v", d.Refused)
	}
	if w.count(writ.EntryStepIntent) != 0 || w.count(writ.EntryLease) != 0 || w.glance().LeasesAlive != 0 || w.run(h.b.Run).Started != nil {
		t.Errorf("%d intents, %d leases, begun at %v", w.count(writ.EntryStepIntent), w.count(writ.EntryLease), w.run(h.b.Run).Started)
	}
	must(t, w.ctl.SweepOnce(w.ctx))
	if r := w.run(h.b.Run); r.State != writ.RunExpired || r.Reason != writ.ReasonGrantExpired || reservations(w) != 0 {
		t.Errorf("the run is %s (%s), %d reservations", r.State, r.Reason, reservations(w))
	}
}
