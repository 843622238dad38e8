package control

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/playbook"
	"github.com/writ-dev/writ/internal/store"
)

// tainted reports whether nothing vouches for a parameter while text that users of the service, or attackers, write is in
// play. What vouches is the part of a cited reading that only the target and its owners write, the names that the service
// catalogue gives the service, and the playbook itself, where it lists the values; numbers have its bounds. In play is a reading
// of such text in this incident, cited or not, and what the incident's alerts say. The value need not stand there: an agent that
// was talked into it may have put it together, or spelt it otherwise. When a reading cannot be looked at, the answer is yes.
func (c *Control) tainted(ctx context.Context, p planRow) (bool, error) {
	service, err := c.Services.Find(p.Service)
	if err != nil {
		return true, err
	}
	vouch := []string{service.Name, service.Owner}
	for _, l := range service.Locations {
		vouch = append(vouch, l.Segments()...)
	}
	var clean [][]byte
	for _, ref := range p.Proposal.Evidence {
		b, err := c.trusted(ctx, ref.ID)
		if errors.Is(err, writ.ErrNotFound) {
			return true, nil // erased since
		}
		if err != nil {
			return true, err
		}
		clean = append(clean, b)
	}
	var alone []string
	for name, v := range p.Proposal.Parameters {
		s, ok := v.Str()
		if !ok || slices.Contains(vouch, s) || c.listed(p.Proposal.Playbook.Name, name) {
			continue
		}
		if !slices.ContainsFunc(clean, func(b []byte) bool { return connector.Names(b, s) }) {
			alone = append(alone, s)
		}
	}
	if len(alone) == 0 {
		return false, nil
	}
	foreign, err := c.foreign(ctx, p.Proposal.Incident, alone)
	return foreign || err != nil, err
}

// listed reports whether the playbook's owner has listed the values of a parameter.
func (c *Control) listed(book, name string) bool {
	return slices.ContainsFunc(c.Library[book].Playbook.Parameters, func(p playbook.Parameter) bool { return p.Name == name && p.Type == connector.TypeEnum })
}

// trusted is what of a reading only the target and its owners write. Of what the runner called writable, and the catalogue does
// not, that is nothing.
func (c *Control) trusted(ctx context.Context, id writ.EvidenceID) ([]byte, error) {
	var ev evidenceRow
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		ev, _, err = store.Load[evidenceRow](tx, store.Evidence, string(id))
		return err
	})
	if err != nil {
		return nil, err
	}
	b, _, _, err := c.Store.Blob(ctx, ev.Evidence.Commitment)
	if err != nil {
		return nil, err
	}
	e := ev.Evidence.Evidence
	r := c.reader(e.Query)
	if e.Writable && !r.Writable {
		return nil, nil
	}
	return r.Trusted(b), nil
}

// foreign reports whether text that others write was read in an incident, or its alerts say one of these values.
func (c *Control) foreign(ctx context.Context, incident writ.IncidentID, values []string) (bool, error) {
	var out bool
	return out, c.Store.View(ctx, func(tx *store.Tx) error {
		in, _, err := store.Load[writ.Incident](tx, store.Incidents, string(incident))
		if err != nil {
			return err
		}
		all, _, err := find[evidenceRow](tx, store.Evidence, store.Filter{Incident: string(incident), Limit: maxEvidencePerCase})
		out = len(all) >= maxEvidencePerCase || slices.ContainsFunc(all, func(e evidenceRow) bool { return e.Evidence.Writable }) || slices.ContainsFunc(in.Alerts, func(a writ.Alert) bool { return mentions(a, values) })
		return err
	})
}

// mentions reports whether an alert's labels or annotations have one of these values, in whatever case.
func mentions(a writ.Alert, values []string) bool {
	for _, set := range []map[string]string{a.Labels, a.Annotations} {
		for _, text := range set {
			if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(v)) }) {
				return true
			}
		}
	}
	return false
}

// reader is the control plane's own description of a reader. One that it does not know writes nothing but foreign text.
func (c *Control) reader(q writ.Query) connector.Reader {
	t, ok := c.target(q.Target)
	r, known := t.Catalogue.Reader(q.Reader)
	if !ok || !known {
		return connector.Reader{Name: q.Reader, Writable: true}
	}
	return r
}
