package control_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/store"
)

func TestTheFirstUseOfACredentialIsRememberedUntilItEnds(t *testing.T) {
	w := newWorld(t)
	m, until := w.ctl.Memory(), w.now().Add(5*time.Minute)
	var calls sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		calls.Go(func() {
			var err error
			if got[i], err = m.First(w.ctx, "a token", fmt.Sprint("key ", i), until); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	for _, v := range got {
		if v != got[0] || v == "" {
			t.Fatalf("two keys were first: %q", got)
		}
	}
	kept := func() (n int) {
		must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
			rows, err := tx.Find(store.Nonces, store.Filter{})
			n = len(rows)
			return err
		}))
		return n
	}
	w.pass(5 * time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	if kept() != 1 {
		t.Errorf("%d are remembered when the token ends", kept())
	}
	w.pass(2 * time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	if kept() != 0 {
		t.Errorf("%d are remembered for ever", kept())
	}
}
