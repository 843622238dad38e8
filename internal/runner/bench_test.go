package runner_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

// BenchmarkRun is a whole run against a target that does nothing: judged, spent, one step acknowledged by a ledger in
// memory, acted, revoked, probed, verified and told; planning and granting are left out of the time. State it beside
// the journal's own BenchmarkSpend, which is one durable write.
func BenchmarkRun(b *testing.B) {
	w := newWorld(b)
	w.trust.Ceiling.RunsPerHour = 1 << 30
	w.sign()
	w.start()
	defer w.stop()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		w.target.reset()
		g := w.grant(w.planned("one"))
		b.StartTimer()
		id := w.send(g)
		for {
			if _, ok := w.control.answer(id); ok {
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// BenchmarkJudge is a runner's verdict on a whole bundle, from its feed to the spent grant: a T2 plan with one approval,
// whose grant its agent holds. Two durable writes are in it, of the proof and of the grant; TMPDIR=/dev/shm leaves the disk
// out. Planning, granting and proving are left out of the time.
func BenchmarkJudge(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			w := newWorld(b)
			w.trust.Ceiling.RunsPerHour = 1 << 30
			w.sign()
			r := w.start()
			defer w.stop()
			w.planned("high")
			bundles := make(chan func(int64) assignment.Assignment, b.N)
			for range b.N {
				p, key := w.heldPlan("high")
				h := &held{w.grant(p, w.approve(p, "ann")), w, key}
				h.claims.Writ.Mode = writ.ModeKey
				bundle, at := w.pack(h.issued)
				bundles <- func(seen int64) assignment.Assignment {
					bundle.Proof = h.prove(bundle.Grant, time.Now())
					w.control.mu.Lock()
					defer w.control.mu.Unlock()
					return *w.control.fill(&work{a: assignment.Assignment{V: 1, Kind: assignment.KindRun, Run: &bundle}, leaf: at}, seen)
				}
			}
			close(bundles)
			var mu sync.Mutex
			var took []time.Duration
			var group sync.WaitGroup
			b.ResetTimer()
			for range callers {
				group.Go(func() {
					for hand := range bundles {
						var began time.Time
						err := r.Judge(b.Context(), func(seen int64) assignment.Assignment {
							a := hand(seen)
							began = time.Now()
							return a
						})
						mu.Lock()
						took = append(took, time.Since(began))
						mu.Unlock()
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "judged/s")
		})
	}
}
