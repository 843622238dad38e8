package control_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"path/filepath"
	"sync"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/testbed"
)

// Two replicas share one PostgreSQL and nothing else: each notice is sent by one of them.
func TestOfTwoReplicasOnPostgreSQLOneSends(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL server")
	}
	a, b := newReceiver(t), newReceiver(t)
	w := quietWorld(t, telling(t, a, b))
	replicas := w.replicas()
	for i := range 6 {
		_, err := replicas[i%2].Freeze(w.ctx, human("ann"), writ.FreezeAll, "", "drill")
		must(t, err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 5 {
				if err := replicas[i%2].NotifyOnce(w.ctx, "a"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	keys := map[string]bool{}
	for _, h := range a.got() {
		keys[h.Key] = true
	}
	if len(a.got()) != 6 || len(keys) != 6 {
		t.Errorf("%d notices with %d keys, of 6 freezes", len(a.got()), len(keys))
	}
}

// replicas starts two control planes of the world's configuration on one PostgreSQL; they share nothing else.
func (w *world) replicas() []*control.Control {
	t := w.t
	t.Helper()
	var pg testbed.SharedPostgres
	t.Cleanup(func() { must(t, pg.Close()) })
	state, blobs := pg.Databases(t)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	dir := filepath.Join(t.TempDir(), "signer")
	must(t, signer.Create(dir, origin, key))
	sign, err := signer.Open(dir, origin, key)
	must(t, err)
	t.Cleanup(func() { must(t, sign.Close()) })
	var replicas []*control.Control
	for range 2 {
		s, err := store.Open(w.ctx, store.Config{URL: pg.Server(t).URL(state), BlobURL: pg.Server(t).URL(blobs), Origin: origin, Signer: sign, Now: w.now, Rand: rand.Reader})
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		c := w.config
		c.Store, c.Verifier = s, sign.Verifier()
		ctl, err := control.New(c)
		must(t, err)
		must(t, ctl.Start(w.ctx))
		replicas = append(replicas, ctl)
	}
	return replicas
}
