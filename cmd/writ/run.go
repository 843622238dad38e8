package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

func runRunList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "run list", "", "Lists runs, newest first.")
	r := remoteFlags(f)
	state := f.String("state", "", "only this `state`")
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	return printList(a, r.format, r.Runs(ctx, writ.RunFilter{State: writ.RunState(*state)}), "RUN\tSTATE\tREASON\tLEASES\tWHAT", func(s writ.RunStatus) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", s.ID, s.State, orDash(string(s.Reason)), leases(s.Leases), writ.Printable(s.Title, 80))
	})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func leases(ls []writ.Lease) string {
	alive := 0
	for _, l := range ls {
		if !l.Dead() {
			alive++
		}
	}
	return fmt.Sprintf("%d dead, %d alive", len(ls)-alive, alive)
}

func (r *remote) findRun(ctx context.Context, id string) (writ.RunID, error) {
	full, err := writ.ParseRunID(id)
	if err == nil {
		return full, nil
	}
	if len(id) < len("run_")+8 || !strings.HasPrefix(id, "run_") {
		return "", &usageError{"a run is named by its id, or by run_ and the first 8 characters or more", "writ run list"}
	}
	var found []writ.RunID
	for s, err := range r.Runs(ctx, writ.RunFilter{}) {
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(string(s.ID), id) {
			found = append(found, s.ID)
		}
	}
	if len(found) != 1 {
		return "", &usageError{fmt.Sprintf("%d runs begin with %s", len(found), writ.Printable(id, 40)), "writ run list"}
	}
	return found[0], nil
}

func runRunShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "run show", "<run>", "Shows a run with its story.")
	r := remoteFlags(f)
	rest, err := r.opened(f, args, 1)
	if err != nil {
		return err
	}
	id, err := r.findRun(ctx, rest[0])
	if err != nil {
		return err
	}
	s, err := r.Run(ctx, id)
	if err != nil {
		return err
	}
	err = a.print(r.format, s, func() {
		fmt.Fprintf(a.stdout, "%s  %s %s\n  %s\n", s.ID, s.State, s.Reason, writ.Printable(s.Title, 200))
		a.showDoubts(s)
		for _, e := range s.Events {
			fmt.Fprintln(a.stdout, "  "+event(e))
		}
	})
	if err != nil {
		return err
	}
	return runStatusOf(s.Run)
}

// runStatusOf turns how a run stands into the exit status that scripts read.
func runStatusOf(s writ.Run) error {
	switch {
	case s.State == writ.RunUncertain:
		return &exitError{exitUncertain, ""}
	case !s.State.Final():
		return &exitError{exitWaiting, ""}
	case s.State == writ.RunRefused:
		return &exitError{exitDenied, ""}
	case s.State != writ.RunSucceeded:
		return &exitError{exitFailed, ""}
	}
	return nil
}

func runRunWatch(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "run watch", "<run>", "Follows a run until it has ended and its leases are proven dead.")
	r := remoteFlags(f)
	rest, err := r.opened(f, args, 1)
	if err != nil {
		return err
	}
	id, err := r.findRun(ctx, rest[0])
	if err != nil {
		return err
	}
	s, err := r.Run(ctx, id)
	shown := 0
	for err == nil {
		for _, e := range s.Events[shown:] {
			if err := a.print(r.format, e, func() { fmt.Fprintln(a.stdout, event(e)) }); err != nil {
				return err
			}
		}
		shown = len(s.Events)
		if s.State.Final() && !strings.HasSuffix(leases(s.Leases), " 0 alive") {
			fmt.Fprintln(a.stderr, "proving the lease dead …")
		} else if s.State.Final() {
			break
		}
		s, err = r.news(ctx, id, s.Events)
	}
	if err != nil {
		return err
	}
	if r.format == "text" {
		fmt.Fprintf(a.stdout, "%s %s, leases: %s\n", s.State, s.Reason, leases(s.Leases))
	}
	return runStatusOf(s.Run)
}

// news waits until a run has more events than those seen, following the ledger from there on.
func (r *remote) news(ctx context.Context, id writ.RunID, seen []writ.Event) (writ.RunStatus, error) {
	from := int64(0)
	if n := len(seen); n > 0 {
		from = seen[n-1].Index + 1
	}
	for e, err := range r.Watch(ctx, from, "") {
		if err != nil {
			return writ.RunStatus{}, err
		}
		if e.Run == id {
			s, err := r.Run(ctx, id)
			if err != nil || len(s.Events) > len(seen) {
				return s, err
			}
		}
	}
	return writ.RunStatus{}, ctx.Err()
}

func runRunStop(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "run stop", "<run> --reason …", "Stops a run at its next step; what it did is undone.")
	r := remoteFlags(f)
	reason := f.String("reason", "", "why")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *reason == "" {
		return &usageError{"--reason is missing", ""}
	}
	if err := r.open(); err != nil {
		return err
	}
	id, err := r.findRun(ctx, rest[0])
	if err != nil {
		return err
	}
	s, err := r.Stop(ctx, id, *reason)
	if err != nil {
		return err
	}
	return a.print(r.format, s, func() { fmt.Fprintf(a.stdout, "✔ %s stops at its next step\n", s.ID) })
}
