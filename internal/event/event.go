// Package event reads what alert sources send: Alertmanager, PagerDuty webhooks of version 3, CloudEvents 1.0 and plain
// JSON webhooks. It checks that a body comes from its source and turns it into one group of alerts. Which service is
// meant and how bad it is, the source's own mapping says; nothing else in the body is believed for it.
//
// The package is pure: no network, files or clock.
package event

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/writ-dev/writ"
)

// A Form is the shape of what a source sends; closed.
type Form string

const (
	Alertmanager Form = "alertmanager" // webhook version 4
	PagerDuty    Form = "pagerduty"    // webhook version 3
	CloudEvents  Form = "cloudevents"  // 1.0 over HTTP, structured or binary
	Webhook      Form = "webhook"      // JSON whose members the mapping names
)

// Forms are all of them.
var Forms = []Form{Alertmanager, PagerDuty, CloudEvents, Webhook}

// Limits of an event.
const (
	MaxBody   = 1 << 20 // bytes; a webhook of 500 alerts has some hundred kilobytes
	maxText   = 1024    // bytes of one value that a mapping reads: ids and names, no sentences
	maxKey    = 512     // bytes of a group key of a source; the store keeps it once for each incident
	maxID     = 256     // bytes of an event's own id
	maxMapped = 4096    // bytes of an annotation that is kept for people
)

// A Source is one configured source of events. The zero Source takes nothing.
type Source struct {
	Name       string
	Form       Form
	Proof      Proof
	Services   map[string]string // what the source calls a service: its name in the service catalogue
	Severities map[string]int    // what the source says of severity: 1, the worst, to 4
	Severity   int               // of what Severities does not name; 0: such an event is refused
	Pointers   Pointers          // for CloudEvents and Webhook
	Resolved   []string          // values at Pointers.Status that mean: it is over
	Firing     []string          // values that mean: it goes on; others change nothing. Empty: all but Resolved
}

// An Event is one call of a source, read.
type Event struct {
	Group writ.AlertGroup // Common has service and severity in the words of Writ
	ID    string          // the sender's own; empty when it gives none
	At    time.Time       // when it happened, as the sender says; zero when it does not
	Other bool            // it says nothing about whether the problem goes on: nothing is to be done
}

// Read turns a body into an event. header returns a header of the call. The error is one sentence that names the member
// and the rule, and never repeats the body.
func (s Source) Read(body []byte, header func(name string) string) (Event, error) {
	if len(body) > MaxBody || !utf8.Valid(body) {
		return Event{}, s.bad("the body must be UTF-8 of at most %d bytes", MaxBody)
	}
	var e Event
	var said said
	var err error
	switch s.Form {
	case Alertmanager:
		e, said, err = s.alertmanager(body)
	case PagerDuty:
		e, said, err = s.pagerDuty(body)
	case CloudEvents:
		e, said, err = s.cloudEvent(body, header)
	case Webhook:
		e, said, err = s.webhook(body)
	default:
		err = s.bad("the source has no form")
	}
	if err != nil || e.Other {
		return e, err
	}
	return s.mapped(e, said)
}

// said is what an event says of itself, before the mapping has a word.
type said struct{ service, severity string }

// mapped puts service and severity into the words of Writ.
func (s Source) mapped(e Event, x said) (Event, error) {
	if e.Group.GroupKey == "" || len(e.Group.GroupKey) > maxKey {
		return Event{}, s.bad("the value that events are grouped by must have 1 to %d bytes", maxKey)
	}
	if len(e.ID) > maxID {
		return Event{}, s.bad("the event's id must have at most %d bytes", maxID)
	}
	service, ok := s.Services[x.service]
	if !ok {
		r := s.refusal(writ.ReasonUnknownService, "the event's service %q is not in the source's mapping", writ.Printable(x.service, 40))
		r.Hint = "services that are mapped: " + some(slices.Sorted(maps.Keys(s.Services)))
		return Event{}, r
	}
	severity, ok := s.Severities[x.severity]
	if !ok {
		severity = s.Severity
	}
	if severity < writ.SeverityMin || severity > writ.SeverityMax {
		r := s.refusal(writ.ReasonForm, "the event's severity %q is not in the source's mapping", writ.Printable(x.severity, 40))
		r.Hint = "severities that are mapped: " + some(slices.Sorted(maps.Keys(s.Severities)))
		return Event{}, r
	}
	title := e.Group.Common["alertname"]
	e.Group.Common = map[string]string{"service": service, "severity": fmt.Sprint(severity)}
	if title != "" {
		e.Group.Common["alertname"] = title
	}
	return e, nil
}

// some joins a few names.
func some(names []string) string {
	const few = 8
	if len(names) > few {
		names = append(slices.Clone(names[:few]), "…")
	}
	return writ.Printable(strings.Join(names, ", "), 300)
}

func (s Source) refusal(code writ.Reason, format string, args ...any) *writ.Refusal {
	return &writ.Refusal{Code: code, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("source %s: ", s.Name) + fmt.Sprintf(format, args...)}
}

func (s Source) bad(format string, args ...any) error {
	return s.refusal(writ.ReasonForm, format, args...)
}

// alertmanager reads Alertmanager's webhook. The labels service and severity that the alerts share are what it says.
func (s Source) alertmanager(body []byte) (Event, said, error) {
	g, err := ParseAlertmanager(body)
	if err != nil {
		return Event{}, said{}, err
	}
	x := said{shared(g, "service"), shared(g, "severity")}
	if name := shared(g, "alertname"); name != "" {
		g.Common = map[string]string{"alertname": name}
	} else {
		g.Common = nil
	}
	return Event{Group: g}, x, nil
}

// shared returns a label that all alerts of the group have alike.
func shared(g writ.AlertGroup, name string) string {
	v := g.Alerts[0].Labels[name]
	for _, a := range g.Alerts {
		if a.Labels[name] != v {
			return ""
		}
	}
	return v
}

// one is a group of one alert.
func one(key, title string, firing bool, at time.Time, annotations map[string]string) writ.AlertGroup {
	status := "resolved"
	if firing {
		status = "firing"
	}
	return writ.AlertGroup{
		GroupKey: key, Status: status, Common: map[string]string{"alertname": title},
		Alerts: []writ.Alert{{
			Fingerprint: writ.DigestOf([]byte(key)).String()[len("sha256:"):][:16], Name: title, Status: status, StartsAt: writ.Instant(at), Annotations: annotations,
		}},
	}
}
