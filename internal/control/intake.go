package control

import (
	"errors"
	"fmt"

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
func once(tx *store.Tx, by *writ.Intake, out *writ.Incident, take func(*store.Tx) error) error {
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
	if err := take(tx); err != nil {
		return err
	}
	return store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: millis(by.Keep)}, eventRow{out.ID, out.State})
}

// sourceOf is the configured source of a group, or nothing.
func sourceOf(g writ.AlertGroup) string {
	if g.Intake == nil {
		return ""
	}
	return g.Intake.Source
}

// sameSource refuses what another source says about an open incident: nobody closes the incident of another.
func sameSource(in writ.Incident, g writ.AlertGroup) error {
	if in.Source == sourceOf(g) {
		return nil
	}
	return &writ.Refusal{
		Code: writ.ReasonForm, Kind: writ.ErrConflict,
		Detail: fmt.Sprintf("the open incident of this group was opened by another source, and only that updates or resolves it; this is %q", sourceOf(g)),
		Hint:   "let each source use group keys of its own",
	}
}
