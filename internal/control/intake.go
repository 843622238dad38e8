package control

import (
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// An eventRow is what became of one event, until it can no longer be shown again.
type eventRow struct {
	Incident writ.IncidentID    `json:"incident,omitempty"`
	State    writ.IncidentState `json:"state,omitempty"`
}

// once takes an event that has an id at most once. An event that comes again, from a sender that got no answer or from
// somebody who has recorded it, changes nothing and gets the first answer. It is remembered in the transaction that it
// changes, so that one that is refused may come again.
func once(tx *store.Tx, g writ.AlertGroup, out *writ.Incident, take func(*store.Tx) error) error {
	by := g.Intake
	if by == nil || by.Event == "" {
		return take(tx)
	}
	key := writ.DigestOf([]byte("event " + by.Source + " " + by.Event)).String()
	before, _, err := store.Load[eventRow](tx, store.Nonces, key)
	if err == nil {
		*out = writ.Incident{ID: before.Incident, State: before.State}
		return nil
	}
	if !errors.Is(err, writ.ErrNotFound) {
		return err
	}
	if late, err := overtaken(tx, g); err != nil || late {
		return err
	}
	if err := take(tx); err != nil {
		return err
	}
	return store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: millis(by.Keep)}, eventRow{out.ID, out.State})
}

// A latestRow is when the newest event of a group happened.
type latestRow struct{ At time.Time }

// overtaken reports whether a newer event of the group was taken before this one, and otherwise makes this the newest: what
// a sender delivers late neither opens an incident that is over nor closes one that began since.
func overtaken(tx *store.Tx, g writ.AlertGroup) (bool, error) {
	by := g.Intake
	if by.At.IsZero() {
		return false, nil
	}
	key := writ.DigestOf([]byte("group " + g.GroupKey)).String()
	due := millis(by.Keep)
	last, row, err := store.Load[latestRow](tx, store.Nonces, key)
	switch {
	case errors.Is(err, writ.ErrNotFound):
		return false, store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: due}, latestRow{by.At})
	case err != nil || by.At.Before(last.At):
		return err == nil, err
	}
	row.Due = max(row.Due, due)
	return false, store.Save(tx, store.Nonces, row, row.State, latestRow{by.At})
}

// sourceOf is the configured source of a group, or nothing.
func sourceOf(g writ.AlertGroup) string {
	if g.Intake == nil {
		return ""
	}
	return g.Intake.Source
}

// sameSource refuses what another source says about an open incident: nobody closes the incident of another. One that is
// not configured is known by its identity.
func sameSource(in writ.Incident, by writ.Principal, g writ.AlertGroup) error {
	if in.Source == sourceOf(g) && (in.Source != "" || in.OpenedBy.Same(by)) {
		return nil
	}
	return &writ.Refusal{
		Code: writ.ReasonForm, Kind: writ.ErrConflict,
		Detail: fmt.Sprintf("the open incident of this group was opened by another source, and only that updates or resolves it; this is %q", sourceOf(g)),
		Hint:   "let each source use group keys of its own",
	}
}
