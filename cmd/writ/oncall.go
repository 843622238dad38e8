package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

func runRecall(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "recall", "<plan>", "Takes your own approval of a plan back, until its run has begun. You cannot answer that plan again.")
	r := remoteFlags(f)
	rest, err := r.opened(f, args, 1)
	if err != nil {
		return err
	}
	p, err := r.plan(ctx, rest[0])
	if err != nil {
		return err
	}
	if p, err = r.Recall(ctx, p.ID); err != nil {
		return err
	}
	return a.print(r.format, p, func() {
		fmt.Fprintf(a.stdout, "✔ taken back: plan %s is %s\n", p.ID, p.State)
		if p.Run != "" {
			fmt.Fprintf(a.stdout, "  run %s was stopped before it began\n", p.Run)
			fmt.Fprintf(a.stderr, "hint: writ run show %s\n", p.Run)
		}
	})
}

func runOnCallShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "oncall show", "[group]", "Shows for each group who is on call, and how that is known.")
	r := remoteFlags(f)
	rest, err := f.parseSome(args, 1)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	all := []writ.OnCallGroup{}
	for g, err := range r.OnCalls(ctx) {
		if err != nil {
			return err
		}
		if len(rest) == 0 || g.Group == rest[0] {
			all = append(all, g)
		}
	}
	if len(rest) > 0 && len(all) == 0 {
		return &usageError{fmt.Sprintf("there is no on-call group %q", writ.Printable(rest[0], 60)), "writ oncall show lists them"}
	}
	return a.print(r.format, all, func() {
		if len(all) == 0 {
			fmt.Fprintln(a.stdout, "no group of the roster is on call: their names end in -oncall")
		}
		for _, g := range all {
			a.onCall(g)
		}
	})
}

// onCall prints who is on call for one group.
func (a *app) onCall(g writ.OnCallGroup) {
	fmt.Fprintf(a.stdout, "%s  %s", g.Group, g.State)
	switch {
	case g.State == writ.OnCallRoster:
		fmt.Fprint(a.stdout, ": no source, so each member may answer")
	case g.AsOf != nil:
		fmt.Fprintf(a.stdout, ": its %s source answered at %s", g.Source, clock(*g.AsOf))
	default:
		fmt.Fprintf(a.stdout, ": its %s source has never answered", g.Source)
	}
	if g.Problem != "" {
		fmt.Fprintf(a.stdout, " (%s)", writ.Printable(g.Problem, 200))
	}
	fmt.Fprintln(a.stdout)
	for _, t := range g.Turns {
		fmt.Fprintf(a.stdout, "  %s\n", turnText(t))
	}
	if len(g.Turns) == 0 {
		fmt.Fprintln(a.stdout, "  nobody: what waits for an on-call expires to no")
	}
}

func turnText(t writ.Turn) string {
	out := writ.Printable(t.Person.Sub, 60)
	if t.Until != nil {
		out += " until " + t.Until.UTC().Format("2006-01-02T15:04Z")
	}
	if t.For != nil {
		out += fmt.Sprintf(", in place of %s (%s)", writ.Printable(t.For.Sub, 60), t.Delegation)
	}
	return out
}

func runOnCallDelegate(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "oncall delegate", "<group> --to PERSON --for 4h | --until TIME", "Hands your own turn to another member of the group. It goes back by itself, and they cannot hand it on.")
	r := remoteFlags(f)
	to := f.String("to", "", "the `person`'s name at the identity provider (sub)")
	iss := f.String("iss", "", "their identity `provider`; default yours")
	span := f.Duration("for", 0, "for how `long`, such as 4h; at most 72h")
	until := f.String("until", "", "until `when` instead, such as 2026-11-22T08:00:00Z")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *to == "" {
		return &usageError{"--to is missing", "writ oncall show " + writ.Printable(rest[0], 60) + " lists the group"}
	}
	if (*span == 0) == (*until == "") {
		return &usageError{"say how long: --for or --until, and not both", "--for 4h"}
	}
	end := time.Now().Add(*span)
	if *until != "" {
		if end, err = time.Parse(time.RFC3339, *until); err != nil {
			return &usageError{"--until must be a time with its zone", "--until 2026-11-22T08:00:00Z"}
		}
	}
	if err := r.open(); err != nil {
		return err
	}
	if *iss == "" {
		*iss = r.cfg.Person.Iss
	}
	d, err := r.Delegate(ctx, writ.DelegationAsk{Group: rest[0], To: writ.Person{Iss: *iss, Sub: *to}, Until: end})
	if err != nil {
		return err
	}
	return a.print(r.format, d, func() {
		fmt.Fprintf(a.stdout, "✔ %s is on call for %s in your place until %s (%s)\n", writ.Printable(d.To.Sub, 60), d.Group, d.Until.UTC().Format(time.RFC3339), d.ID)
		fmt.Fprintf(a.stderr, "hint: writ oncall return %s takes it back before that\n", d.Group)
	})
}

func runOnCallReturn(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "oncall return", "<group | dlg_…>", "Gives a turn back before its time: who handed it over may, and who got it.")
	r := remoteFlags(f)
	rest, err := r.opened(f, args, 1)
	if err != nil {
		return err
	}
	id, err := r.delegation(ctx, rest[0])
	if err != nil {
		return err
	}
	d, err := r.EndDelegation(ctx, id)
	if err != nil {
		return err
	}
	return a.print(r.format, d, func() {
		fmt.Fprintf(a.stdout, "✔ the turn of %s for %s is theirs again\n", writ.Printable(d.From.Sub, 60), d.Group)
	})
}

// delegation finds the caller's delegation of a group, or takes its id.
func (r *remote) delegation(ctx context.Context, name string) (writ.DelegationID, error) {
	if strings.HasPrefix(name, "dlg_") {
		id, err := writ.ParseDelegationID(name)
		if err != nil {
			return "", &usageError{"a delegation's id is dlg_ and 26 characters", "writ oncall show"}
		}
		return id, nil
	}
	me := writ.Person(r.cfg.Person)
	for g, err := range r.OnCalls(ctx) {
		if err != nil {
			return "", err
		}
		for _, t := range g.Turns {
			if g.Group == name && t.For != nil && (t.Person == me || *t.For == me) {
				return t.Delegation, nil
			}
		}
	}
	return "", &usageError{fmt.Sprintf("no turn for %s was handed over by you or to you", writ.Printable(name, 60)), "writ oncall show"}
}

// answering warns a person before they answer, on standard error: the plan itself is what they sign.
func (a *app) answering(p writ.PlanStatus) {
	if g := p.OnCall; g != nil {
		var on []string
		for _, t := range g.Turns {
			on = append(on, turnText(t))
		}
		if len(on) == 0 {
			on = []string{"nobody"}
		}
		fmt.Fprintf(a.stderr, "  On call   %s: %s (%s)\n", g.Group, strings.Join(on, "; "), g.State)
	}
	if f := p.Fatigue; f != nil {
		if f.Warning != "" {
			fmt.Fprintf(a.stderr, "  CAREFUL   %s\n", writ.Printable(f.Warning, 400))
		}
		if f.Second {
			fmt.Fprintln(a.stderr, "  Second    whoever has approved so far has answered too much in this shift: one more person is needed")
		}
		if f.Suggest {
			fmt.Fprintf(a.stderr, "hint: exactly this repair was approved %d times in thirty days; its owner may want a rule of tier 1 (writ policy simulate)\n", f.Same)
		}
	}
}
