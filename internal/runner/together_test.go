package runner_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

// refusals hands out bundles whose grants are none, so that each run owes one entry: that it was refused.
func (w *world) refusals(n int) (ids []writ.AssignmentID) {
	p := w.planned("two")
	for i := range n {
		g := w.grant(p)
		g.compact = fmt.Sprintf("rubbish.%d.here", i)
		ids = append(ids, w.send(g))
	}
	return ids
}

// Runs that wait while a delivery is on its way travel together in the next one.
func TestRunsThatWaitAreDeliveredTogether(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const runs = 12
		var calls, widest atomic.Int64
		w.control.on(func(point string) error {
			if point == "deliver" {
				calls.Add(1)
				time.Sleep(3 * time.Second)
			}
			return nil
		})
		w.control.Seen = func(d assignment.Delivery) { widest.Store(max(widest.Load(), int64(1+len(d.Also)))) }
		w.start()
		for _, id := range w.refusals(runs) {
			if a := w.await(id); a.Refused == nil {
				t.Errorf("%+v", a)
			}
		}
		if calls.Load() >= runs || widest.Load() < 2 {
			t.Errorf("%d runs took %d deliveries, of at most %d runs", runs, calls.Load(), widest.Load())
		}
	})
}

// What the control plane does not take of one run holds up none of the others that travel with it.
func TestOneRunsFaultIsNotTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		const runs = 6
		w.control.on(func(point string) error {
			if point == "deliver" {
				time.Sleep(3 * time.Second)
			}
			return nil
		})
		var together atomic.Bool
		w.control.Check = func(d assignment.Delivery) error {
			together.Store(together.Load() || len(d.Also) > 0)
			if n := d.Count(); n > 1 { // as if one of them were malformed
				return fmt.Errorf("%w: an entry is none", writ.ErrInvalid)
			}
			return nil
		}
		w.start()
		for _, id := range w.refusals(runs) {
			if a := w.await(id); a.Refused == nil {
				t.Errorf("%+v", a)
			}
		}
		if !together.Load() {
			t.Error("no delivery was of several runs")
		}
		denied := 0
		for _, e := range w.control.entries() {
			if e.Record.Kind == writ.EntryDeny {
				denied++
			}
		}
		if denied != runs {
			t.Errorf("%d of %d refusals are in the ledger", denied, runs)
		}
	})
}
