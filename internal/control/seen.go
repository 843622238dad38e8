package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// seenEvery is how often it is written down that a runner asks for work. People read it in seconds, and each writing is
// a commit.
const seenEvery = time.Second

// The rows that say when a runner last asked stand among the assignments, in a state of their own.
const (
	seenPrefix = "seen/"
	stateSeen  = "seen"
)

type seenRow struct{ At time.Time }

// saw writes down that a runner asks for work, where every replica finds it.
func (c *Control) saw(ctx context.Context, runner writ.RunnerID) error {
	now := c.now()
	c.mu.Lock()
	last, known := c.seen[runner]
	c.mu.Unlock()
	if known && now.Sub(last) < seenEvery && !now.Before(last) {
		return nil
	}
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		id := seenPrefix + string(runner)
		_, row, err := store.Load[seenRow](tx, store.Assignments, id)
		if errors.Is(err, writ.ErrNotFound) {
			return store.Create(tx, store.Assignments, store.Row{ID: id, State: stateSeen}, seenRow{now})
		}
		if err != nil {
			return err
		}
		return store.Save(tx, store.Assignments, row, stateSeen, seenRow{now})
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[runner] = now
	return nil
}

// lastSeen fills in when the runners last called any replica.
func lastSeen(tx *store.Tx, runners []writ.RunnerStatus) error {
	for i := range runners {
		doc, _, err := store.Load[seenRow](tx, store.Assignments, seenPrefix+string(runners[i].ID))
		switch {
		case errors.Is(err, writ.ErrNotFound):
		case err != nil:
			return err
		default:
			runners[i].LastSeen = &doc.At
		}
	}
	return nil
}
