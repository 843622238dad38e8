package control

import (
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// A slotRow is the place that an open plan, or an open incident, takes at its service. There is a bounded number of
// places: what could become a prompt never grows with what asks for one (invariant I19).
type slotRow struct {
	Plan     writ.PlanID     `json:",omitempty"`
	Incident writ.IncidentID `json:",omitempty"`
	By       writ.Principal  `json:",omitzero"`
	Repair   string          `json:",omitempty"` // repairOf
	Playbook string          `json:",omitempty"`
}

// incidentSlots is the key under which a service's open incidents stand.
func incidentSlots(service string) string { return "incidents of " + service }

// crowded refuses an agent's ask when the same repair is open already, whoever asked for it and in whatever incident,
// or when as many plans of the service wait as people can look at. People are never kept out by what agents ask for.
func (c *Control) crowded(tx *store.Tx, by writ.Principal, service, repair string) error {
	if by.Kind == writ.KindHuman {
		return nil
	}
	open, _, err := find[slotRow](tx, store.Slots, store.Filter{Key: service})
	if err != nil {
		return err
	}
	agents, mine := 0, 0
	for _, s := range open {
		switch {
		case s.By.Kind == writ.KindHuman:
			continue
		case s.Repair == repair:
			return &writ.Refusal{
				Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: afterBusy,
				Detail: fmt.Sprintf("exactly this repair of %s has been asked for already, and is not decided yet", service),
				Hint:   "wait for what becomes of it; asking again does not hurry it",
			}
		case s.By.Same(by):
			mine++
		}
		agents++
	}
	switch {
	case mine >= c.Limits.OpenPlansEach:
		return &writ.Refusal{
			Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: afterStorm,
			Detail: fmt.Sprintf("you have %d open plans for %s; that is the limit", mine, service), Hint: "wait for them, or withdraw some",
		}
	case agents >= c.Limits.OpenPlans:
		return &writ.Refusal{
			Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: afterStorm,
			Detail: fmt.Sprintf("%d plans for %s are open; that is the limit", agents, service), Hint: "wait until some of them are answered; a person can still ask",
		}
	}
	return nil
}

// freeSlot gives a place back. It is idempotent.
func freeSlot(tx *store.Tx, id string) error {
	if err := tx.Delete(store.Slots, id); err != nil && !errors.Is(err, writ.ErrNotFound) {
		return err
	}
	return nil
}
