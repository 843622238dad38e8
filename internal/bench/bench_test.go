package bench_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/bench"
	"github.com/writ-dev/writ/internal/testbed"
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

// server is the one PostgreSQL of this package's benchmarks, started by the first that needs it.
var server testbed.SharedPostgres

func TestMain(m *testing.M) {
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// places makes a place of each engine.
var places = []struct {
	engine string
	at     func(t testing.TB) bench.Place
}{
	{"sqlite", func(t testing.TB) bench.Place { return bench.Place{Dir: t.TempDir()} }},
	{"postgres", func(t testing.TB) bench.Place {
		state, blobs := server.Databases(t)
		p := server.Server(t)
		return bench.Place{Dir: t.TempDir(), URL: p.URL(state), BlobURL: p.URL(blobs)}
	}},
}

// The whole cycle, the past and open proposals, on the other engine.
func TestAWholeCycleOnPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("the long version")
	}
	p := places[1].at(t)
	o := bench.Options{Callers: []int{1, 4}, Time: 300 * time.Millisecond, Past: 220, Dir: p.Dir, URL: p.URL, BlobURL: p.BlobURL}
	r, err := bench.Run(context.Background(), o, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Cycles) != 2 || r.Engine != "PostgreSQL" || r.Cycles[1].Done < 4 || r.Cycles[1].Waits <= 0 {
		t.Errorf("%+v", r)
	}
	if _, err := bench.Run(context.Background(), o, func(string) {}); !errors.Is(err, writ.ErrConflict) {
		t.Errorf("a database that is not empty: %v", err)
	}
}

// BenchmarkCycle is one whole repair, alert to lease proven dead. It reports p50-µs and p99-µs, and how often the disk
// was waited for: transactions of store and journal, checkpoints of the signer.
func BenchmarkCycle(b *testing.B) {
	for _, place := range places {
		for _, callers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/callers=%d", place.engine, callers), func(b *testing.B) {
				ctx := context.Background()
				w, err := bench.Open(ctx, place.at(b), callers)
				if err != nil {
					b.Fatal(err)
				}
				defer closed(b, w)
				if _, err := w.Cycle(ctx, 0); err != nil {
					b.Fatal(err)
				}
				took := make([]time.Duration, b.N)
				var next atomic.Int64
				var all sync.WaitGroup
				before := w.Waits()
				b.ReportAllocs()
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
				after := w.Waits()
				slices.Sort(took)
				b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-µs")
				b.ReportMetric(float64(took[b.N*99/100].Nanoseconds())/1e3, "p99-µs")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
				each := func(n int64, unit string) { b.ReportMetric(float64(n)/float64(b.N), unit) }
				each(after.Store-before.Store, "store-tx/cycle")
				each(after.Journal-before.Journal, "journal-tx/cycle")
				each(after.Signer-before.Signer, "checkpoints/cycle")
			})
		}
	}
}

// BenchmarkPast is what the past costs: with so many runs behind it, how long the control plane (start) and the runner
// (recover) take to be ready, a look at everything (glance, inbox), and a whole cycle. With -short at most 1,000.
func BenchmarkPast(b *testing.B) {
	for _, place := range places {
		for _, past := range []int{0, 1_000, bench.MaxPast} {
			if past > 1_000 && testing.Short() {
				continue
			}
			b.Run(fmt.Sprintf("%s/past=%d", place.engine, past), func(b *testing.B) { benchmarkPast(b, place.at(b), past) })
		}
	}
}

func benchmarkPast(b *testing.B, at bench.Place, past int) {
	ctx := context.Background()
	w, err := bench.Open(ctx, at, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer closed(b, w)
	began := time.Now()
	if err := w.Past(ctx, past); err != nil {
		b.Fatal(err)
	}
	b.Logf("%d past runs loaded in %s", past, time.Since(began).Round(time.Millisecond))
	b.Run("start+recover", func(b *testing.B) {
		var start, recovery time.Duration
		for range b.N {
			control, runner, err := w.Restart(ctx)
			if err != nil {
				b.Fatal(err)
			}
			start, recovery = start+control, recovery+runner
		}
		b.ReportMetric(float64(start.Microseconds())/1e3/float64(b.N), "ms/start")
		b.ReportMetric(float64(recovery.Microseconds())/1e3/float64(b.N), "ms/recover")
	})
	b.Run("glance", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.Glance(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("cycle", func(b *testing.B) {
		if _, err := w.Cycle(ctx, 0); err != nil { // what is made once is not measured
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.Cycle(ctx, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOpenProposals is what plans cost that nobody has answered yet: the process's heap after a collection and its
// resident memory, both with what an empty control plane takes, and a page of the inbox (the operation). With -short
// 1,000 of them.
func BenchmarkOpenProposals(b *testing.B) {
	for _, place := range places {
		for _, open := range []int{1_000, bench.MaxPast} {
			if open > 1_000 && testing.Short() {
				continue
			}
			b.Run(fmt.Sprintf("%s/open=%d", place.engine, open), func(b *testing.B) { benchmarkOpen(b, place.at(b), open) })
		}
	}
}

func benchmarkOpen(b *testing.B, at bench.Place, open int) {
	ctx := context.Background()
	w, err := bench.Open(ctx, at, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer closed(b, w)
	if _, _, err := w.Restart(ctx); err != nil { // as below, so that the two compare
		b.Fatal(err)
	}
	emptyHeap, emptyRSS := memory()
	if err := w.OpenProposals(ctx, open); err != nil {
		b.Fatal(err)
	}
	if _, _, err := w.Restart(ctx); err != nil {
		b.Fatal(err)
	}
	heap, rss := memory()
	if s, err := w.Glance(ctx); err != nil || s.Waiting != open {
		b.Fatal(s.Waiting, err)
	}
	for b.Loop() {
		if n, err := w.Waiting(ctx, 1); err != nil || n == 0 {
			b.Fatal(n, err)
		}
	}
	heapAfter, rssAfter := memory()
	for unit, v := range map[string]float64{
		"MB-heap-empty": emptyHeap, "MB-rss-empty": emptyRSS, "MB-heap": heap, "MB-rss": rss, "MB-heap-after": heapAfter, "MB-rss-after": rssAfter,
	} {
		b.ReportMetric(v, unit)
	}
}

// memory is the heap in use after a collection, and what the process has of the machine's memory once it has given back
// what it does not need, in megabytes; the latter on Linux only.
func memory() (heap, resident float64) {
	runtime.GC() // what pools hold goes with the second
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		if _, after, found := strings.Cut(string(status), "VmRSS:"); found {
			var kb float64
			if _, err := fmt.Sscan(after, &kb); err == nil {
				resident = kb / 1024
			}
		}
	}
	return float64(m.HeapAlloc) / (1 << 20), resident
}

// What the benchmarks call the past is what a past is: its ledger verifies, entry by entry.
func TestThePastVerifies(t *testing.T) {
	ctx := context.Background()
	w, err := bench.Open(ctx, bench.Place{Dir: t.TempDir()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, w)
	past := 230 // more than a batch
	if testing.Short() {
		past = 20
	}
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
	past := 300
	if testing.Short() {
		past = 30
	}
	if err := w.Past(ctx, past); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if s, err := w.Glance(ctx); err != nil || s.LedgerSize < int64(past)*16 || s.Incidents != 0 || s.LeasesAlive != 0 || s.Running != 0 {
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
