package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/store"
)

// Readers are what Observe can be asked for an open incident: those of its service's targets, or of the one at, in the
// order of targets and catalogues. Who may not read is told none, by the refusal that Observe would give.
func (c *Control) Readers(ctx context.Context, by writ.Principal, incident writ.IncidentID, at writ.Location) ([]writ.ReaderText, error) {
	if _, err := c.asker(ctx, by, writ.RoleDiagnose, writ.RoleRepair); err != nil {
		return nil, err
	}
	var service catalogue.Service
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) { service, err = c.readable(tx, by, incident); return err })
	if err != nil {
		return nil, err
	}
	targets := service.Targets()
	if at != "" {
		if _, err := c.readTarget(service, at); err != nil {
			return nil, err
		}
		targets = []writ.Location{at}
	}
	var out []writ.ReaderText
	for _, l := range targets {
		t, _ := c.target(l) // one that no runner serves has no readers
		for _, r := range t.Catalogue.Readers {
			out = append(out, readerText(l, r))
		}
	}
	return out, nil
}

// readable is the service of an open incident, about which by may read.
func (c *Control) readable(tx *store.Tx, by writ.Principal, incident writ.IncidentID) (catalogue.Service, error) {
	if err := stopped(tx, by); err != nil {
		return catalogue.Service{}, err
	}
	in, err := openIncident(tx, incident)
	if err != nil {
		return catalogue.Service{}, err
	}
	return c.Services.Find(in.Service)
}

// readTarget is one of a service's own targets that a runner serves.
func (c *Control) readTarget(s catalogue.Service, at writ.Location) (Target, error) {
	t, ok := c.target(at)
	switch {
	case at == "":
		return Target{}, &writ.Refusal{Code: writ.ReasonOutOfScope, Detail: fmt.Sprintf("service %s lives on %d targets: name the one to read", s.Name, len(s.Targets())), Hint: "its targets: " + some(s.Targets())}
	case !ok || !slices.Contains(s.Targets(), at):
		return Target{}, &writ.Refusal{Code: writ.ReasonOutOfScope, Detail: fmt.Sprintf("service %s does not live on target %q", s.Name, writ.Printable(string(at), 80)), Hint: "its targets: " + some(s.Targets())}
	}
	return t, nil
}

func readerText(at writ.Location, r connector.Reader) writ.ReaderText {
	out := writ.ReaderText{Target: at, Name: r.Name, Title: r.Title, Takes: []writ.ReaderParameter{}, Facts: []writ.ReaderFact{}, Writable: r.Writable, Fields: r.Fields}
	for _, p := range r.Parameters {
		out.Takes = append(out.Takes, writ.ReaderParameter{Name: p.Name, Title: p.Title, Allowed: p.Allowed(), Optional: p.Optional})
	}
	for _, f := range r.Facts {
		out.Facts = append(out.Facts, writ.ReaderFact{Name: f.Name, Title: f.Title})
	}
	return out
}
