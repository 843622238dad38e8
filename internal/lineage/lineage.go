// Package lineage judges hand-offs: what one agent passes on to another, and what the other may ask for under it
// (invariant I11). A hop can only narrow: each field of it lies within the same field of the hop before. Only forms that
// can be compared exactly are taken: exact names, numbers, instants; no patterns. Pure logic: no clock, no store.
package lineage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Limits of hand-offs.
const (
	MaxDepth     = 3                // hops from the first agent: alert to diagnosis to repair is one; three leave room for a specialist on each side
	MaxLife      = 15 * time.Minute // to take one up: as long as an agent's own token
	MaxPlaybooks = 16               // names in one hand-off: nobody who diagnosed something passes on more ways to repair it
)

// Extend checks that a hop may follow the one before it; parent is nil for a first hop. h is complete but for Lineage,
// which it returns.
func Extend(parent *writ.HandOff, h writ.HandOff) ([]writ.Principal, error) {
	if err := whole(h); err != nil {
		return nil, err
	}
	chain := []writ.Principal{h.From}
	if parent != nil {
		if err := within(*parent, h); err != nil {
			return nil, err
		}
		chain = append(slices.Clone(parent.Lineage), h.From)
	}
	switch {
	case len(chain) > MaxDepth:
		return nil, refuse("it would be hop %d of %s; the limit is %d", len(chain), path(chain, h.To), MaxDepth)
	case slices.ContainsFunc(chain, h.To.Same):
		return nil, refuse("%s is a circle: the recipient has had this incident before", path(chain, h.To))
	case repeats(chain):
		return nil, refuse("an agent stands twice in %s", path(chain, h.To))
	}
	return chain, nil
}

// path shows a chain to people: subjects, as a name is all that they can do something with.
func path(chain []writ.Principal, to writ.Principal) string {
	var b strings.Builder
	for _, p := range chain {
		b.WriteString(writ.Printable(p.Sub, 60) + " → ")
	}
	return b.String() + writ.Printable(to.Sub, 60)
}

// whole refuses a hand-off that is not closed and bounded.
func whole(h writ.HandOff) error {
	switch {
	case h.From.Kind != writ.KindAgent || h.To.Kind != writ.KindAgent || !h.From.Valid() || !h.To.Valid():
		return refuse("only an agent hands off, and only to an agent")
	case len(h.Playbooks) == 0 || len(h.Playbooks) > MaxPlaybooks:
		return refuse("playbooks must name 1 to %d playbooks", MaxPlaybooks)
	case !slices.IsSorted(h.Playbooks) || len(slices.Compact(slices.Clone(h.Playbooks))) != len(h.Playbooks):
		return refuse("playbooks must be sorted, each once")
	case h.MaxTier < writ.T1 || h.MaxTier > writ.T4:
		return refuse("max_tier must be 1 to 4")
	case !h.Expires.After(h.At) || h.Expires.Sub(h.At) > MaxLife:
		return refuse("it can be taken up for %s at most", MaxLife)
	}
	for _, p := range h.Playbooks {
		if !writ.IsName(p) {
			return refuse("playbooks are named exactly; %q is no name", writ.Printable(p, 60))
		}
	}
	return nil
}

// within compares a hop with the one before it, field by field.
func within(parent, h writ.HandOff) error {
	switch {
	case h.Parent != parent.ID:
		return refuse("it names another hand-off as the one before")
	case h.Incident != parent.Incident:
		return refuse("it is about another incident than the hand-off before")
	case !h.From.Same(parent.To):
		return refuse("only its recipient passes a hand-off on")
	case !h.At.Before(parent.Expires):
		return refuse("the hand-off before is over")
	case h.Expires.After(parent.Expires):
		return refuse("it would outlast the hand-off before, which ends at %s", parent.Expires.Format(time.RFC3339))
	case h.MaxTier > parent.MaxTier:
		return refuse("max_tier %d is above the %d of the hand-off before", h.MaxTier, parent.MaxTier)
	}
	for _, p := range h.Playbooks {
		if !slices.Contains(parent.Playbooks, p) {
			return refuse("playbook %s was not passed on by the hand-off before", p)
		}
	}
	return nil
}

// Covers reports whether an ask lies within a hand-off: by its recipient, for its incident, in its time.
func Covers(h writ.HandOff, by writ.Principal, incident writ.IncidentID, playbook string, at time.Time) error {
	switch {
	case !h.To.Same(by):
		return &writ.Refusal{Code: writ.ReasonUnknownHandOff, Kind: writ.ErrNotFound, Detail: "there is no such hand-off to you"}
	case h.Incident != incident:
		return refuse("it is about another incident")
	case !at.Before(h.Expires):
		return refuse("it was to be taken up until %s", h.Expires.Format(time.RFC3339))
	case !slices.Contains(h.Playbooks, playbook):
		return &writ.Refusal{Code: writ.ReasonHandOff, Kind: writ.ErrDenied, Detail: fmt.Sprintf("hand-off: playbook %s was not passed on", writ.Printable(playbook, 60)), Hint: fmt.Sprintf("passed on were %v; without hand_off you ask in your own name alone", h.Playbooks)}
	}
	return nil
}

// CoversTier reports whether a plan's tier in force lies within a hand-off.
func CoversTier(h writ.HandOff, t writ.Tier) error {
	if t > h.MaxTier {
		return refuse("the plan counts as tier %d, and what was passed on ends at %d", t, h.MaxTier)
	}
	return nil
}

func repeats(chain []writ.Principal) bool {
	for i, p := range chain {
		if slices.ContainsFunc(chain[:i], p.Same) {
			return true
		}
	}
	return false
}

func refuse(format string, args ...any) error {
	return &writ.Refusal{Code: writ.ReasonHandOff, Kind: writ.ErrDenied, Detail: "hand-off: " + fmt.Sprintf(format, args...), Hint: "a hand-off passes on at most what was passed to you, at most three hops deep"}
}
