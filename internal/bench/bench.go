// Package bench measures what Writ itself costs: the whole cycle from an alert to a lease proven dead, with the real
// control plane, store, signer, policy set and runner in one process, against a connector that does nothing.
//
// Control plane and runner speak over their Go interfaces, so no network is measured; the signer is called in process
// too. Everything that makes Writ's promises costs its price: each commit is synced to the disk, each intent waits for
// a checkpoint that the signer has remembered, and the runner's journal is synced before every act.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/writ-dev/writ"
)

// Options say what to measure.
type Options struct {
	Callers []int         // how many repairs are under way at once, one measurement each
	Time    time.Duration // of each measurement
	Past    int           // runs that the control plane and the runner remember when it begins; 0 to MaxPast
	Dir     string        // where the disk is measured and everything is kept that is not in URL; a directory of its own is made in it
	URL     string        // of an empty PostgreSQL database for state and ledger; empty means SQLite
	BlobURL string        // of another one, for the blobs
}

// Limits of a measurement. Each caller has a service of its own, since a service takes one change at a time.
const (
	MaxCallers = 256
	MaxTime    = 10 * time.Minute
)

// A Report is what was measured, in one run on one machine. Durations are in microseconds.
type Report struct {
	Machine    Machine   `json:"machine"`
	Engine     string    `json:"engine"`        // of the control plane's store: SQLite or PostgreSQL
	Fdatasync  Quantiles `json:"fdatasync"`     // 4 KiB over preallocated space: what the disk asks for one durable write
	Commit     Quantiles `json:"append_commit"` // one ledger entry and one row, durable, one caller
	Ratio      float64   `json:"append_commit_to_fdatasync"`
	Cycles     []Cycles  `json:"cycles"`
	PolicyUsed string    `json:"policy"` // digest
}

// Cycles are the whole cycles of one number of callers.
type Cycles struct {
	Past      int       `json:"past_runs"`
	Start     float64   `json:"start_us"`    // of the control plane: store and ledger opened and checked
	Recovery  float64   `json:"recovery_us"` // of the runner: journal opened and checked, what was left taken over
	Callers   int       `json:"callers"`
	Done      int       `json:"done"`
	Seconds   float64   `json:"seconds"`
	PerSecond float64   `json:"per_second"`
	Whole     Quantiles `json:"whole"`    // alert to lease proven dead
	Evidence  Quantiles `json:"evidence"` // the reading, asked and answered
	Granted   Quantiles `json:"granted"`  // proposal to grant: planning, two decisions, budget
	Run       Quantiles `json:"run"`      // grant to lease proven dead: judgement, call, check, revocation, probe
	Entries   int64     `json:"entries"`  // ledger entries written
	Waits     float64   `json:"waits"`    // a cycle: transactions of store and journal, and checkpoints remembered, each a wait for the disk
}

// Run measures, everything in one world. It removes what it has written, but not what is in databases that it was given.
func Run(ctx context.Context, o Options, say func(string)) (_ Report, err error) {
	if err := o.check(); err != nil {
		return Report{}, err
	}
	dir, err := os.MkdirTemp(o.Dir, "writ-bench-")
	if err != nil {
		return Report{}, fmt.Errorf("%w: %w", writ.ErrUnavailable, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var r Report
	r.Machine = machine(dir)
	if r.Fdatasync, err = fdatasync(dir); err != nil {
		return r, err
	}
	r.Engine = "SQLite"
	if o.URL != "" {
		r.Engine = "PostgreSQL"
	}
	w, err := Open(ctx, Place{Dir: filepath.Join(dir, "world"), URL: o.URL, BlobURL: o.BlobURL}, slices.Max(o.Callers))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if o.Past > 0 {
		say(fmt.Sprintf("%d past runs are loaded …", o.Past))
	}
	if err := w.Past(ctx, o.Past); err != nil {
		return r, err
	}
	for _, n := range o.Callers {
		say(fmt.Sprintf("%d at a time, for %s …", n, o.Time))
		c, err := w.cycles(ctx, n, o, &r)
		if err != nil {
			return r, err
		}
		r.Cycles = append(r.Cycles, c)
	}
	if r.Fdatasync.P50 > 0 {
		r.Ratio = r.Commit.P50 / r.Fdatasync.P50
	}
	return r, nil
}

func (o Options) check() error {
	if len(o.Callers) == 0 || o.Time <= 0 || o.Time > MaxTime {
		return fmt.Errorf("%w: bench: a measurement takes callers, and up to %s", writ.ErrInvalid, MaxTime)
	}
	if (o.URL == "") != (o.BlobURL == "") {
		return fmt.Errorf("%w: bench: PostgreSQL takes two databases, for state and for blobs", writ.ErrInvalid)
	}
	if o.Past < 0 || o.Past > MaxPast {
		return fmt.Errorf("%w: bench: %d past runs; 0 to %d are allowed", writ.ErrInvalid, o.Past, MaxPast)
	}
	for _, n := range o.Callers {
		if n < 1 || n > MaxCallers {
			return fmt.Errorf("%w: bench: %d callers; 1 to %d are allowed", writ.ErrInvalid, n, MaxCallers)
		}
	}
	return nil
}

// cycles measures one number of callers after a new start. The first also measures the store.
func (w *World) cycles(ctx context.Context, callers int, o Options, r *Report) (_ Cycles, err error) {
	start, recovery, err := w.Restart(ctx)
	if err != nil {
		return Cycles{}, err
	}
	if r.Commit.Count == 0 {
		r.PolicyUsed = w.control.Policy.Digest().String()
		if r.Commit, err = commits(ctx, w.store); err != nil {
			return Cycles{}, err
		}
	}
	if _, err := w.Cycle(ctx, 0); err != nil { // what is made once (connections, statements) is not measured
		return Cycles{}, err
	}
	before, err := w.control.Glance(ctx)
	if err != nil {
		return Cycles{}, err
	}
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		spans []Span
		first error
		stop  atomic.Bool
	)
	waited := w.Waits()
	began := time.Now()
	for caller := range callers {
		all.Go(func() {
			for !stop.Load() && time.Since(began) < o.Time && ctx.Err() == nil {
				s, err := w.Cycle(ctx, caller)
				mu.Lock()
				if err != nil {
					stop.Store(true)
					if first == nil {
						first = err
					}
				} else {
					spans = append(spans, s)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if err := errors.Join(first, ctx.Err()); err != nil {
		return Cycles{}, err
	}
	after, err := w.control.Glance(ctx)
	if err != nil {
		return Cycles{}, err
	}
	c := Cycles{Past: o.Past, Start: micros(start), Recovery: micros(recovery), Callers: callers, Done: len(spans), Seconds: took.Seconds(), PerSecond: float64(len(spans)) / took.Seconds(), Entries: after.LedgerSize - before.LedgerSize}
	now := w.Waits()
	c.Waits = float64(now.Store+now.Journal+now.Signer-waited.Store-waited.Journal-waited.Signer) / float64(max(1, len(spans)))
	for _, p := range []struct {
		to *Quantiles
		of func(Span) time.Duration
	}{
		{&c.Whole, func(s Span) time.Duration { return s.Dead.Sub(s.Alert) }}, {&c.Evidence, func(s Span) time.Duration { return s.Read.Sub(s.Open) }},
		{&c.Granted, func(s Span) time.Duration { return s.Granted.Sub(s.Read) }}, {&c.Run, func(s Span) time.Duration { return s.Dead.Sub(s.Granted) }},
	} {
		var ds []time.Duration
		for _, s := range spans {
			ds = append(ds, p.of(s))
		}
		*p.to = quantiles(ds)
	}
	return c, nil
}
