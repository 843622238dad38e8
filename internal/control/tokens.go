package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// revokedToken is the row of a control-plane token that was revoked. Its jti is random and no secret; the prefix keeps it
// apart from what else is remembered.
func revokedToken(id string) string { return writ.DigestOf([]byte("revoked " + id)).String() }

// Revoke takes a control-plane token back, by its jti, for all replicas. It is durable on return, and forgotten when the
// token has ended by itself. A second call changes nothing.
func (m Memory) Revoke(ctx context.Context, id string, expires time.Time) error {
	_, err := m.First(ctx, revokedToken(id), "revoked", expires)
	return err
}

// Revoked reports whether a control-plane token was taken back.
func (m Memory) Revoked(ctx context.Context, id string) (bool, error) {
	err := m.c.Store.View(ctx, func(tx *store.Tx) error {
		_, err := tx.Get(store.Nonces, revokedToken(id))
		return err
	})
	switch {
	case errors.Is(err, writ.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, nil
}

// GrantUnspent reports whether a grant, named by id and by its exact text, could still be spent: it is not revoked and
// no runner has begun with it. Its expiry is the caller's to check.
func (c *Control) GrantUnspent(ctx context.Context, id writ.GrantID, compact string) (live bool, err error) {
	err = c.Store.View(ctx, func(tx *store.Tx) error {
		g, row, err := store.Load[grantRow](tx, store.Grants, string(id))
		if err != nil {
			return err
		}
		if row.State != stateOn || !writ.DigestOf([]byte(g.Token)).Equal(writ.DigestOf([]byte(compact))) || g.Run == "" {
			return nil
		}
		_, run, err := store.Load[runRow](tx, store.Runs, string(g.Run))
		live = err == nil && run.State == string(writ.RunGranted)
		return err
	})
	if errors.Is(err, writ.ErrNotFound) {
		return false, nil
	}
	return live, err
}
