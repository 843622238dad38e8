package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/token"
)

func runPlanNew(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "plan new", "<playbook> --incident inc_… [--param name=value …] [--evidence ev_… …] [--because …] [--dry-run]", "Proposes a repair as yourself.")
	r := remoteFlags(f)
	incident := f.String("incident", "", "`id` of the open incident")
	because := f.String("because", "", "your diagnosis")
	holder := f.String("holder", "", "for an agent that holds its grant itself: the RFC 7638 `thumbprint` of its P-256 key")
	dry := f.Bool("dry-run", false, "only say what would happen and who would be asked")
	wait := f.Bool("wait", true, "wait until the plan is decided")
	var params, evidence words
	f.Var(&params, "param", "a parameter, `name=value`; may be repeated")
	f.Var(&evidence, "evidence", "`id` of evidence to cite; may be repeated")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	ask := writ.Ask{Playbook: rest[0], Because: *because, Holder: *holder, DryRun: *dry}
	if *holder != "" && !token.IsThumbprint(*holder) {
		return &usageError{"--holder must be the thumbprint of a P-256 key: 43 characters of base64url", ""}
	}
	if ask.Incident, err = writ.ParseIncidentID(*incident); err != nil {
		return &usageError{"--incident must be an incident's id", "writ incident list --state open"}
	}
	if ask.Parameters, err = parameters(params); err != nil {
		return err
	}
	for _, e := range evidence {
		id, err := writ.ParseEvidenceID(e)
		if err != nil {
			return &usageError{"--evidence must be an id: ev_ and 26 characters", ""}
		}
		ask.Evidence = append(ask.Evidence, id)
	}
	if err := r.open(); err != nil {
		return err
	}
	p, err := r.Propose(ctx, ask)
	if err == nil && *wait && p.State == writ.PlanPlanning {
		p, err = r.WaitPlan(ctx, p.ID, writ.PlanPlanning)
	}
	if err != nil {
		return err
	}
	return a.showPlan(r.format, p)
}

// parameters reads name=value: a whole number, true, false, or text.
func parameters(in words) (writ.Parameters, error) {
	out := writ.Parameters{}
	for _, s := range in {
		name, v, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, &usageError{fmt.Sprintf("--param %q is not name=value", writ.Printable(s, 60)), "--param replicas=6"}
		}
		switch n, err := strconv.ParseInt(v, 10, 64); {
		case err == nil:
			out[name] = writ.Int(n)
		case v == "true" || v == "false":
			out[name] = writ.Bool(v == "true")
		default:
			out[name] = writ.String(v)
		}
	}
	return out, nil
}

func runPlanList(ctx context.Context, a *app, args []string) error {
	return listPlans(ctx, a, args, "plan list", "")
}

func runInbox(ctx context.Context, a *app, args []string) error {
	return listPlans(ctx, a, args, "inbox", writ.PlanWaiting)
}

func listPlans(ctx context.Context, a *app, args []string, name string, state writ.PlanState) error {
	f := newFlags(a, name, "", "Lists plans, newest first.")
	r := remoteFlags(f)
	want := string(state)
	if state == "" {
		f.StringVar(&want, "state", "", "only this `state`: planning, waiting, ready, granted, done, denied, refused, rejected, expired, withdrawn, stale, observed")
	}
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	if name == "inbox" && r.format != "json" { // what waits for a person is not plans alone
		s, err := r.Status(ctx)
		if err != nil {
			return err
		}
		for _, x := range s.Runners {
			a.debts(x)
		}
		a.rotas(s)
		a.channels(s)
		a.unsettled(s)
		a.glance(s)
		a.policyWaits(s)
		a.reviews(s)
	}
	return printList(a, r.format, r.Plans(ctx, writ.PlanFilter{State: writ.PlanState(want)}), "PLAN\tSTATE\tSERVICE\tWHAT\tASKED BY\tANSWER BEFORE", func(p writ.PlanStatus) string {
		title := p.Title
		if title == "" {
			title = p.Playbook.Name
		}
		if p.Emergency != nil {
			title = "BREAK-GLASS " + title
		}
		until := "-"
		if !p.State.Final() {
			until = clock(p.ExpiresAt)
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", p.ID, p.State, p.Service, writ.Printable(title, 80), who(p.Requester), until)
	})
}

func runPlanShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "plan show", "<plan>", "Shows a plan: the exact change, its radius, guards, undo, evidence, claim, and who decided.")
	r := remoteFlags(f)
	rest, err := r.opened(f, args, 1)
	if err != nil {
		return err
	}
	p, err := r.plan(ctx, rest[0])
	if err != nil {
		return err
	}
	return a.showPlan(r.format, p)
}

// plan finds a plan by its id or a unique prefix of at least 8 characters.
func (r *remote) plan(ctx context.Context, id string) (writ.PlanStatus, error) {
	full, err := writ.ParsePlanID(id)
	if err == nil {
		return r.Plan(ctx, full)
	}
	if len(id) < len("pln_")+8 || !strings.HasPrefix(id, "pln_") {
		return writ.PlanStatus{}, &usageError{"a plan is named by its id, or by pln_ and the first 8 characters or more", "writ plan list"}
	}
	var found []writ.PlanID
	for p, err := range r.Plans(ctx, writ.PlanFilter{}) {
		if err != nil {
			return writ.PlanStatus{}, err
		}
		if strings.HasPrefix(string(p.ID), id) {
			found = append(found, p.ID)
		}
	}
	if len(found) != 1 {
		return writ.PlanStatus{}, &usageError{fmt.Sprintf("%d plans begin with %s", len(found), writ.Printable(id, 40)), "writ plan list"}
	}
	return r.Plan(ctx, found[0])
}

// showPlan prints a plan. What Writ computed comes from the digested bytes alone.
func (a *app) showPlan(format string, p writ.PlanStatus) error {
	err := a.print(format, p, func() {
		fmt.Fprintf(a.stdout, "%s  %s", p.ID, p.State)
		if p.Reason != "" {
			fmt.Fprintf(a.stdout, " (%s)", p.Reason)
		}
		if p.State == writ.PlanWaiting {
			fmt.Fprintf(a.stdout, "  needs %s; expires to deny at %s", needs(p.Needs), clock(p.ExpiresAt))
		}
		fmt.Fprintln(a.stdout)
		if p.Detail != "" {
			fmt.Fprintln(a.stdout, "  "+writ.Printable(p.Detail, 400))
		}
		if p.Hint != "" {
			fmt.Fprintln(a.stdout, "  hint: "+writ.Printable(p.Hint, 400))
		}
		if p.Plan != nil {
			fmt.Fprint(a.stdout, "\n", plan.Text(*p.Plan, p.Digest))
		}
		if p.Decision != nil {
			fmt.Fprintf(a.stdout, "  Rules     %s\n", strings.Join(p.Decision.Policies, ", "))
			for _, s := range p.Decision.Because {
				fmt.Fprintf(a.stdout, "            %s\n", s)
			}
			fmt.Fprint(a.stdout, tierText(p))
		}
		if p.Decision != nil && !p.Decision.Duties.IsZero() {
			fmt.Fprintf(a.stdout, "  Duties    %s\n", dutiesText(p.Decision.Duties))
		}
		for _, e := range p.Evidence {
			fmt.Fprintf(a.stdout, "  Evidence  %s %s, %d bytes, read by %s at %s\n", e.ID, e.Query.Reader, e.Size, e.Reader, clock(e.At))
		}
		if p.ReadAgain != nil {
			fmt.Fprintf(a.stdout, "  Re-read   %s, at %s\n", p.ReadAgain, clock(p.ReadAgain.At))
		}
		a.asked(p)
		if p.Claim != "" {
			fmt.Fprintf(a.stdout, "  Claim     %q  written by %s, not verified\n", writ.Printable(p.Claim, 400), who(p.Requester))
		}
		for _, v := range p.Approvals {
			back := ""
			if v.Recalled != nil {
				back = ", taken back at " + clock(*v.Recalled)
			}
			fmt.Fprintf(a.stdout, "  Answer    %s by %s as %s, proof %s%s\n", v.Answer, writ.Printable(v.Approver.Sub, 60), v.Slot, v.Proof, back)
		}
		if p.Run != "" {
			fmt.Fprintf(a.stdout, "  Run       %s\n", p.Run)
		}
	})
	if err != nil {
		return err
	}
	if format == "text" {
		a.answering(p)
	}
	return statusOf(p.State)
}

// dutiesText says what a grant demands of whoever uses it.
func dutiesText(d writ.Duties) string {
	var out []string
	if d.VerifyWithin > 0 {
		out = append(out, fmt.Sprintf("verified within %s", time.Duration(d.VerifyWithin)*time.Second))
	}
	if len(d.Notify) > 0 {
		out = append(out, "told to "+strings.Join(d.Notify, ", "))
	}
	if d.ReviewWithin > 0 {
		out = append(out, fmt.Sprintf("reviewed within %s of its end", time.Duration(d.ReviewWithin)*time.Second))
	}
	return strings.Join(out, "; ")
}

func needs(r writ.Requirements) string {
	var out []string
	for _, g := range []string{"owner", "oncall"} {
		if n := r.Approvals[g]; n > 0 {
			out = append(out, fmt.Sprintf("%d by %s", n, g))
		}
	}
	if r.Proof != "" {
		out = append(out, "proof "+string(r.Proof))
	}
	return strings.Join(out, ", ")
}

// statusOf turns a state into the exit status that scripts read.
func statusOf(s writ.PlanState) error {
	switch {
	case slices.Contains([]writ.PlanState{writ.PlanDenied, writ.PlanRefused, writ.PlanRejected, writ.PlanExpired, writ.PlanStale, writ.PlanObserved}, s):
		return &exitError{code: exitDenied}
	case s == writ.PlanPlanning || s == writ.PlanWaiting || s == writ.PlanReady:
		return &exitError{code: exitWaiting}
	}
	return nil
}

func runPlanWithdraw(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "plan withdraw", "<plan> --reason …", "Takes back a plan that has not been granted.")
	r := remoteFlags(f)
	reason := f.String("reason", "", "why")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *reason == "" {
		return &usageError{"--reason is missing", `writ plan withdraw ` + writ.Printable(rest[0], 40) + ` --reason "asked twice"`}
	}
	if err := r.open(); err != nil {
		return err
	}
	p, err := r.plan(ctx, rest[0])
	if err != nil {
		return err
	}
	if p, err = r.Withdraw(ctx, p.ID, *reason); err != nil {
		return err
	}
	err = a.showPlan(r.format, p)
	if e, ok := errors.AsType[*exitError](err); ok && e.code == exitDenied {
		return nil
	}
	return err
}
