package writ

import (
	"fmt"
	"slices"
	"time"
)

// Duties ride on a grant: what whoever uses it owes, besides what it may do. Policy puts them there (docs/policy.md); a
// runner that does not know one of them refuses the grant. They are joined over all rules that speak for the grant: the
// most demanding, and every channel.
type Duties struct {
	VerifyWithin int      `json:"verify_within_seconds,omitempty"` // the checks must hold within, whatever the playbook allows
	Notify       []string `json:"notify,omitempty"`                // channels that are told when the run has ended; sorted
	ReviewWithin int      `json:"review_within_seconds,omitempty"` // a person looks back at the run within, from its end on
}

// Bounds of duties. A playbook waits an hour for its checks at most; a look back after three months finds nobody who
// remembers; and nobody reads nine channels.
const (
	MaxVerifyWithin = time.Hour
	MaxReviewWithin = 90 * 24 * time.Hour
	MaxNotify       = 8
)

// IsZero reports whether nothing is owed.
func (d Duties) IsZero() bool {
	return d.VerifyWithin == 0 && len(d.Notify) == 0 && d.ReviewWithin == 0
}

// Equal reports whether two are the same.
func (d Duties) Equal(o Duties) bool {
	return d.VerifyWithin == o.VerifyWithin && d.ReviewWithin == o.ReviewWithin && slices.Equal(d.Notify, o.Notify)
}

// Join returns what both demand together.
func (d Duties) Join(o Duties) Duties {
	out := Duties{VerifyWithin: sooner(d.VerifyWithin, o.VerifyWithin), ReviewWithin: sooner(d.ReviewWithin, o.ReviewWithin)}
	out.Notify = slices.Compact(slices.Sorted(slices.Values(slices.Concat(d.Notify, o.Notify))))
	return out
}

// sooner returns the shorter time, where 0 is none.
func sooner(a, b int) int {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Check refuses duties that nobody could keep.
func (d Duties) Check() error {
	switch {
	case d.VerifyWithin < 0 || d.VerifyWithin > int(MaxVerifyWithin/time.Second):
		return fmt.Errorf("%w: duties: verify_within_seconds is at most %d", ErrInvalid, int(MaxVerifyWithin/time.Second))
	case d.ReviewWithin < 0 || d.ReviewWithin > int(MaxReviewWithin/time.Second):
		return fmt.Errorf("%w: duties: review_within_seconds is at most %d", ErrInvalid, int(MaxReviewWithin/time.Second))
	case len(d.Notify) > MaxNotify || !slices.IsSorted(d.Notify) || len(slices.Compact(slices.Clone(d.Notify))) != len(d.Notify):
		return fmt.Errorf("%w: duties: notify is a sorted list of at most %d channels", ErrInvalid, MaxNotify)
	}
	for _, c := range d.Notify {
		if !IsName(c) {
			return fmt.Errorf("%w: duties: notify names %q, which is no channel's name", ErrInvalid, Printable(c, 40))
		}
	}
	return nil
}

// Entries about the look back at a run that its grant demands.
const (
	EntryReviewDue EntryKind = "review.due" // it is owed from the run's end on
	EntryReview    EntryKind = "review"     // somebody else than who asked for the run has looked
)

// ReviewDueBody says that a look back is owed. Its ref is the run's grant.
type ReviewDueBody struct {
	Run  RunID     `json:"run"`
	Plan PlanID    `json:"plan"`
	Team string    `json:"team"` // that owes it
	Due  time.Time `json:"due"`
}

// ReviewBody is a person's look back at a run.
type ReviewBody struct {
	Run     RunID         `json:"run"`
	Plan    PlanID        `json:"plan"`
	By      Principal     `json:"by"`
	Verdict ReviewVerdict `json:"verdict"`
	Note    Commitment    `json:"note"`
}

// A Review is the look back at one run, as people see it.
type Review struct {
	Run      RunID         `json:"run"`
	Title    string        `json:"title"`
	Plan     PlanID        `json:"plan"`
	Incident IncidentID    `json:"incident"`
	Service  string        `json:"service"`
	Team     string        `json:"team"`
	State    ReviewState   `json:"state"`
	RunState RunState      `json:"run_state"`
	Asker    Principal     `json:"asker"`
	Due      time.Time     `json:"due"`
	Overdue  bool          `json:"overdue,omitempty"`
	By       Principal     `json:"by,omitzero"`
	At       *time.Time    `json:"at,omitempty"`
	Verdict  ReviewVerdict `json:"verdict,omitempty"`
	Note     string        `json:"note,omitempty"`
}

// ReviewState is closed.
type ReviewState string

const (
	ReviewOwed ReviewState = "owed"
	ReviewMade ReviewState = "made"
)

// ReviewGlance is what the status says of reviews.
type ReviewGlance struct {
	Owed    []RunID `json:"owed"`    // the first due first, at most 100
	Overdue int     `json:"overdue"` // of those
}
