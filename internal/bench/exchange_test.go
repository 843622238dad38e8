package bench_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/bench"
)

// BenchmarkExchange is one exchange of an allowed plan for its grant. What leads up to it is made in between and not
// counted; per-s is how many a caller gets who does nothing else.
func BenchmarkExchange(b *testing.B) {
	for _, place := range places {
		for _, callers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/callers=%d", place.engine, callers), func(b *testing.B) {
				ctx := context.Background()
				w, err := bench.Open(ctx, place.at(b), callers)
				if err != nil {
					b.Fatal(err)
				}
				defer closed(b, w)
				took := make([]time.Duration, b.N)
				var next atomic.Int64
				var all sync.WaitGroup
				for caller := range callers {
					all.Go(func() {
						for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
							d, err := w.Exchange(ctx, caller)
							if err != nil {
								b.Error(err)
								return
							}
							took[i] = d
						}
					})
				}
				all.Wait()
				var sum time.Duration
				for _, d := range took {
					sum += d
				}
				slices.Sort(took)
				b.ReportMetric(0, "ns/op") // of the whole loop, which means nothing
				b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-µs")
				b.ReportMetric(float64(took[b.N*99/100].Nanoseconds())/1e3, "p99-µs")
				b.ReportMetric(float64(b.N)/sum.Seconds(), "per-s")
			})
		}
	}
}

func TestAPlanIsExchangedForItsGrantAgainAndAgain(t *testing.T) {
	ctx := context.Background()
	w, err := bench.Open(ctx, bench.Place{Dir: t.TempDir()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, w)
	for range 3 {
		if took, err := w.Exchange(ctx, 0); err != nil || took <= 0 {
			t.Fatal(took, err)
		}
	}
}
