package control_test

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/control"
	"github.com/writ-dev/writ/internal/enrol"
	"github.com/writ-dev/writ/internal/store"
)

// tokens asks n times, at once and in turn at the replicas, and returns how many were given.
func (w *world) tokens(n int, who writ.Principal, replicas ...*control.Control) (given int64) {
	var all sync.WaitGroup
	var count atomic.Int64
	for i := range n {
		all.Go(func() {
			after, err := replicas[i%len(replicas)].NextToken(w.ctx, who)
			switch {
			case err != nil:
				w.t.Error(err)
			case after == 0:
				count.Add(1)
			case after > time.Minute:
				w.t.Errorf("wait for %s", after)
			}
		})
	}
	all.Wait()
	return count.Load()
}

func TestNHIAnAgentsTokensAreBoundedForAllReplicasTogether(t *testing.T) {
	w := quietWorld(t)
	other := w.again()
	if n := w.tokens(130, repair, w.ctl, other); n != 120 {
		t.Errorf("%d tokens were given, want 120", n)
	}
	if n := w.tokens(2, second, w.ctl, other); n != 2 {
		t.Error("one agent's greed is another's wait")
	}
	w.pass(59 * time.Second)
	if n := w.tokens(1, repair, other); n != 0 {
		t.Error("the window ended too early")
	}
	w.pass(time.Second)
	if n := w.tokens(2, repair, w.ctl, other); n != 2 {
		t.Error("the window did not end")
	}
	w.pass(3 * time.Minute)
	must(t, w.ctl.SweepOnce(w.ctx))
	must(t, w.store.View(w.ctx, func(tx *store.Tx) error {
		rows, err := tx.Find(store.Rates, store.Filter{})
		if len(rows) != 0 {
			t.Errorf("%d rows are kept for ever", len(rows))
		}
		return err
	}))
}

// guesses tries n wrong codes, at once and in turn at the replicas, and returns how many were judged.
func (w *world) guesses(n int, replicas ...*control.Control) (judged int64) {
	key := newKey(w.t)
	wrong, err := enrol.New(serverOf(w), arrival, rand.Reader)
	must(w.t, err)
	ask := w.asks(key, arrival, wrong.Server, wrong.Secret)
	var all sync.WaitGroup
	var count atomic.Int64
	for i := range n {
		all.Go(func() {
			_, err := replicas[i%len(replicas)].Enrol(w.ctx, control.Caller{Key: publicOf(key)}, ask)
			if r, ok := err.(*writ.Refusal); !ok || r.Code != writ.ReasonEnrolment {
				w.t.Errorf("%v", err)
			} else if r.Kind == writ.ErrDenied {
				count.Add(1)
			}
		})
	}
	all.Wait()
	return count.Load()
}

func serverOf(w *world) string {
	code := w.invite("new")
	return code.Server
}

func TestFailedEnrolmentsAreBoundedForAllReplicasTogether(t *testing.T) {
	w := enrolling(t)
	other := w.again()
	if n := w.guesses(12, w.ctl, other); n != 5 {
		t.Errorf("%d codes were judged, want 5", n)
	}
	w.pass(time.Minute)
	for range 8 { // what succeeds does not count
		key := newKey(t)
		code := w.invite("new")
		_, err := other.Enrol(w.ctx, control.Caller{Key: publicOf(key)}, w.asks(key, arrival, code.Server, code.Secret))
		must(t, err)
		_, err = w.ctl.RemoveRunner(w.ctx, human("ann"), "new", "", "again")
		must(t, err)
	}
}

// Two stores on one PostgreSQL, which share nothing else.
func TestLimitsHoldAcrossTwoStoresOnOnePostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL server")
	}
	w := enrolling(t)
	replicas := w.replicas()
	if n := w.tokens(130, repair, replicas...); n != 120 {
		t.Errorf("%d tokens were given, want 120", n)
	}
	if n := w.guesses(10, replicas...); n != 5 {
		t.Errorf("%d codes were judged, want 5", n)
	}
}
