package store_test

import (
	"testing"

	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// TestAVersionIsOfOneStateOnly: what was seen in a View is known to stand as long as nothing was committed since, and nothing was
// changed in the transaction that asks.
func TestAVersionIsOfOneStateOnly(t *testing.T) {
	s, err := open(storetest.Setup{Dir: t.TempDir(), Signer: newSigner(t, t.TempDir())})
	must(t, err)
	defer s.Close()
	see := func() (v store.Version) {
		must(t, s.View(t.Context(), func(tx *store.Tx) error { v = tx.Version(); return nil }))
		return v
	}
	change := func(tx *store.Tx, leaf string) error { _, _, err := tx.Append([]byte(leaf)); return err }
	first := see()
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		if !tx.Is(first) {
			t.Error("nothing has changed, and yet it is another state")
		}
		if tx.Is(0) {
			t.Error("no version names a state")
		}
		must(t, change(tx, "a"))
		if tx.Is(first) {
			t.Error("this transaction has changed the state")
		}
		return nil
	}))
	second := see()
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		if tx.Is(first) || !tx.Is(second) {
			t.Error("another transaction has changed the state once")
		}
		return nil
	}))
	must(t, s.View(t.Context(), func(tx *store.Tx) error {
		if tx.Is(tx.Version()) {
			t.Error("a view cannot tell what comes after it")
		}
		return nil
	}))
}
