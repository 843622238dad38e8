package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

const (
	// DefaultRetention is how long the bytes of a reading are kept: a quarter, in which an incident's review is done.
	DefaultRetention = 90 * 24 * time.Hour

	// retainOpen is when evidence of an incident that is still open is looked at again.
	retainOpen = 24 * time.Hour

	// erasedAtOnce bounds how many readings a sweep erases, so that it holds nobody up.
	erasedAtOnce = 20
)

// retention is how long the bytes of a reading are kept.
func (c *Control) retention() time.Duration {
	if c.EvidenceRetention > 0 {
		return c.EvidenceRetention
	}
	return DefaultRetention
}

// SweepEvidence erases bytes and salts of readings whose time is over. What they committed to, their facts and their
// entries stay, and the ledger verifies as before. Readings of an open incident are kept. The bytes go first: when the
// process dies in between, they are erased again.
func (c *Control) SweepEvidence(ctx context.Context) error {
	var due []evidenceRow
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		var err error
		due, _, err = find[evidenceRow](tx, store.Evidence, store.Filter{DueBefore: millis(c.now()) + 1, Limit: erasedAtOnce})
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range due {
		err = errors.Join(err, c.retire(ctx, e.Evidence))
	}
	return err
}

func (c *Control) retire(ctx context.Context, e evidenceDoc) error {
	var open bool
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		in, _, err := store.Load[writ.Incident](tx, store.Incidents, string(e.Incident))
		open = in.State == writ.IncidentOpen
		return err
	})
	if err != nil {
		return err
	}
	if !open {
		if err := c.Store.EraseBlob(ctx, e.Commitment); err != nil && !errors.Is(err, writ.ErrNotFound) {
			return err
		}
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		doc, row, err := store.Load[evidenceRow](tx, store.Evidence, string(e.ID))
		if err != nil {
			return err
		}
		if row.Due = millis(c.now().Add(retainOpen)); !open {
			row.Due, doc.Evidence.Erased = 0, c.now()
		}
		return store.Save(tx, store.Evidence, row, row.State, doc)
	})
}
