package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// notNowEvery is how long one entry stands for all equal refusals that follow it. A storm of them then costs the ledger six
// entries an hour for each caller and code, whatever its size, and a reader still sees who was turned away, and why.
const notNowEvery = 10 * time.Minute

// notNow records that a caller was told to come again later: by a limit, a lock, a cooldown. Equal refusals, of the same
// call to the same caller with the same code, share the entry of the first one for notNowEvery. What has been said is read
// before anything is written, so that a storm writes nothing. Failures are logged: they change nothing about the refusal.
func (c *Control) notNow(ctx context.Context, what string, by writ.Principal, code writ.Reason) {
	key := writ.DigestOf([]byte("not now " + what + " " + by.String() + " " + string(code))).String()
	said := func(tx *store.Tx) (bool, store.Row, error) {
		row, err := tx.Get(store.Nonces, key)
		if errors.Is(err, writ.ErrNotFound) {
			return false, store.Row{}, nil
		}
		return err == nil && row.Due > millis(c.now()), row, err
	}
	var quiet bool
	err := c.Store.View(ctx, func(tx *store.Tx) (err error) {
		quiet, _, err = said(tx)
		return err
	})
	if err == nil && !quiet {
		err = c.Store.Update(ctx, func(tx *store.Tx) error {
			quiet, row, err := said(tx)
			if quiet || err != nil {
				return err
			}
			until := millis(c.now().Add(notNowEvery))
			if row.ID == "" {
				err = tx.Insert(store.Nonces, store.Row{ID: key, Key: key, Doc: []byte("{}"), Due: until})
			} else { // the sweep has not come by yet
				row.Due = until
				err = tx.Update(store.Nonces, row, row.State)
			}
			if err != nil {
				return err
			}
			e, err := c.append(tx, writ.EntryDeny, "", writ.DenyBody{What: what, By: by, Reason: code})
			if err != nil {
				return err
			}
			return c.turnedDown(tx, by, code, e.hash)
		})
	}
	if err != nil && !errors.Is(err, writ.ErrConflict) { // a conflict: another replica has just said it
		c.Log.Error("a refusal could not be recorded", "what", what, "code", code, "error", err)
	}
}
