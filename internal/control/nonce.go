package control

import (
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// replaceNonce keeps a document under a name until it is due, in place of the one before.
func replaceNonce(tx *store.Tx, name string, doc any, due time.Time) error {
	d := writ.DigestOf([]byte(name)).String()
	if err := tx.Delete(store.Nonces, d); err != nil && !errors.Is(err, writ.ErrNotFound) {
		return err
	}
	return store.Create(tx, store.Nonces, store.Row{ID: d, Key: d, Due: millis(due)}, doc)
}

// takeNonce returns what is kept under a name, once, or nil when there is nothing or its time is over.
func takeNonce[T any](tx *store.Tx, name string, now time.Time) (*T, error) {
	d := writ.DigestOf([]byte(name)).String()
	doc, row, err := store.Load[T](tx, store.Nonces, d)
	if errors.Is(err, writ.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := tx.Delete(store.Nonces, d); err != nil || millis(now) >= row.Due {
		return nil, err
	}
	return &doc, nil
}
