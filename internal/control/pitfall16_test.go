package control_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/lineage"
)

// relay adds agents that may diagnose and repair: r1, r2 and so on.
func relay(n int) func(*control.Config) {
	return func(c *control.Config) {
		for i := range n {
			name := fmt.Sprintf("r%d", i+1)
			c.Agents = append(c.Agents, writ.Agent{
				Name: name, Iss: idp, Sub: name, Team: "checkout", Owner: writ.Person{Iss: idp, Sub: "rob"}, Roles: []writ.AgentRole{writ.RoleDiagnose, writ.RoleRepair},
			})
		}
	}
}

// relayed is the principal of r1, r2 and so on.
func relayed(n int) writ.Principal {
	return writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: fmt.Sprintf("r%d", n)}
}

// from passes a hop on.
func from(parent writ.HandOffID) func(*writ.HandOffAsk) {
	return func(a *writ.HandOffAsk) { a.Parent = parent }
}

// Pitfall 16: under a hop that does not stand, or is not the caller's, nothing is passed on and nothing is asked for. What is
// refused says so under one code and is an entry, and nothing else comes of it.
func TestPitfall16NothingIsPassedOnOrAskedForUnderAHopThatDoesNotStand(t *testing.T) {
	type world16 struct {
		*world
		in  writ.IncidentID
		ask writ.Ask
	}
	for name, c := range map[string]struct {
		want writ.Reason
		play func(w world16) []error
	}{
		"a revoked parent": {writ.ReasonHandOff, func(w world16) []error {
			first := w.handed(relayed(1), "r2", w.in)
			second := w.handed(relayed(2), "r3", w.in, from(first.ID))
			_, err := w.ctl.RevokeHandOff(w.ctx, relayed(1), first.ID)
			must(w.t, err)
			_, passed := w.hand(relayed(3), "r4", w.in, from(second.ID))
			_, asked := w.ctl.Propose(w.ctx, relayed(3), under(second, w.ask))
			return []error{passed, asked}
		}},
		"an expired parent": {writ.ReasonHandOff, func(w world16) []error {
			first := w.handed(relayed(1), "r2", w.in, func(a *writ.HandOffAsk) { a.Seconds = 60 })
			second := w.handed(relayed(2), "r3", w.in, from(first.ID))
			if !second.Expires.Equal(first.Expires) {
				w.t.Errorf("a hop without an end of its own ends at %s, the one before at %s", second.Expires, first.Expires)
			}
			w.pass(time.Minute)
			_, passed := w.hand(relayed(3), "r4", w.in, from(second.ID))
			_, asked := w.ctl.Propose(w.ctx, relayed(3), under(second, w.ask))
			return []error{passed, asked}
		}},
		"a hop that would outlast its parent": {writ.ReasonHandOff, func(w world16) []error {
			first := w.handed(relayed(1), "r2", w.in, func(a *writ.HandOffAsk) { a.Seconds = 60 })
			_, passed := w.hand(relayed(2), "r3", w.in, from(first.ID), func(a *writ.HandOffAsk) { a.Seconds = 61 })
			return []error{passed}
		}},
		"a sibling's": {writ.ReasonUnknownHandOff, func(w world16) []error {
			one := w.handed(relayed(1), "r2", w.in)
			w.handed(relayed(1), "r3", w.in)
			_, passed := w.hand(relayed(3), "r4", w.in, from(one.ID))
			_, asked := w.ctl.Propose(w.ctx, relayed(3), under(one, w.ask))
			_, giver := w.ctl.Propose(w.ctx, relayed(1), under(one, w.ask)) // who passed it on is no recipient either
			return []error{passed, asked, giver}
		}},
		"depth 4": {writ.ReasonHandOff, func(w world16) []error {
			h := w.handed(relayed(1), "r2", w.in)
			for i := 2; i <= lineage.MaxDepth; i++ {
				h = w.handed(relayed(i), fmt.Sprintf("r%d", i+1), w.in, from(h.ID))
			}
			_, passed := w.hand(relayed(4), "r5", w.in, from(h.ID))
			if passed == nil || !strings.Contains(passed.Error(), "r1 → r2 → r3 → r4 → r5") {
				w.t.Errorf("the refusal does not show the chain: %v", passed)
			}
			return []error{passed}
		}},
		"a loop": {writ.ReasonHandOff, func(w world16) []error {
			first := w.handed(relayed(1), "r2", w.in)
			second := w.handed(relayed(2), "r3", w.in, from(first.ID))
			_, back := w.hand(relayed(3), "r1", w.in, from(second.ID))
			_, giver := w.hand(relayed(3), "r2", w.in, from(second.ID))
			_, self := w.hand(relayed(3), "r3", w.in, from(second.ID))
			return []error{back, giver, self}
		}},
		"another incident": {writ.ReasonHandOff, func(w world16) []error {
			first := w.handed(relayed(1), "r2", w.in)
			lab := w.incident("lab").ID
			_, passed := w.hand(relayed(2), "r3", lab, from(first.ID))
			_, asked := w.ctl.Propose(w.ctx, relayed(2), under(first, w.restart(lab)))
			return []error{passed, asked}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, relay(5))
			in := w.incident("shop").ID
			x := world16{w, in, w.restart(in)}
			errs := c.play(x)
			for i, err := range errs {
				r, ok := errors.AsType[*writ.Refusal](err)
				if !ok || r.Code != c.want || r.Detail == "" {
					t.Errorf("refusal %d is %v, want %s", i+1, err, c.want)
				}
			}
			if n := w.denials("hand off", c.want) + w.denials("propose", c.want); n != len(errs) {
				t.Errorf("%d refusals are in the ledger, want %d", n, len(errs))
			}
			if w.count(writ.EntryProposal) != 0 || w.count(writ.EntryGrant) != 0 {
				t.Errorf("%d proposals, %d grants", w.count(writ.EntryProposal), w.count(writ.EntryGrant))
			}
		})
	}
}
