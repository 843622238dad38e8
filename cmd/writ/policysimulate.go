package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

func runPolicySimulate(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "policy simulate", "[--set dir] [--bundle file] [--since 720h]", "Decides recorded decisions again under another set, and tells what comes out differently, the dangerous first: those among the newest entries of the server's ledger, or those of a bundle. Exit 5 if anything became more permissive.\nThe server records that it was asked. A bundle is taken as it is: writ ledger verify judges it.")
	s, r := policyFlags(f), remoteFlags(f)
	bundle := f.String("bundle", "", "a ledger bundle, `file` (see writ ledger export)")
	since := f.Duration("since", 0, "only decisions of the last `duration`, counted from the newest recorded; default all")
	workers := f.Int("workers", runtime.GOMAXPROCS(0), "how many `goroutines` decide at once")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	start := time.Now()
	sim, err := simulation(ctx, a, s, r, *bundle, *since, *workers)
	if err != nil {
		return err
	}
	took := time.Since(start)
	if err := a.print(r.format, sim, func() { a.simulated(sim, took) }); err != nil {
		return err
	}
	if sim.Wider() {
		return &exitError{exitDiffers, ""}
	}
	return nil
}

// simulation asks the server, or decides the records of a bundle here.
func simulation(ctx context.Context, a *app, s *policySet, r *remote, bundle string, since time.Duration, workers int) (study.Simulation, error) {
	var sim study.Simulation
	if bundle == "" {
		if since != 0 {
			return sim, &usageError{"--since is for a bundle: the server looks at its newest entries", "writ ledger export -f ledger.json, then --bundle ledger.json"}
		}
		sources, err := s.sources()
		if err != nil {
			return sim, err
		}
		if err := r.open(); err != nil {
			return sim, err
		}
		return sim, r.SimulatePolicy(ctx, sources, &sim)
	}
	next, err := s.load()
	if err != nil {
		return sim, err
	}
	raw, err := readLedger(ctx, bundle, r)
	if err != nil {
		return sim, err
	}
	if since <= 0 {
		return study.Replay(next, raw, workers, entriesRead(a.stderr))
	}
	records, err := study.FromFile(raw, entriesRead(a.stderr))
	if err != nil {
		return sim, err
	}
	return study.Simulate(next, lately(records, since), workers), nil
}

// lately keeps the records of the last while before the newest.
func lately(r study.Records, since time.Duration) study.Records {
	if len(r.All) == 0 {
		return r
	}
	newest := r.All[0].At
	for _, x := range r.All {
		if x.At.After(newest) {
			newest = x.At
		}
	}
	var kept []study.Record
	for _, x := range r.All {
		if x.At.After(newest.Add(-since)) {
			kept = append(kept, x)
		}
	}
	r.All = kept
	return r
}

func (a *app) simulated(s study.Simulation, took time.Duration) {
	for _, x := range s.Rows {
		mark := "·"
		if x.Kind.Wider() {
			mark = "!"
		}
		fmt.Fprintf(a.stdout, "%s %-16s %s %s %s of %s\n    before %s\n    after  %s\n", mark, x.Kind, clock(x.At), x.Decision, writ.Printable(x.Playbook, 60), writ.Printable(x.Service, 60), x.Before, x.After)
	}
	if s.RowsLeft > 0 {
		fmt.Fprintf(a.stdout, "and %d more\n", s.RowsLeft)
	}
	fmt.Fprintf(a.stdout, "%d decisions in %s:", s.Records, took.Round(time.Millisecond))
	for _, k := range study.Kinds() {
		fmt.Fprintf(a.stdout, " %s %d,", k, s.Counts[k])
	}
	fmt.Fprintf(a.stdout, " decided above every set %d\n", s.Above)
	if s.Skipped > 0 {
		fmt.Fprintf(a.stdout, "%d decisions could not be decided again: their plan or facts are not in the bundle\n", s.Skipped)
	}
	if s.Alone > 0 {
		fmt.Fprintf(a.stdout, "%d were decided on their playbook alone: their operations were not recorded\n", s.Alone)
	}
	fmt.Fprintln(a.stdout, "each decision is taken by itself: what an earlier answer would have changed is not followed")
}
