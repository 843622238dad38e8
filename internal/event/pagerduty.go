package event

import (
	"encoding/json"
	"time"

	"github.com/writ-dev/writ"
)

// A pagerDuty is PagerDuty's webhook of version 3, with the members that are read; others are ignored, since PagerDuty
// adds some.
type pagerDuty struct {
	Event struct {
		ID         string    `json:"id"`
		Type       string    `json:"event_type"`
		OccurredAt time.Time `json:"occurred_at"`
		Data       struct {
			ID        string    `json:"id"`
			Type      string    `json:"type"`
			Title     string    `json:"title"`
			Urgency   string    `json:"urgency"`
			CreatedAt time.Time `json:"created_at"`
			Service   struct {
				ID string `json:"id"`
			} `json:"service"`
			Priority *struct {
				Summary string `json:"summary"`
			} `json:"priority"`
		} `json:"data"`
	} `json:"event"`
}

// pagerDutyTypes are the events that say whether a problem goes on: true, or is over: false. Others change nothing.
var pagerDutyTypes = map[string]bool{
	"incident.triggered": true, "incident.reopened": true, "incident.acknowledged": true, "incident.unacknowledged": true,
	"incident.escalated": true, "incident.reassigned": true, "incident.delegated": true, "incident.priority_updated": true,
	"incident.resolved": false,
}

// pagerDuty reads one event. Its service is the service's id; its severity the priority's summary, or without a priority
// the urgency.
func (s Source) pagerDuty(body []byte) (Event, said, error) {
	var w pagerDuty
	if err := json.Unmarshal(body, &w); err != nil {
		return Event{}, said{}, s.bad("the body is not JSON of PagerDuty's webhook version 3")
	}
	if !onceEach(body) {
		return Event{}, said{}, s.bad("each member must stand once, at most %d deep", maxDepth)
	}
	v := w.Event
	switch {
	case v.ID == "" || len(v.ID) > maxID:
		return Event{}, said{}, s.bad("event.id must have 1 to %d bytes", maxID)
	case v.Type == "":
		return Event{}, said{}, s.bad("event.event_type is missing")
	case v.OccurredAt.IsZero():
		return Event{}, said{}, s.bad("event.occurred_at is missing")
	}
	firing, known := pagerDutyTypes[v.Type]
	if !known {
		return Event{ID: v.ID, At: v.OccurredAt, Other: true}, said{}, nil
	}
	switch {
	case v.Data.Type != "incident":
		return Event{}, said{}, s.bad("event.data.type must be incident")
	case v.Data.ID == "" || len(v.Data.ID) > maxKey:
		return Event{}, said{}, s.bad("event.data.id must have 1 to %d bytes", maxKey)
	}
	at := v.Data.CreatedAt
	if at.IsZero() {
		at = v.OccurredAt
	}
	severity := v.Data.Urgency
	if v.Data.Priority != nil {
		severity = v.Data.Priority.Summary
	}
	title := writ.Printable(v.Data.Title, maxText)
	return Event{Group: one(v.Data.ID, title, firing, at, nil), ID: v.ID, At: v.OccurredAt}, said{v.Data.Service.ID, severity}, nil
}
