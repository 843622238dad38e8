package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// feed returns a freshly signed feed. Its epoch changes only when what it says changes, so that answers which cross on
// their way to a runner do not look like a roll-back.
func (c *Control) feed(ctx context.Context) ([]byte, error) {
	f := assignment.Feed{V: writ.FormatVersion, IssuedAt: c.now()}
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		all, err := freezes(tx)
		if err != nil {
			return err
		}
		for _, z := range all {
			f.Freezes = append(f.Freezes, assignment.Freeze{Scope: z.Scope, Value: z.Value})
		}
		stopped, _, err := find[grantRow](tx, store.Grants, store.Filter{State: stateOff, Newest: true, Limit: maxRevoked})
		for _, g := range stopped {
			if g.Expires.After(c.Now().Add(-time.Minute)) {
				f.Revoked = append(f.Revoked, g.ID)
			}
		}
		if err != nil {
			return err
		}
		f.Epoch, err = epoch(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	b, err := canon.Marshal(f)
	if err != nil {
		return nil, err
	}
	return ledger.SealEnvelope(assignment.FeedType, b, c.Author)
}

// listenPause bounds how often one listener looks at the epoch while commits follow one another: a freeze is heard within
// it, and a busy ledger is not slowed down by those who listen.
const listenPause = 20 * time.Millisecond

// Feed returns the signed feed as soon as its epoch is not the one that the runner knows, or when the wait is over.
func (c *Control) Feed(ctx context.Context, _ writ.RunnerID, ask assignment.Listen) (assignment.Told, error) {
	var now int64
	look := func() (bool, error) {
		err := c.Store.View(ctx, func(tx *store.Tx) error {
			var err error
			now, err = epoch(tx)
			return err
		})
		return now != ask.Epoch, err
	}
	var last time.Time // of the machine's clock: it only paces
	err := c.await(ctx, time.Duration(ask.WaitSeconds)*time.Second, func() (bool, error) {
		if rest := listenPause - time.Since(last); rest > 0 {
			select {
			case <-time.After(rest):
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
		last = time.Now()
		return look()
	})
	if err != nil {
		return assignment.Told{}, err
	}
	signed, err := c.feed(ctx)
	return assignment.Told{Feed: signed}, err
}

// maxRevoked bounds a feed; revoked grants older than their life need not be told.
const maxRevoked = 200

// The row that holds the feed's epoch stands among the freezes, in a state of its own.
const (
	epochID    = "epoch"
	stateEpoch = "epoch"
)

type epochRow struct{ Epoch int64 }

// epoch returns the epoch of what is frozen and revoked now; 0 before the first change.
func epoch(tx *store.Tx) (int64, error) {
	doc, _, err := store.Load[epochRow](tx, store.Freezes, epochID)
	if errors.Is(err, writ.ErrNotFound) {
		return 0, nil
	}
	return doc.Epoch, err
}

// turnEpoch begins a new epoch, named by the ledger's size: it only grows, and each change has an entry.
func turnEpoch(tx *store.Tx) error {
	doc := epochRow{tx.Head()}
	_, row, err := store.Load[epochRow](tx, store.Freezes, epochID)
	if errors.Is(err, writ.ErrNotFound) {
		return store.Create(tx, store.Freezes, store.Row{ID: epochID, State: stateEpoch}, doc)
	}
	if err != nil {
		return err
	}
	return store.Save(tx, store.Freezes, row, stateEpoch, doc)
}
