package control_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/control"
)

// INC-09: what Writ itself rests on is changed by people only, whatever the policy says and wherever in it an object
// lies. The service's own location stands for a catalogue that claims Writ's namespace.
func TestINC09AnAgentCannotTouchWhatWritRestsOn(t *testing.T) {
	at := target + "/shop/deployment/checkout"
	for name, c := range map[string]struct {
		protected writ.Location
		by        writ.Principal
		refuses   bool
	}{
		"the object itself":        {at, repair, true},
		"something above it":       {target + "/shop", repair, true},
		"something within it":      {at + "/pod/signer", repair, true},
		"a name that begins alike": {target + "/sho", repair, false},
		"another namespace":        {target + "/writ-leases", repair, false},
		"asked for by a person":    {target + "/shop", human("bob"), false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c2 *control.Config) { c2.Protected = []writ.Location{target + "/signer", c.protected} })
			s := w.propose(c.by, w.scale(w.incident("shop").ID))
			if c.refuses != (s.State == writ.PlanDenied && s.Reason == writ.ReasonProtected) {
				t.Errorf("%s: %s %s", s.State, s.Reason, s.Detail)
			}
			if c.refuses && w.count(writ.EntryGrant) != 0 {
				t.Error("a grant was issued")
			}
		})
	}
}

// A runner that plans on it all the same is refused, and so is a step of a plan that was granted before the list was
// made longer.
func TestINC09AStepOfAnOlderGrantIsRefusedToo(t *testing.T) {
	w := newWorld(t)
	_, h := w.granted()
	c := w.config
	c.Protected = []writ.Location{target + "/shop"}
	later, err := control.New(c)
	must(t, err)
	d, err := later.Deliver(w.ctx, runnerID, assignment.Delivery{Run: h.b.Run, Entries: [][]byte{h.leaseEntry(), h.intent()}})
	must(t, err)
	if d.Refused == nil || d.Refused.Code != writ.ReasonProtected {
		t.Errorf("%+v", d.Refused)
	}
}
