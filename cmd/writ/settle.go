package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// showDoubts prints what people said about an uncertain run, and what is still to be looked at.
func (a *app) showDoubts(s writ.RunStatus) {
	if s.Reverts != "" {
		fmt.Fprintf(a.stdout, "  puts back  %s\n", s.Reverts)
	}
	for _, x := range s.Settled {
		fmt.Fprintf(a.stdout, "  settled    %s as %s by %s at %s: %s\n", x.Step, x.As, who(x.By), clock(x.At), writ.Printable(x.Reason, 200))
	}
	for _, d := range s.Open {
		fmt.Fprintf(a.stdout, "\n  step %d is in doubt: %s\n", d.Number, writ.Printable(d.Title, 200))
		fmt.Fprintf(a.stdout, "    object   %s  uid %s\n    before   version %s\n    call     %s %s: %s%s\n", writ.Printable(string(d.Object.Location), 200), writ.Printable(d.Object.UID, 60),
			writ.Printable(d.Object.Version, 80), writ.Printable(d.Method, 10), writ.Printable(d.Path, 200), d.Effect, undoWord(d.Undo))
		for _, c := range d.Diff {
			fmt.Fprintf(a.stdout, "    change   %s  %s -> %s\n", writ.Printable(c.Path, 120), orAbsent(c.Before), orAbsent(c.After))
		}
		fmt.Fprintf(a.stdout, "    look     %s\n", writ.Printable(d.Look, 600))
		if d.Object.Location.Plane() == "kubernetes" {
			fmt.Fprintf(a.stdout, "             kubectl get --raw '%s'\n", writ.Printable(d.Path, 200))
		}
		fmt.Fprintf(a.stdout, "    then     writ run settle %s --step %d --as applied|not-applied --reason …\n", s.ID, d.Number)
	}
	if len(s.Open) > 0 {
		fmt.Fprintln(a.stdout)
	}
}

func undoWord(s string) string {
	if s == "" {
		return ""
	}
	return ", undo " + writ.Printable(s, 40)
}

func orAbsent(s string) string {
	if s == "" {
		return "(absent)"
	}
	return writ.Printable(s, 200)
}

func runRunSettle(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "run settle", "<run> --step N --as applied|not-applied --reason …", "Says what a step of an uncertain run did, after you have looked. It is said once, and stands in the ledger.")
	r := remoteFlags(f)
	step := f.Int("step", 0, "`number` of the step, from 1")
	as := f.String("as", "", "applied: what the step was to change stands; not-applied: it does not")
	reason := f.String("reason", "", "what you saw")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	effect, ok := map[string]writ.Effect{"applied": writ.Applied, "not-applied": writ.NotApplied}[*as]
	switch {
	case *step < 1 || *step > writ.MaxSteps:
		return &usageError{fmt.Sprintf("--step is a step's number, 1 to %d", writ.MaxSteps), "writ run show " + writ.Printable(rest[0], 40)}
	case !ok:
		return &usageError{"--as is applied or not-applied", "if you cannot tell, leave the run unsettled"}
	case strings.TrimSpace(*reason) == "":
		return &usageError{"--reason is missing", `--reason "replicas is 4 on the cluster"`}
	}
	if err := r.open(); err != nil {
		return err
	}
	id, err := r.findRun(ctx, rest[0])
	if err != nil {
		return err
	}
	s, err := r.Settle(ctx, id, *step, effect, *reason)
	if err != nil {
		return err
	}
	return a.print(r.format, s, func() {
		fmt.Fprintf(a.stdout, "✔ step %d of %s is settled as %s\n", *step, s.ID, *as)
		a.showDoubts(s)
	})
}

func runIncidentUndo(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "incident undo", "<incident> [--run run_…] [--reason …] [--wait=false]", "Puts the runs of an incident back, newest first, each by a plan of its own. Asked again, it goes on where it stopped.")
	r := remoteFlags(f)
	run := f.String("run", "", "the oldest `run` to be put back; all without it")
	reason := f.String("reason", "", "why")
	wait := f.Bool("wait", true, "follow it until it is done or stopped")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	id, err := writ.ParseIncidentID(rest[0])
	if err != nil {
		return &usageError{"an incident is named by its id: inc_ and 26 characters", "writ incident list"}
	}
	if err := r.open(); err != nil {
		return err
	}
	ask := writ.UndoAsk{Because: *reason}
	if *run != "" {
		if ask.Run, err = r.findRun(ctx, *run); err != nil {
			return err
		}
	}
	return a.undo(ctx, r, id, ask, *wait)
}

func runRunUndo(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "run undo", "<run> [--reason …] [--wait=false]", "Puts a run back by a plan of its own. Newer runs of its incident that are not put back yet go first, since they stand on it. Asked again, it goes on where it stopped.")
	r := remoteFlags(f)
	reason := f.String("reason", "", "why")
	wait := f.Bool("wait", true, "follow it until it is done or stopped")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
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
	return a.undo(ctx, r, s.Incident, writ.UndoAsk{Run: id, Because: *reason}, *wait)
}

// undo asks for an undo, follows it if it is to, and prints how far it is.
func (a *app) undo(ctx context.Context, r *remote, id writ.IncidentID, ask writ.UndoAsk, wait bool) error {
	u, err := r.Undo(ctx, id, ask)
	if err != nil {
		return err
	}
	if wait && u.State == writ.UndoOpen {
		shown := map[string]bool{}
		u, err = r.WaitUndo(ctx, id, func(u writ.Undo) {
			for _, x := range u.Runs {
				if line := undoneLine(x); x.Plan != "" && !shown[line] {
					shown[line] = true
					fmt.Fprintln(a.stderr, line)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	err = a.print(r.format, u, func() {
		for _, x := range u.Runs {
			fmt.Fprintln(a.stdout, undoneLine(x))
		}
		if u.State == writ.UndoStopped {
			fmt.Fprintf(a.stdout, "stopped: %s: %s\n  hint: %s\n", u.Reason, writ.Printable(u.Detail, 400), writ.Printable(u.Hint, 400))
		}
	})
	switch {
	case err != nil:
		return err
	case u.State == writ.UndoOpen:
		return &exitError{exitWaiting, ""}
	case u.State != writ.UndoDone:
		return &exitError{exitFailed, ""}
	}
	return nil
}

// undoneLine says how far the undo of one run is.
func undoneLine(x writ.UndoneRun) string {
	s := "waits its turn"
	switch {
	case x.Done:
		s = "✔ put back"
	case x.State == writ.PlanWaiting:
		s = "waits for approval: writ approve " + string(x.Plan)
	case x.Plan != "" && x.By != "":
		s = "run " + string(x.By)
	case x.Plan != "":
		s = string(x.State)
	}
	if x.Reason != "" && !x.Done {
		s += " (" + string(x.Reason) + ")"
	}
	return fmt.Sprintf("%s  %s  %s  %s", x.Run, orDash(string(x.Plan)), s, writ.Printable(x.Title, 100))
}
