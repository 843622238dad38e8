package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// A Memory remembers what credentials were used with, for all replicas: rows beside the used statements of approvals.
type Memory struct{ c *Control }

// Memory returns the control plane's memory of credentials.
func (c *Control) Memory() Memory { return Memory{c} }

type memoryRow struct{ Value string }

// memoryMargin keeps a row a little longer than its credential is good: replicas' clocks differ.
const memoryMargin = time.Minute

// First keeps value under key until the time given, unless something is kept there already, and returns what is kept
// there. It is atomic over all replicas, and durable when it returns. What is there already is only read, so that a token
// that comes again costs no write.
func (m Memory) First(ctx context.Context, key, value string, until time.Time) (string, error) {
	var kept memoryRow
	look := func(tx *store.Tx) (err error) {
		kept, _, err = store.Load[memoryRow](tx, store.Nonces, key)
		return err
	}
	err := m.c.Store.View(ctx, look)
	if !errors.Is(err, writ.ErrNotFound) {
		return kept.Value, err
	}
	err = m.c.Store.Update(ctx, func(tx *store.Tx) error {
		if err := look(tx); !errors.Is(err, writ.ErrNotFound) {
			return err // another came first
		}
		kept = memoryRow{value}
		return store.Create(tx, store.Nonces, store.Row{ID: key, Key: key, Due: millis(until.Add(memoryMargin))}, kept)
	})
	return kept.Value, err
}
