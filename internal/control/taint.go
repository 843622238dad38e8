package control

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/store"
)

// tainted reports whether a text parameter of a proposal was seen only where users of the service, or attackers, can
// write: in a cited reading of such text, and neither in another cited reading nor in the names that the service
// catalogue gives the service. Which parts of a reading others can write is the table of its reader, in the control plane's
// own catalogue. When a reading cannot be looked at, the answer is yes.
func (c *Control) tainted(ctx context.Context, p planRow) (bool, error) {
	var clean, dirty [][]byte
	for _, ref := range p.Proposal.Evidence {
		var ev evidenceRow
		err := c.Store.View(ctx, func(tx *store.Tx) error {
			var err error
			ev, _, err = store.Load[evidenceRow](tx, store.Evidence, string(ref.ID))
			return err
		})
		if err != nil {
			return true, err
		}
		b, _, _, err := c.Store.Blob(ctx, ev.Evidence.Commitment)
		if errors.Is(err, writ.ErrNotFound) {
			return true, nil // erased since
		}
		if err != nil {
			return true, err
		}
		trusted, foreign := c.apart(ev.Evidence.Evidence, b)
		clean, dirty = append(clean, trusted), append(dirty, foreign)
		// What stands in no field that was understood is foreign as well.
		if ev.Evidence.Writable {
			dirty = append(dirty, b)
		}
	}
	service, err := c.Services.Find(p.Service)
	if err != nil {
		return true, err
	}
	known := []string{service.Name, service.Owner}
	for _, l := range service.Locations {
		known = append(known, l.Segments()...)
	}
	for _, v := range p.Proposal.Parameters {
		s, ok := v.Str()
		if !ok || slices.Contains(known, s) {
			continue
		}
		in := func(b []byte) bool { return bytes.Contains(b, []byte(s)) }
		names := func(b []byte) bool { return connector.Names(b, s) }
		if slices.ContainsFunc(dirty, in) && !slices.ContainsFunc(clean, names) {
			return true, nil
		}
	}
	// A number has no owner in a text; its bounds are the playbook's.
	return false, nil
}

// apart takes the bytes of a reading apart by who could have written them. What the runner called writable, and the
// catalogue does not, is foreign as a whole.
func (c *Control) apart(e writ.Evidence, b []byte) (trusted, foreign []byte) {
	r := c.reader(e.Query)
	if e.Writable && !r.Writable {
		return nil, b
	}
	return r.Apart(b)
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
