package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
)

// A grantLine is one grant as the command line shows it: a grant has one run, whose state says what became of it.
type grantLine struct {
	Grant    writ.GrantID    `json:"grant"`
	State    string          `json:"state"` // open, revoked, used or over
	Plan     writ.PlanID     `json:"plan"`
	Run      writ.RunID      `json:"run"`
	RunState writ.RunState   `json:"run_state"`
	Runner   writ.RunnerID   `json:"runner"`
	Incident writ.IncidentID `json:"incident"`
}

// grantStates are the words of a grant's state.
var grantStates = []string{"open", "revoked", "used", "over"}

func grantOf(r writ.RunStatus) grantLine {
	g := grantLine{Grant: r.Grant, State: "used", Plan: r.Plan, Run: r.ID, RunState: r.State, Runner: r.Runner, Incident: r.Incident}
	switch {
	case r.State == writ.RunGranted && r.Stop:
		g.State = "revoked"
	case r.State == writ.RunGranted:
		g.State = "open"
	case r.State == writ.RunRefused || r.State == writ.RunExpired:
		g.State = "over" // unused
	}
	return g
}

func runGrantList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "grant list", "[--state open|revoked|used|over]", "Lists grants, newest first. A grant is for one run and nothing else; it is never shown itself.")
	r := remoteFlags(f)
	state := f.String("state", "", "only this `state`: open, revoked, used or over (expired or refused, unused)")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if *state != "" && !slices.Contains(grantStates, *state) {
		return &usageError{fmt.Sprintf("--state %s is unknown", writ.Printable(*state, 30)), "use --state open, revoked, used or over"}
	}
	if err := r.open(); err != nil {
		return err
	}
	some := func(yield func(grantLine, error) bool) {
		for x, err := range r.Runs(ctx, writ.RunFilter{}) {
			g := grantOf(x)
			if (err != nil || *state == "" || g.State == *state) && !yield(g, err) {
				return
			}
		}
	}
	return printList(a, r.format, some, "GRANT\tSTATE\tPLAN\tRUN\tITS RUN IS\tRUNNER", func(g grantLine) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", g.Grant, g.State, g.Plan, g.Run, g.RunState, writ.Printable(string(g.Runner), 80))
	})
}

func runGrantShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "grant show", "<grant>", "Shows one grant: its plan, its run, and whether it can still be used.")
	r := remoteFlags(f)
	g, err := r.grant(ctx, f, args)
	if err != nil {
		return err
	}
	return a.printGrant(r.format, g)
}

func runGrantRevoke(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "grant revoke", "<grant> --reason …", "Revokes a grant. A run that has not begun never will; one that has stops at its next step and is undone.")
	r := remoteFlags(f)
	reason := f.String("reason", "", "why")
	g, err := r.grant(ctx, f, args)
	if err != nil {
		return err
	}
	if *reason == "" {
		return &usageError{"--reason is missing", fmt.Sprintf(`writ grant revoke %s --reason "the wrong service"`, g.Grant)}
	}
	s, err := r.Stop(ctx, g.Run, *reason)
	if err != nil {
		return err
	}
	return a.printGrant(r.format, grantOf(s))
}

// grant finds the grant that the arguments name.
func (r *remote) grant(ctx context.Context, f *flags, args []string) (grantLine, error) {
	rest, err := f.parse(args, 1)
	if err != nil {
		return grantLine{}, err
	}
	id, err := writ.ParseGrantID(rest[0])
	if err != nil {
		return grantLine{}, &usageError{"a grant is named by its id: gnt_ and 26 characters", "writ grant list"}
	}
	if err := r.open(); err != nil {
		return grantLine{}, err
	}
	for x, err := range r.Runs(ctx, writ.RunFilter{}) {
		if err != nil {
			return grantLine{}, err
		}
		if x.Grant == id {
			return grantOf(x), nil
		}
	}
	return grantLine{}, &writ.Refusal{Code: writ.ReasonNotFound, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("there is no grant %s", id), Hint: "writ grant list"}
}

func (a *app) printGrant(format string, g grantLine) error {
	return a.print(format, g, func() {
		fmt.Fprintf(a.stdout, "%s  %s\n  plan    %s\n  run     %s, %s\n  runner  %s\n", g.Grant, g.State, g.Plan, g.Run, g.RunState, writ.Printable(string(g.Runner), 200))
		if g.State == "open" {
			fmt.Fprintf(a.stderr, "hint: writ grant revoke %s --reason …\n", g.Grant)
		}
	})
}
