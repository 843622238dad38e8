package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// Labels of an alert group that Writ reads.
const (
	labelService     = "service"
	labelEnvironment = "environment"
	labelSeverity    = "severity"
	labelName        = "alertname"
)

// severities maps what alert rules commonly say to 1, the worst, to 4.
var severities = map[string]int{
	"critical": 1, "page": 1, "sev1": 1, "1": 1,
	"error": 2, "high": 2, "sev2": 2, "2": 2,
	"warning": 3, "ticket": 3, "sev3": 3, "3": 3,
	"info": 4, "none": 4, "sev4": 4, "4": 4,
}

// Alert opens, updates or resolves the incident of an alert group. One open incident exists per group key, however
// often the source repeats itself, and a bounded number per service: beyond it the source is told to come again, which
// Alertmanager does by itself. Service, environment, owner and severity come from the labels and the service
// catalogue.
func (c *Control) Alert(ctx context.Context, by writ.Principal, g writ.AlertGroup) (writ.Incident, error) {
	if by.Kind != writ.KindService || !by.Valid() {
		return writ.Incident{}, writ.Refuse(writ.ReasonKind, "only a registered alert source may post alerts")
	}
	if err := checkGroup(g); err != nil {
		return writ.Incident{}, err
	}
	service, err := c.Services.Find(label(g, labelService))
	if err != nil {
		return writ.Incident{}, err
	}
	for _, env := range everyLabel(g, labelEnvironment) {
		if env != service.Environment {
			return writ.Incident{}, &writ.Refusal{
				Code: writ.ReasonUnknownService, Kind: writ.ErrInvalid,
				Detail: fmt.Sprintf("label environment says %q, but the service catalogue has %s in %s", writ.Printable(env, 40), service.Name, service.Environment),
			}
		}
	}
	severity, ok := severities[strings.ToLower(label(g, labelSeverity))]
	if !ok {
		return writ.Incident{}, &writ.Refusal{
			Code: writ.ReasonForm, Kind: writ.ErrInvalid,
			Detail: fmt.Sprintf("label severity is %q; allowed: critical, error, warning, info (or sev1 to sev4)", writ.Printable(label(g, labelSeverity), 40)),
		}
	}
	var out writ.Incident
	take := func(tx *store.Tx) error {
		rows, err := tx.Find(store.Incidents, store.Filter{Key: g.GroupKey, State: string(writ.IncidentOpen), Limit: 1})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			if g.Status == statusResolved {
				return nil // nothing is open, and nothing was
			}
			open, err := tx.Find(store.Slots, store.Filter{Key: incidentSlots(service.Name), Limit: c.Limits.OpenIncidents})
			if err != nil {
				return err
			}
			if len(open) >= c.Limits.OpenIncidents {
				return &writ.Refusal{
					Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: afterStorm,
					Detail: fmt.Sprintf("service %s has %d open incidents; that is the limit", service.Name, len(open)),
					Hint:   "send it again later; group the alerts of a service, so that one problem is one incident",
				}
			}
			id, err := newID[writ.IncidentID](c, "inc")
			if err != nil {
				return err
			}
			if err := store.Create(tx, store.Slots, store.Row{ID: string(id), Incident: string(id), Key: incidentSlots(service.Name)}, slotRow{Incident: id}); err != nil {
				return err
			}
			out = writ.Incident{
				ID: id, GroupKey: g.GroupKey, Title: title(g, service.Name), Service: service.Name, Environment: service.Environment,
				Owner: service.Owner, Severity: severity, State: writ.IncidentOpen, OpenedBy: by, OpenedAt: c.now(), Alerts: g.Alerts, Source: sourceOf(g),
			}
			if err := store.Create(tx, store.Incidents, store.Row{ID: string(id), Incident: string(id), State: string(out.State), Key: g.GroupKey}, out); err != nil {
				return err
			}
			return c.incidentEntry(tx, out, g.Intake)
		}
		in, row, err := store.Load[writ.Incident](tx, store.Incidents, rows[0].ID)
		if err != nil {
			return err
		}
		if err := sameSource(in, by, g); err != nil {
			return err
		}
		if in.Service != service.Name {
			return &writ.Refusal{
				Code: writ.ReasonUnknownService, Kind: writ.ErrInvalid,
				Detail: fmt.Sprintf("the open incident of this group is of service %s, not %s", in.Service, service.Name),
			}
		}
		out = in
		changed := severity != in.Severity
		out.Alerts, out.Severity = g.Alerts, severity
		if g.Status == statusResolved {
			if err := in.State.Move(writ.IncidentResolved); err != nil {
				return err
			}
			if err := freeSlot(tx, string(in.ID)); err != nil {
				return err
			}
			at := c.now()
			out.State, out.ResolvedAt, row.State, changed = writ.IncidentResolved, &at, string(writ.IncidentResolved), true
		}
		if err := store.Save(tx, store.Incidents, row, string(in.State), out); err != nil {
			return err
		}
		if !changed {
			return nil
		}
		return c.incidentEntry(tx, out, g.Intake)
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) error { return once(tx, g, c.now(), &out, take) })
	if errors.Is(err, writ.ErrBusy) {
		c.notNow(ctx, "alert", by, writ.ReasonOf(err))
	}
	if err != nil {
		return writ.Incident{}, err
	}
	return out, nil
}

// What an alert group may say of itself.
const (
	statusFiring   = "firing"
	statusResolved = "resolved"
)

// maxGroupKey bounds the text under which an alert source groups: Alertmanager's has a few hundred bytes.
const maxGroupKey = 1 << 10

// ofSource reports whether a group key has the form that the intake gives to those of its sources: nobody else takes one
// before its source does.
func ofSource(key string) bool {
	name, _, found := strings.Cut(key, ":")
	return found && writ.IsName(name)
}

// checkGroup refuses a group that could not be told from another one.
func checkGroup(g writ.AlertGroup) error {
	switch {
	case g.GroupKey == "" || len(g.GroupKey) > maxGroupKey:
		return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("groupKey must have 1 to %d bytes", maxGroupKey)}
	case g.Status != statusFiring && g.Status != statusResolved:
		return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "status must be firing or resolved"}
	case g.Intake == nil && ofSource(g.GroupKey):
		return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "groupKey begins as those of configured sources do, with a name and a colon"}
	}
	return nil
}

// incidentEntry enters what an incident has become; by is nil when no configured source sent it.
func (c *Control) incidentEntry(tx *store.Tx, in writ.Incident, by *writ.Intake) error {
	b := writ.IncidentBody{
		Incident: in.ID, State: in.State, Service: in.Service, Environment: in.Environment, Owner: in.Owner,
		Severity: in.Severity, Alerts: len(in.Alerts),
	}
	if by != nil {
		b.Source, b.Event = by.Source, by.Body
	}
	_, err := c.append(tx, writ.EntryIncident, in.ID, b)
	return err
}

// label returns a label that all alerts of the group share: a common label, or the one that the first alert has.
func label(g writ.AlertGroup, name string) string {
	if v := g.Common[name]; v != "" {
		return v
	}
	if len(g.Alerts) == 0 {
		return ""
	}
	v := g.Alerts[0].Labels[name]
	for _, a := range g.Alerts {
		if a.Labels[name] != v {
			return ""
		}
	}
	return v
}

// everyLabel returns every value that the group, or one of its alerts, gives a label.
func everyLabel(g writ.AlertGroup, name string) []string {
	var out []string
	if v := g.Common[name]; v != "" {
		out = append(out, v)
	}
	for _, a := range g.Alerts {
		if v := a.Labels[name]; v != "" {
			out = append(out, v)
		}
	}
	return out
}

func title(g writ.AlertGroup, service string) string {
	name := label(g, labelName)
	if name == "" && len(g.Alerts) > 0 {
		name = g.Alerts[0].Name
	}
	if name == "" {
		return "alert on " + service
	}
	return writ.Printable(name, 80) + " on " + service
}

// incident returns an open incident.
func openIncident(tx *store.Tx, id writ.IncidentID) (writ.Incident, error) {
	in, _, err := store.Load[writ.Incident](tx, store.Incidents, string(id))
	if errors.Is(err, writ.ErrNotFound) {
		return in, &writ.Refusal{Code: writ.ReasonUnknownIncident, Detail: fmt.Sprintf("there is no incident %s", writ.Printable(string(id), 40)), Kind: writ.ErrNotFound}
	}
	if err != nil {
		return in, err
	}
	if in.State != writ.IncidentOpen {
		return in, writ.Refuse(writ.ReasonIncidentClosed, "the incident is "+string(in.State)+"; only an open incident is worked on")
	}
	return in, nil
}
