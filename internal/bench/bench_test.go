package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/bench"
	"github.com/writ-dev/writ/verify"
)

func TestAWholeCycleEndsWithALeaseProvenDead(t *testing.T) {
	r, err := bench.Run(context.Background(), bench.Options{Callers: []int{1, 4}, Time: 300 * time.Millisecond, Past: 20, Dir: t.TempDir()}, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cycles) != 2 || r.Fdatasync.P50 <= 0 || r.Commit.P50 <= 0 || r.Ratio <= 0 || r.Machine.Go == "" {
		t.Errorf("%+v", r)
	}
	for _, c := range r.Cycles {
		if c.Past != 20 || c.Start <= 0 || c.Recovery <= 0 || c.Done < c.Callers || c.Whole.P50 <= 0 || c.Whole.P99 < c.Whole.P50 || c.Entries < int64(10*c.Done) {
			t.Errorf("%+v", c)
		}
	}
}

// What real control plane and runner write together verifies offline without a finding.
func TestR30TheLedgerOfManyCyclesVerifies(t *testing.T) {
	w, bundle, trust := ledgerOf(t, 8, 24)
	defer closed(t, w)
	r, err := verify.Bundle(bytes.NewReader(bundle), trust)
	if err != nil {
		t.Fatal(err)
	}
	if r.Altered.Verdict != verify.OK || r.Authority.Verdict != verify.OK || r.Missing.Verdict == verify.Violated || len(r.Findings) != 0 || r.Entries < 24*16 {
		t.Errorf("%s", r.Text())
	}
}

// ledgerOf makes a world, lets it work and returns its ledger.
func ledgerOf(t testing.TB, callers, cycles int) (*bench.World, []byte, verify.Trust) {
	t.Helper()
	ctx := context.Background()
	w, err := bench.Open(ctx, bench.Place{Dir: t.TempDir()}, callers)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for range cycles / callers {
				if _, err := w.Cycle(ctx, caller); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	bundle, trust, err := w.Audit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return w, bundle, trust
}

func closed(t testing.TB, w *bench.World) {
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkVerify is the offline verification of a ledger of real repairs. It reports µs/entry.
func BenchmarkVerify(b *testing.B) {
	w, bundle, trust := ledgerOf(b, 8, 64)
	defer closed(b, w)
	b.SetBytes(int64(len(bundle)))
	entries := 0
	for b.Loop() {
		r, err := verify.Bundle(bytes.NewReader(bundle), trust)
		if err != nil || len(r.Findings) != 0 {
			b.Fatal(err, r.Text())
		}
		entries += r.Entries
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(entries), "µs/entry")
}

func TestAMeasurementIsBounded(t *testing.T) {
	for name, o := range map[string]bench.Options{
		"no callers": {Time: time.Second}, "no time": {Callers: []int{1}}, "too long": {Callers: []int{1}, Time: time.Hour},
		"nobody": {Callers: []int{0}, Time: time.Second}, "a crowd": {Callers: []int{bench.MaxCallers + 1}, Time: time.Second},
		"a long past": {Callers: []int{1}, Time: time.Second, Past: bench.MaxPast + 1},
	} {
		if _, err := bench.Run(context.Background(), o, func(string) {}); err == nil {
			t.Errorf("%s: it ran", name)
		}
	}
}

// BenchmarkCycle is one whole repair, alert to lease proven dead. It reports p50-µs and p99-µs.
func BenchmarkCycle(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			ctx := context.Background()
			w, err := bench.Open(ctx, bench.Place{Dir: b.TempDir()}, callers)
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := w.Close(); err != nil {
					b.Error(err)
				}
			}()
			if _, err := w.Cycle(ctx, 0); err != nil {
				b.Fatal(err)
			}
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for caller := range callers {
				all.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						s, err := w.Cycle(ctx, caller)
						if err != nil {
							b.Error(err)
							return
						}
						took[i] = s.Dead.Sub(s.Alert)
					}
				})
			}
			all.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-µs")
			b.ReportMetric(float64(took[b.N*99/100].Nanoseconds())/1e3, "p99-µs")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
		})
	}
}

// BenchmarkPast is what the past costs: with so many runs behind it, how long the control plane (start) and the runner
// (recover) take to be ready, a look at everything (glance, inbox), and a whole cycle.
func BenchmarkPast(b *testing.B) {
	for _, past := range []int{0, 1_000, bench.MaxPast} {
		if past > 1_000 && testing.Short() {
			continue
		}
		b.Run(fmt.Sprintf("past=%d", past), func(b *testing.B) {
			ctx := context.Background()
			w, err := bench.Open(ctx, bench.Place{Dir: b.TempDir()}, 1)
			if err != nil {
				b.Fatal(err)
			}
			defer closed(b, w)
			began := time.Now()
			if err := w.Past(ctx, past); err != nil {
				b.Fatal(err)
			}
			b.Logf("%d past runs loaded in %s", past, time.Since(began).Round(time.Millisecond))
			for _, part := range []string{"start", "recover"} {
				b.Run(part, func(b *testing.B) {
					var all time.Duration
					for range b.N {
						control, runner, err := w.Restart(ctx)
						if err != nil {
							b.Fatal(err)
						}
						all += map[string]time.Duration{"start": control, "recover": runner}[part]
					}
					b.ReportMetric(float64(all.Microseconds())/1e3/float64(b.N), "ms/"+part)
				})
			}
			b.Run("glance", func(b *testing.B) {
				for b.Loop() {
					if _, err := w.Glance(ctx); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("cycle", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.Cycle(ctx, 0); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkOpenProposals is what plans cost that nobody has answered yet: the process's heap (MB, after a collection,
// with what an empty one takes), the start, a page of the inbox and a look at everything.
func BenchmarkOpenProposals(b *testing.B) {
	for _, open := range []int{1_000, bench.MaxPast} {
		if open > 1_000 && testing.Short() {
			continue
		}
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			ctx := context.Background()
			w, err := bench.Open(ctx, bench.Place{Dir: b.TempDir()}, 1)
			if err != nil {
				b.Fatal(err)
			}
			defer closed(b, w)
			empty := heap()
			if err := w.OpenProposals(ctx, open); err != nil {
				b.Fatal(err)
			}
			if _, _, err := w.Restart(ctx); err != nil {
				b.Fatal(err)
			}
			full := heap()
			if s, err := w.Glance(ctx); err != nil || s.Waiting != open {
				b.Fatal(s.Waiting, err)
			}
			for b.Loop() {
				if n, err := w.Waiting(ctx, 1); err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(empty, "MB-empty")
			b.ReportMetric(full, "MB-heap")
			b.ReportMetric(heap(), "MB-heap-after")
		})
	}
}

// heap is what is in use after a collection, in megabytes.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// What the benchmarks call the past is what a past is: its ledger verifies, entry by entry.
func TestThePastVerifies(t *testing.T) {
	ctx := context.Background()
	w, err := bench.Open(ctx, bench.Place{Dir: t.TempDir()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, w)
	const past = 230 // more than a batch
	if err := w.Past(ctx, past); err != nil {
		t.Fatal(err)
	}
	bundle, trust, err := w.Audit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Bundle(bytes.NewReader(bundle), trust)
	if err != nil {
		t.Fatal(err)
	}
	if r.Altered.Verdict != verify.OK || r.Authority.Verdict != verify.OK || r.Missing.Verdict == verify.Violated || len(r.Findings) != 0 || r.Entries < past*16 {
		t.Errorf("%s", r.Text())
	}
}

// The past is found again, by nobody's hand: a loaded world starts, sees it, and works on.
func TestAWorldWithAPastStartsAndWorks(t *testing.T) {
	ctx := context.Background()
	w, err := bench.Open(ctx, bench.Place{Dir: t.TempDir()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, w)
	if err := w.Past(ctx, 300); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err := w.Glance(ctx); err != nil || s.LedgerSize < 300*16 || s.Incidents != 0 || s.LeasesAlive != 0 || s.Running != 0 {
		t.Errorf("%+v %v", s, err)
	}
	if _, err := w.Cycle(ctx, 0); err != nil {
		t.Error(err)
	}
	if err := w.OpenProposals(ctx, 120); err != nil {
		t.Fatal(err)
	}
	if n, err := w.Waiting(ctx, 10); err != nil || n != 120 {
		t.Errorf("%d wait, %v", n, err)
	}
	if s, err := w.Glance(ctx); err != nil || s.Waiting != 120 {
		t.Errorf("%d wait at a glance, %v", s.Waiting, err)
	}
}
