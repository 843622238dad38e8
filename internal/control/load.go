package control

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// loads lists the services of which anything is in use, and what has to wait. It reads what is in flight or still
// counts, and nothing of the past.
func (c *Control) loads(tx *store.Tx) ([]writ.ServiceLoad, error) {
	by := map[string]*writ.ServiceLoad{}
	of := func(service string) *writ.ServiceLoad {
		l, ok := by[service]
		if !ok {
			l = &writ.ServiceLoad{Service: service}
			by[service] = l
		}
		return l
	}
	held, _, err := find[reservationRow](tx, store.Reservations, store.Filter{})
	if err != nil {
		return nil, err
	}
	for _, r := range held {
		if r.Service != "" {
			l := of(r.Service)
			l.Runs++
			l.Permille += r.Permille
			l.Units += r.Units
		}
	}
	locks, _, err := find[lockRow](tx, store.Locks, store.Filter{})
	if err != nil {
		return nil, err
	}
	for _, r := range locks {
		l := of(r.Service)
		l.Locks = append(l.Locks, r.Lock)
	}
	slots, rows, err := find[slotRow](tx, store.Slots, store.Filter{})
	if err != nil {
		return nil, err
	}
	for i, s := range slots {
		if s.Plan != "" {
			of(rows[i].Key).Open++
		}
	}
	attempts, rows, err := find[attemptRow](tx, store.Attempts, store.Filter{Newest: true})
	if err != nil {
		return nil, err
	}
	recent := map[string][]attemptRow{}
	for i, a := range attempts {
		if a.Object != "" {
			recent[rows[i].Key] = append(recent[rows[i].Key], a)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(recent)) {
		seen := map[string]bool{}
		for _, a := range recent[key] {
			if seen[a.Playbook] {
				continue
			}
			seen[a.Playbook] = true
			if p := c.pauseOf(a.Playbook, recent[key]); p != nil {
				l := of(a.Service)
				l.Cooling = append(l.Cooling, writ.Cooldown{Object: a.Object, Playbook: a.Playbook, Attempts: p.attempts, Reason: p.reason, Until: p.until})
			}
		}
	}
	var out []writ.ServiceLoad
	for _, l := range by {
		slices.SortFunc(l.Locks, func(a, b writ.Lock) int { return cmp.Compare(a.Object, b.Object) })
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b writ.ServiceLoad) int { return strings.Compare(a.Service, b.Service) })
	return out, nil
}
