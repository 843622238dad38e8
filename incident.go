package writ

import (
	"fmt"
	"slices"
	"time"
)

// An Incident is one problem, opened by an alert source or a person, never by an agent's word.
type Incident struct {
	ID          IncidentID    `json:"id"`
	GroupKey    string        `json:"group_key"` // deduplicates: one open incident per key
	Title       string        `json:"title"`
	Service     string        `json:"service"`
	Environment string        `json:"environment"`
	Owner       string        `json:"owner"` // team, from the service catalogue
	Severity    int           `json:"severity"`
	State       IncidentState `json:"state"`
	OpenedBy    Principal     `json:"opened_by"`
	OpenedAt    time.Time     `json:"opened_at"`
	ResolvedAt  *time.Time    `json:"resolved_at,omitempty"`
	Alerts      []Alert       `json:"alerts,omitempty"`
	Source      string        `json:"source,omitempty"` // of the configuration, which alone may update it; empty for a service's token
}

// An Alert is one firing alert of an incident. Its labels and annotations are text that others can write.
type Alert struct {
	Fingerprint string            `json:"fingerprint"`
	Name        string            `json:"name"`
	Status      string            `json:"status"` // firing or resolved
	StartsAt    time.Time         `json:"starts_at"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Severity runs from 1, the worst, to 4. Nothing is not a severity.
const (
	SeverityMin = 1
	SeverityMax = 4
)

// IncidentState is closed.
type IncidentState string

const (
	IncidentOpen     IncidentState = "open"
	IncidentResolved IncidentState = "resolved"
)

var incidentMoves = map[IncidentState][]IncidentState{
	IncidentOpen:     {IncidentResolved},
	IncidentResolved: nil,
}

// Move checks that an incident may go from s to next.
func (s IncidentState) Move(next IncidentState) error { return move(incidentMoves, s, next) }

// move looks a pair up in a closed table of states. A pair that is not in the table cannot happen.
func move[S ~string](table map[S][]S, from, to S) error {
	next, known := table[from]
	if !known || !slices.Contains(next, to) {
		return fmt.Errorf("%w: state %q does not lead to %q", ErrConflict, from, to)
	}
	return nil
}
