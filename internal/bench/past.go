package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// MaxPast bounds the past runs of a measurement, and the open proposals: they take some gigabytes of disk.
const MaxPast = 100_000

// pastBatch is how many past runs are written in one transaction: ten thousand rows.
const pastBatch = 200

// The past runs are spread evenly over pastSpan, which ended pastRest ago: the runner still remembers all of them, and no
// window of an hour has any.
const (
	pastSpan = 144 * time.Hour
	pastRest = 2 * time.Hour
)

// Past loads n runs that were carried out over six days. One real repair is made with the clock set back, and the others
// are made from it (template), with everything that stays when a run is over: its rows in the control plane's tables, its
// ledger entries, signed, and its rows in the runner's journal. The ledger verifies (TestThePastVerifies).
func (w *World) Past(ctx context.Context, n int) error {
	if n == 0 {
		return nil
	}
	step := max(time.Second, (pastSpan / time.Duration(n)).Truncate(time.Second))
	t, err := w.example(ctx, pastSpan+pastRest)
	if err != nil {
		return err
	}
	j, err := t.openJournal(ctx, w.journalFile())
	if err != nil {
		return fmt.Errorf("bench: the runner's past: %w", err)
	}
	make1 := func(i int) (copied, error) { return t.copy(time.Duration(i+1) * step) }
	err = t.many(ctx, n, make1, func(all []copied) error {
		return together(func() error { return t.keep(ctx, w.store, all) }, func() error { return j.keep(ctx, all) })
	})
	if err := errors.Join(err, j.close()); err != nil {
		return fmt.Errorf("bench: the past: %w", err)
	}
	return w.again(ctx)
}

// example lets the world carry out one repair with its clock set back, and ends the runner. What is left open is the
// store.
func (w *World) example(ctx context.Context, ago time.Duration) (*template, error) {
	if err := w.Close(); err != nil {
		return nil, err
	}
	w.ago.Store(int64(ago))
	defer w.ago.Store(0)
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	if _, err := w.Cycle(ctx, 0); err != nil {
		return nil, err
	}
	if err := w.quiet(ctx); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // in order: whatever the runner still owed is done
		return nil, err
	}
	if err := w.openStore(ctx); err != nil {
		return nil, err
	}
	return w.read(ctx)
}

// quiet waits until the runner has answered all that it was asked: a cycle ends before the last answer.
func (w *World) quiet(ctx context.Context) error {
	for {
		changed := w.store.Changed() // before looking
		open, err := w.store.Look(ctx, store.Assignments, store.Filter{State: "open", Limit: 1})
		if err != nil || len(open) == 0 {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// again closes the store that example left open, and starts everything.
func (w *World) again(ctx context.Context) error {
	if err := w.Close(); err != nil {
		return err
	}
	return w.start(ctx)
}

// together runs all at once and returns when the last one has ended.
func together(all ...func() error) error {
	errs := make([]error, len(all))
	var running sync.WaitGroup
	for i, f := range all {
		running.Go(func() { errs[i] = f() })
	}
	running.Wait()
	return errors.Join(errs...)
}

// many makes n copies on all processors and hands them on in order, pastBatch at a time.
func (t *template) many(ctx context.Context, n int, make1 func(i int) (copied, error), keep func([]copied) error) error {
	type made struct {
		all []copied
		err error
	}
	batches := make(chan chan made, runtime.GOMAXPROCS(0)) // in order; bounds what is ahead
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(batches)
		for from := 0; from < n; from += pastBatch {
			batch := make(chan made, 1)
			select {
			case batches <- batch:
			case <-ctx.Done():
				return
			}
			go func() {
				var m made
				for i := from; i < min(from+pastBatch, n) && m.err == nil; i++ {
					var c copied
					if c, m.err = make1(i); m.err == nil {
						m.all = append(m.all, c)
					}
				}
				batch <- m
			}()
		}
	}()
	for batch := range batches {
		m := <-batch
		if m.err != nil {
			return m.err
		}
		if err := keep(m.all); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// OpenProposals loads n plans that wait for an approval, each of an incident of its own, with the rows and entries that
// there are by then.
func (w *World) OpenProposals(ctx context.Context, n int) error {
	t, err := w.example(ctx, 0)
	if err != nil {
		return err
	}
	open := map[store.Table]string{store.Incidents: string(writ.IncidentOpen), store.Plans: string(writ.PlanWaiting), store.Evidence: "", store.Proposals: ""}
	var rows []rowMold
	for _, r := range t.rows {
		state, there := open[r.table]
		if !there {
			continue
		}
		if state != "" {
			r.state = mold{parts: [][]byte{[]byte(state)}}
		}
		rows = append(rows, r)
	}
	t.rows = rows
	for i, e := range t.leaves {
		if e.kind == writ.EntryDecision { // it asks for an approval
			t.upto = i + 1
			break
		}
	}
	due := time.Now().Add(time.Hour).UnixMilli()
	make1 := func(i int) (copied, error) {
		c, err := t.copy(time.Duration(i-n) * time.Second)
		for j, r := range t.rows {
			if r.table == store.Plans && err == nil {
				c.rows[j].Due = due
			}
		}
		return c, err
	}
	if err := t.many(ctx, n, make1, func(all []copied) error { return t.keep(ctx, w.store, all) }); err != nil {
		return fmt.Errorf("bench: open proposals: %w", err)
	}
	return w.again(ctx)
}

// Waiting pages through the plans that wait, as a person's inbox does, and returns how many there were on the pages read.
func (w *World) Waiting(ctx context.Context, pages int) (int, error) {
	person := writ.Principal{Kind: writ.KindHuman, Iss: issuer, Sub: "auditor"}
	f := writ.PlanFilter{State: writ.PlanWaiting}
	total := 0
	for range pages {
		some, next, err := w.control.Plans(ctx, person, f)
		if err != nil {
			return total, err
		}
		total += len(some)
		if next == "" {
			break
		}
		f.Cursor = next
	}
	return total, nil
}

// Glance is the control plane at a glance.
func (w *World) Glance(ctx context.Context) (writ.Status, error) { return w.control.Glance(ctx) }

// Sweep acts on the deadlines that have passed, as the server does every second.
func (w *World) Sweep(ctx context.Context) error { return w.control.SweepOnce(ctx) }
