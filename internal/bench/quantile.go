package bench

import (
	"slices"
	"time"
)

// Quantiles of durations, in microseconds.
type Quantiles struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_us"`
	P99   float64 `json:"p99_us"`
}

func quantiles(ds []time.Duration) Quantiles {
	if len(ds) == 0 {
		return Quantiles{}
	}
	slices.Sort(ds)
	at := func(permille int) float64 { return float64(ds[len(ds)*permille/1000].Nanoseconds()) / 1e3 }
	return Quantiles{Count: len(ds), P50: at(500), P99: at(990)}
}

// micros is a duration in microseconds.
func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
