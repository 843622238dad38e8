package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// logKeyRow says that the ledger tells of a key. Its id is the digest of the succession.
type logKeyRow struct{ Old, New string }

// Succeed enters in the ledger that another key signs it from now on, once for all replicas and however often it is called.
// From the entry on auditors believe no tree that the new key has not signed. So it returns writ.ErrStale, and has done nothing,
// while the signer does not sign with the new key yet; the caller asks again. The caller has checked the roots' signatures.
func (c *Control) Succeed(ctx context.Context, s ledger.SignedSuccession) error {
	b, err := s.Bytes()
	if err != nil {
		return err
	}
	next, err := ledger.ParseVerifier(s.New)
	if err != nil {
		return err
	}
	note, err := c.Store.Renew(ctx)
	if err != nil {
		return err
	}
	if _, err := next.Open(note); err != nil {
		return fmt.Errorf("%w: the signer does not sign with the new key: restart it", writ.ErrStale)
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		id := writ.DigestOf([]byte(s.Old + "\n" + s.New)).String()
		_, _, err := store.Load[logKeyRow](tx, store.LogKeys, id)
		if err == nil || !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		if _, err := c.append(tx, writ.EntryKeyRotate, "", writ.KeyRotateBody{Old: s.Old, New: s.New, Statement: b}); err != nil {
			return err
		}
		return store.Create(tx, store.LogKeys, store.Row{ID: id}, logKeyRow{s.Old, s.New})
	})
}
