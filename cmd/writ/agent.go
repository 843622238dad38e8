package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

// agentUsage is the hint for a call that names no agent.
const agentUsage = "writ agent list shows the names"

func runAgentAdd(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "agent add", "<name> --iss … --sub … --team … [--role diagnose --role repair] [--class …]",
		"Registers an agent. You answer for it, and cannot approve what it asks for. -o holmesgpt, claude or kagent prints\nthe configuration of that client; no secret is in it.")
	r := remoteFlags(f)
	iss := f.String("iss", "", "the `issuer` of its tokens, such as https://idp.example or spiffe://corp.example")
	sub := f.String("sub", "", "its `subject` there")
	team := f.String("team", "", "the `team` that owns it; you must be of it")
	var roles, classes words
	f.Var(&roles, "role", "what it may do: `diagnose` or repair; may be repeated; diagnose alone when left out")
	f.Var(&classes, "class", "a `class` of playbooks that it may ask for; may be repeated; policy alone decides when left out")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *iss == "" || *sub == "" || *team == "" {
		return &usageError{"an agent is registered with --iss, --sub and --team", "writ agent add " + writ.Printable(rest[0], 60) + " --iss https://idp.example --sub repair --team payments --role repair"}
	}
	if len(roles) == 0 {
		roles = words{string(writ.RoleDiagnose)}
	}
	want := writ.Agent{Name: rest[0], Iss: *iss, Sub: *sub, Team: *team, Classes: classes}
	for _, x := range roles {
		want.Roles = append(want.Roles, writ.AgentRole(x))
	}
	form := r.takeForm()
	if err := r.open(); err != nil {
		return err
	}
	got, err := r.AddAgent(ctx, want)
	if err != nil {
		return err
	}
	return a.printAgent(r, form, got)
}

// takeForm keeps a client's format for printAgent, since only agents have those.
func (r *remote) takeForm() agentForm {
	form := agentForm(r.format)
	if _, ok := agentForms[form]; ok {
		r.format = "text"
		return form
	}
	return ""
}

// printAgent prints a registration, or the configuration of a client for it.
func (a *app) printAgent(r *remote, form agentForm, g writ.Agent) error {
	if form != "" {
		fmt.Fprint(a.stdout, agentForms[form](r.cfg.Server, g))
		return nil
	}
	return a.print(r.format, g, func() {
		fmt.Fprintf(a.stdout, "%s  %s, team %s, roles %s\n  identity  %s  %s\n  owner     %s\n", g.Name, g.State, g.Team, roleText(g), writ.Printable(g.Iss, 300), writ.Printable(g.Sub, 300), writ.Printable(g.Owner.Sub, 100))
		if len(g.Classes) > 0 {
			fmt.Fprintf(a.stdout, "  classes   %s\n", strings.Join(g.Classes, ", "))
		}
		if g.Declared {
			fmt.Fprintln(a.stdout, "  declared in the server's configuration")
		}
		if g.Since != nil {
			fmt.Fprintf(a.stdout, "  since     %s by %s: %s\n", clock(*g.Since), who(g.By), writ.Printable(g.Reason, 200))
		}
	})
}

func roleText(g writ.Agent) string {
	var out []string
	for _, r := range g.Roles {
		out = append(out, string(r))
	}
	return strings.Join(out, ", ")
}

func runAgentList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "agent list", "[--state active|suspended|removed]", "Lists registered agents by name.")
	r := remoteFlags(f)
	state := f.String("state", "", "only this `state`: active, suspended or removed")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	switch writ.AgentState(*state) {
	case "", writ.AgentActive, writ.AgentSuspended, writ.AgentRemoved:
	default:
		return &usageError{fmt.Sprintf("--state %s is unknown", writ.Printable(*state, 30)), "use --state active, suspended or removed"}
	}
	if err := r.open(); err != nil {
		return err
	}
	some := func(yield func(writ.Agent, error) bool) {
		for g, err := range r.Agents(ctx) {
			if (err != nil || *state == "" || string(g.State) == *state) && !yield(g, err) {
				return
			}
		}
	}
	return printList(a, r.format, some, "AGENT\tSTATE\tTEAM\tROLES\tOWNER\tIDENTITY", func(g writ.Agent) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s %s", g.Name, g.State, g.Team, roleText(g), writ.Printable(g.Owner.Sub, 60), writ.Printable(g.Iss, 80), writ.Printable(g.Sub, 80))
	})
}

func runAgentShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "agent show", "<name> [-o holmesgpt|claude|kagent]", "Shows an agent, or with -o the configuration of a client for it; no secret is in it.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	form := r.takeForm()
	if err := r.open(); err != nil {
		return err
	}
	g, err := r.Agent(ctx, rest[0])
	if err != nil {
		return err
	}
	return a.printAgent(r, form, g)
}

// agentChange makes a command that changes one agent, with a reason.
func agentChange(verb, about string, do func(ctx context.Context, r *remote, name, reason string) (writ.Agent, error)) func(context.Context, *app, []string) error {
	return func(ctx context.Context, a *app, args []string) error {
		f := newFlags(a, "agent "+verb, "<name> --reason …", about)
		r := remoteFlags(f)
		reason := f.String("reason", "", "why")
		rest, err := f.parse(args, 1)
		if err != nil {
			return err
		}
		return a.changeAgent(ctx, r, "agent "+verb, rest[0], *reason, do)
	}
}

func (a *app) changeAgent(ctx context.Context, r *remote, what, name, reason string, do func(ctx context.Context, r *remote, name, reason string) (writ.Agent, error)) error {
	if reason == "" {
		return &usageError{"writ " + what + " takes a --reason", fmt.Sprintf("writ %s %s --reason \"…\"; %s", what, writ.Printable(name, 60), agentUsage)}
	}
	if err := r.open(); err != nil {
		return err
	}
	g, err := do(ctx, r, name, reason)
	if err != nil {
		return err
	}
	return a.printAgent(r, "", g)
}

var (
	runAgentSuspend = agentChange("suspend", "Suspends an agent: its plans, grants and runs end at once, and every door refuses it.\nwrit agent resume lets it go on.",
		func(ctx context.Context, r *remote, name, reason string) (writ.Agent, error) {
			return r.SuspendAgent(ctx, name, reason)
		})
	runAgentResume = agentChange("resume", "Lets a suspended agent go on; what it had does not come back. You must be of its team.",
		func(ctx context.Context, r *remote, name, reason string) (writ.Agent, error) {
			return r.ResumeAgent(ctx, name, reason)
		})
	runAgentRemove = agentChange("remove", "Removes an agent for good: its plans, grants and runs end at once. Its name and its past stay.",
		func(ctx context.Context, r *remote, name, reason string) (writ.Agent, error) {
			return r.RemoveAgent(ctx, name, reason)
		})
)

func runAgentRotate(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "agent rotate", "<name> --iss … --sub … --reason …", "Gives an agent a new identity; the old one ends with everything it has. You must be of its team, and become its owner.")
	r := remoteFlags(f)
	iss := f.String("iss", "", "the new `issuer`")
	sub := f.String("sub", "", "the new `subject`")
	reason := f.String("reason", "", "why")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *iss == "" || *sub == "" {
		return &usageError{"an identity is --iss and --sub together", "writ agent show " + writ.Printable(rest[0], 60) + " shows the present one"}
	}
	return a.changeAgent(ctx, r, "agent rotate", rest[0], *reason, func(ctx context.Context, r *remote, name, reason string) (writ.Agent, error) {
		return r.RotateAgent(ctx, name, *iss, *sub, reason)
	})
}
