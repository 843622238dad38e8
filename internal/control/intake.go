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
func once(tx *store.Tx, g writ.AlertGroup, now time.Time, out *writ.Incident, take func(*store.Tx) error) error {
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
	if late, err := overtaken(tx, g, now); err != nil || late {
		return err
	}
	if err := take(tx); err != nil {
		return err
	}
	return store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: millis(by.Keep)}, eventRow{out.ID, out.State})
}

// A latestRow is when the newest event of a group happened, as its sender says, and when Writ took it. In rows of before there were two
// times, Taken is zero.
type latestRow struct{ At, Taken time.Time }

// ahead reports whether the event was taken before it is said to have happened: one of the two clocks is wrong.
func (r latestRow) ahead() bool { return !r.Taken.IsZero() && r.At.After(r.Taken) }

// happened is when the event happened at the latest.
func (r latestRow) happened() time.Time {
	if r.ahead() {
		return r.Taken
	}
	return r.At
}

// before reports whether one event happened before another. What is said to happen yet has happened by now, so that a sender whose clock
// ran ahead, or whoever had its key, makes none of the later events late. Two of such events are in the order of their own times, for if
// it is Writ's clock that is behind, all events are like that.
// BUG: an event that such a clock dated, and that came only after its time, counts as newer than one which was taken before that time.
func (r latestRow) before(other latestRow) bool {
	if r.ahead() && other.ahead() {
		return r.At.Before(other.At)
	}
	return r.happened().Before(other.happened())
}

// overtaken reports whether a newer event of the group was taken before this one, and otherwise makes this the newest: what
// a sender delivers late neither opens an incident that is over nor closes one that began since. Of two events of one time,
// the second to come is the newer.
func overtaken(tx *store.Tx, g writ.AlertGroup, now time.Time) (bool, error) {
	by := g.Intake
	if by.At.IsZero() {
		return false, nil
	}
	key := writ.DigestOf([]byte("group " + g.GroupKey)).String()
	due := millis(by.Keep)
	this := latestRow{At: by.At, Taken: now}
	last, row, err := store.Load[latestRow](tx, store.Nonces, key)
	switch {
	case errors.Is(err, writ.ErrNotFound):
		return false, store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: due}, this)
	case err != nil || this.before(last):
		return err == nil, err
	}
	row.Due = max(row.Due, due)
	return false, store.Save(tx, store.Nonces, row, row.State, this)
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
