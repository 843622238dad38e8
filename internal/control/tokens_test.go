package control_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/store"
)

func TestARevokedTokenIsRevokedForAllReplicasUntilItEnds(t *testing.T) {
	w := newWorld(t)
	until := w.now().Add(15 * time.Minute)
	replica, err := control.New(w.config) // on the same store
	must(t, err)
	is := func(m control.Memory, id string, want bool) {
		t.Helper()
		if got, err := m.Revoked(w.ctx, id); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", id, got, err, want)
		}
	}
	is(w.ctl.Memory(), "one", false)
	for range 2 {
		must(t, w.ctl.Memory().Revoke(w.ctx, "one", until))
	}
	is(w.ctl.Memory(), "one", true)
	is(replica.Memory(), "one", true)
	is(replica.Memory(), "two", false)
	w.pass(15 * time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	is(replica.Memory(), "one", true)
	w.pass(2 * time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Nonces, store.Filter{})
		if len(rows) != 0 {
			t.Errorf("%d rows stay for ever", len(rows))
		}
		return err
	}))
}

func TestPitfall17AGrantIsLiveUntilItIsSpentOrRevokedAndByItsOwnTextAlone(t *testing.T) {
	w := newWorld(t)
	plan, held := w.granted()
	grant, compact := held.grant.Grant, held.b.Grant
	is := func(name, text string, want bool) {
		t.Helper()
		if got, err := w.ctl.GrantUnspent(w.ctx, grant, text); err != nil || got != want {
			t.Errorf("%s: %v %v, want %v", name, got, err, want)
		}
	}
	is("issued", compact, true)
	is("another text", compact+"x", false)
	if live, err := w.ctl.GrantUnspent(w.ctx, "gnt_01JDB4A2Q7N5S3J8E6X0F4G1MB", compact); err != nil || live {
		t.Errorf("an unknown id: %v %v", live, err)
	}
	_, err := w.ctl.Stop(w.ctx, repair, plan.Run, "no more")
	must(t, err)
	is("revoked", compact, false)
}
