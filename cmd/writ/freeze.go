package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// printLines prints text line by line, with what hides made visible.
func printLines(a *app, b []byte) {
	for line := range bytes.Lines(b) {
		fmt.Fprintln(a.stdout, writ.Printable(string(bytes.TrimRight(line, "\r\n")), 2000))
	}
}

// scopeFlags are the flags that name what is frozen.
func scopeFlags(f *flags) func() (scope writ.FreezeScope, value string, named int) {
	all := f.Bool("all", false, "everything")
	values := map[writ.FreezeScope]*string{
		writ.FreezeAgent: f.String("agent", "", "one agent, by `name`; any identity by \"issuer subject\""), writ.FreezeService: f.String("service", "", "one service, by `name`"),
		writ.FreezePlaybook: f.String("playbook", "", "one playbook, by `name`"), writ.FreezeTarget: f.String("target", "", "one `target`, such as kubernetes://prod-eu1"),
	}
	return func() (scope writ.FreezeScope, value string, named int) {
		if *all {
			scope, named = writ.FreezeAll, 1
		}
		for s, v := range values {
			if *v != "" {
				scope, value, named = s, *v, named+1
			}
		}
		return scope, value, named
	}
}

func runFreeze(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "freeze", "--all | --agent|--service|--playbook|--target NAME --reason …", "Stops new grants and further steps at once; runs in flight stop at their next step, and are undone.\nReadings, undo and revocation go on. writ freeze list shows what is frozen, writ unfreeze lifts it.")
	r := remoteFlags(f)
	scoped := scopeFlags(f)
	reason := f.String("reason", "", "why")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	scope, value, n := scoped()
	if n != 1 || *reason == "" {
		return &usageError{"name exactly one of --all, --agent, --service, --playbook, --target, and a --reason", `writ freeze --all --reason "agent repair misbehaves"`}
	}
	if err := r.open(); err != nil {
		return err
	}
	z, err := r.Freeze(ctx, scope, value, *reason)
	if err != nil {
		return err
	}
	return a.print(r.format, z, func() { fmt.Fprintf(a.stdout, "✔ frozen: %s (%s)\n", what(z), z.ID) })
}

// what names what a freeze stops.
func what(z writ.Freeze) string {
	if z.Scope == writ.FreezeAll {
		return "everything"
	}
	name := z.Value
	if z.Named != "" {
		name = z.Named
	}
	return string(z.Scope) + " " + writ.Printable(name, 300)
}

func runFreezeList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "freeze list", "", "Lists what is frozen now.")
	r := remoteFlags(f)
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	all := []writ.Freeze{}
	for z, err := range r.Freezes(ctx) {
		if err != nil {
			return err
		}
		all = append(all, z)
	}
	return a.print(r.format, all, func() {
		if len(all) == 0 {
			fmt.Fprintln(a.stdout, "nothing is frozen")
		}
		for _, z := range all {
			fmt.Fprintf(a.stdout, "%s  %s  since %s by %s: %s\n", z.ID, what(z), clock(z.At), who(z.By), writ.Printable(z.Reason, 200))
		}
	})
}

func runUnfreeze(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "unfreeze", "<freeze> | --all | --agent|--service|--playbook|--target NAME --reason …", "Lifts a freeze by its id, or all freezes of one scope and name. --all lifts the freeze of everything, and no other.")
	r := remoteFlags(f)
	scoped := scopeFlags(f)
	reason := f.String("reason", "", "why")
	rest, err := f.parseSome(args, 1)
	if err != nil {
		return err
	}
	usage := &usageError{"unfreeze takes a freeze's id (frz_ and 26 characters) or exactly one of --all, --agent, --service, --playbook, --target, and a --reason", "writ freeze list shows what is frozen"}
	scope, value, n := scoped()
	if n+len(rest) != 1 || *reason == "" {
		return usage
	}
	var ids []writ.FreezeID
	if len(rest) == 1 {
		id, err := writ.ParseFreezeID(rest[0])
		if err != nil {
			return usage
		}
		ids = append(ids, id)
	}
	if err := r.open(); err != nil {
		return err
	}
	if n == 1 {
		if ids, err = r.frozen(ctx, scope, value); err != nil {
			return err
		}
	}
	for _, id := range ids {
		if err := r.Unfreeze(ctx, id, *reason); err != nil {
			return err
		}
		fmt.Fprintln(a.stderr, "✔ lifted", id)
	}
	if r.format != "text" {
		return a.print(r.format, map[string]any{"lifted": ids}, nil)
	}
	return nil
}

// frozen finds the freezes of a scope and name. There must be one: what is not frozen cannot be lifted.
func (r *remote) frozen(ctx context.Context, scope writ.FreezeScope, value string) ([]writ.FreezeID, error) {
	var ids []writ.FreezeID
	var others []string
	for z, err := range r.Freezes(ctx) {
		if err != nil {
			return nil, err
		}
		if z.Scope == scope && (z.Value == value || z.Named != "" && z.Named == value) {
			ids = append(ids, z.ID)
		} else {
			others = append(others, what(z))
		}
	}
	if len(ids) > 0 {
		return ids, nil
	}
	hint := "nothing is frozen"
	if len(others) > 0 {
		hint = "frozen: " + strings.Join(others, ", ")
	}
	return nil, &writ.Refusal{
		Code: writ.ReasonNotFrozen, Kind: writ.ErrNotFound, Hint: hint,
		Detail: fmt.Sprintf("%s is not frozen, so nothing was lifted", what(writ.Freeze{Scope: scope, Value: value})),
	}
}

func runStatus(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "status", "", "Shows the control plane at a glance.")
	r := remoteFlags(f)
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	s, err := r.Status(ctx)
	if err != nil {
		return err
	}
	return a.print(r.format, s, func() {
		fmt.Fprintf(a.stdout, "incidents open %d · plans waiting %d · runs active %d · leases alive %d\n", s.Incidents, s.Waiting, s.Running, s.LeasesAlive)
		fmt.Fprintf(a.stdout, "ledger %d entries, signed up to %d · policy %s\n", s.LedgerSize, s.Signed, s.Policy)
		if s.PolicyVersion > 0 {
			fmt.Fprintf(a.stdout, "policy version %d, signed by its owners\n", s.PolicyVersion)
		}
		a.policyWaits(s)
		if s.PolicyProblem != "" {
			fmt.Fprintf(a.stdout, "✗ the newest policy set is not in force: %s\n", writ.Printable(s.PolicyProblem, 400))
		}
		for _, x := range s.Runners {
			seen := "never"
			if x.LastSeen != nil {
				seen = clock(*x.LastSeen)
			}
			fmt.Fprintf(a.stdout, "runner %s serves %v, last seen %s\n", x.ID, x.Targets, seen)
			if x.Standby != nil {
				fmt.Fprintf(a.stdout, "  epoch %d, and another process stands by\n", x.Epoch)
			}
			a.debts(x)
		}
		a.upstreams(s)
		a.clocks(s)
		a.rotas(s)
		a.channels(s)
		a.unsettled(s)
		a.drills(s)
		a.glance(s)
		a.reviews(s)
		for _, l := range s.Services {
			fmt.Fprintf(a.stdout, "service %s: %d runs in flight hold %d‰ of its capacity and %d units, %d plans open\n", l.Service, l.Runs, l.Permille, l.Units, l.Open)
			for _, x := range l.Locks {
				fmt.Fprintf(a.stdout, "  %s is written by %s of %s since %s\n", x.Object, x.Run, x.Playbook, clock(x.Since))
			}
			for _, x := range l.Cooling {
				fmt.Fprintf(a.stdout, "  %s not again on %s before %s (%s, %d attempts)\n", x.Playbook, x.Object, clock(x.Until), x.Reason, x.Attempts)
			}
		}
		for _, z := range s.Freezes {
			fmt.Fprintf(a.stdout, "FROZEN %s since %s by %s: %s (%s)\n", what(z), clock(z.At), who(z.By), writ.Printable(z.Reason, 200), z.ID)
		}
	})
}

// rotas shows of which groups it is not known who is on call.
func (a *app) rotas(s writ.Status) {
	for _, g := range s.OnCall {
		who := "nobody can answer for it"
		if g.State == writ.OnCallFallback {
			who = "the fallback " + writ.Printable(g.Fallback, 60) + " answers"
		}
		fmt.Fprintf(a.stdout, "ON CALL of %s is not known (%s): %s; writ oncall show\n", writ.Printable(g.Group, 60), writ.Printable(g.Problem, 200), who)
	}
}

// unsettled shows which runs wait for somebody who looks.
func (a *app) unsettled(s writ.Status) {
	for _, id := range s.Unsettled {
		fmt.Fprintf(a.stdout, "UNSETTLED %s: nobody knows what it did; look, and say it: writ run show %s, then writ run settle\n", id, id)
	}
}

// debts shows why a runner gets no new grants, and who must look.
func (a *app) debts(x writ.RunnerStatus) {
	if x.Silent {
		fmt.Fprintf(a.stdout, "SILENT runner %s: %d credentials of its runs are alive, and nothing is heard of it\n", x.ID, x.Alive)
	}
	for _, d := range x.Debts {
		what := "it still has power"
		if d.PowerGone {
			what = "its power is gone, its identity is not"
		}
		fmt.Fprintf(a.stdout, "DEBT lease %s of %s on %s is not proven dead since %s: %s; runner %s gets no new grants\n",
			writ.Printable(d.Name, 80), d.Run, d.Target, clock(d.Since), what, x.ID)
	}
}
