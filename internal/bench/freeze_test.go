package bench_test

import (
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/bench"
)

// BenchmarkFreeze measures how long a freeze takes to bite: go test -run - -bench Freeze -benchtime 200x ./internal/bench.
// It reports quantiles of the time until the control plane refuses every step, and until the runner has the verified
// feed on disk and makes no call.
func BenchmarkFreeze(b *testing.B) {
	w, err := bench.Open(b.Context(), bench.Place{Dir: b.TempDir()}, 1)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			b.Error(err)
		}
	}()
	if _, err := w.Freeze(b.Context()); err != nil { // the runner listens
		b.Fatal(err)
	}
	var refused, heard []time.Duration
	for b.Loop() {
		s, err := w.Freeze(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		refused, heard = append(refused, s.Refused), append(heard, s.Heard)
	}
	for name, all := range map[string][]time.Duration{"refused": refused, "heard": heard} {
		slices.Sort(all)
		ms := func(permille int) float64 {
			return float64(all[(len(all)-1)*permille/1000]) / float64(time.Millisecond)
		}
		b.ReportMetric(ms(500), name+"-p50-ms")
		b.ReportMetric(ms(990), name+"-p99-ms")
	}
}
