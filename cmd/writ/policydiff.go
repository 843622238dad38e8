package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

// searchFlag is how many requests a search tries.
func searchFlag(f *flags) *int {
	return f.Int("requests", study.DefaultRequests, "how many requests the search tries")
}

func checkSearch(n int) error {
	if n < 1 || n > maxSearch {
		return &usageError{fmt.Sprintf("--requests is 1 to %d", maxSearch), fmt.Sprintf("--requests %d", study.DefaultRequests)}
	}
	return nil
}

// maxSearch is some ten minutes of searching.
const maxSearch = 5_000_000

func runPolicyDiff(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "policy diff", "<before dir> <after dir> [--playbooks dir | -c writ.yaml]", "Searches for requests that two policy sets decide differently, around the values that their rules compare with, and tells each kind of difference with a plain example. It finds examples and proves nothing. Exit 5 if it finds any.")
	s := policyFlags(f)
	n, format := searchFlag(f), f.String("o", "text", "output: text or json")
	rest, err := f.parse(args, 2)
	if err != nil {
		return err
	}
	if err := checkSearch(*n); err != nil {
		return err
	}
	before, err := s.loadOther(rest[0])
	if err != nil {
		return err
	}
	after, err := s.loadOther(rest[1])
	if err != nil {
		return err
	}
	d, err := study.Diff(before, after, *n)
	if err != nil {
		return err
	}
	if err := a.print(*format, d, func() { a.differences(d) }); err != nil {
		return err
	}
	if len(d.Found) > 0 {
		return &exitError{exitDiffers, ""}
	}
	return nil
}

func (a *app) differences(d study.Differences) {
	for _, x := range d.Found {
		mark := "·"
		if x.Kind.Wider() {
			mark = "!"
		}
		var parts []string
		for _, m := range x.Moves {
			parts = append(parts, m.String())
		}
		rules := ""
		if len(x.Rules) > 0 {
			rules = " where " + strings.Join(x.Rules, ", ") + " changes its mind"
		}
		with := ""
		if len(parts) > 0 {
			with = " with " + strings.Join(parts, ", ")
		}
		fmt.Fprintf(a.stdout, "%s %s%s: %d requests\n    before  %s\n    after   %s\n    such as the case %q%s\n", mark, x.Kind, rules, x.Count, x.Before, x.After,
			writ.Printable(x.Case, 80), with)
	}
	if len(d.Found) == 0 {
		fmt.Fprintf(a.stdout, "no request found among %d that they decide differently\n", d.Tried)
		return
	}
	fmt.Fprintf(a.stdout, "%d kinds of difference among %d requests\n", len(d.Found), d.Tried)
}

func runPolicyLint(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "policy lint", "[--set dir] [--playbooks dir | -c writ.yaml]", "Searches for rules of a set that never matter: that hold for no request found, that another covers, grants that never come to an allow, requirements that nobody can meet. Loading refuses what is certainly wrong; this finds what probably is. Exit 5 if it finds any.")
	s := policyFlags(f)
	n, format := searchFlag(f), f.String("o", "text", "output: text or json")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if err := checkSearch(*n); err != nil {
		return err
	}
	b, err := s.load()
	if err != nil {
		return err
	}
	found, tried, err := study.Lint(b, *n)
	if err != nil {
		return err
	}
	if found == nil {
		found = []study.Finding{}
	}
	err = a.print(*format, found, func() {
		for _, x := range found {
			fmt.Fprintf(a.stdout, "%s:%d  %s: %s\n", x.File, x.Line, x.Rule, x.What)
		}
		if len(found) == 0 {
			fmt.Fprintf(a.stdout, "✔ %d rules, nothing found among %d requests\n", len(b.Rules()), tried)
		}
	})
	if err == nil && len(found) > 0 {
		err = &exitError{exitDiffers, ""}
	}
	return err
}

func runPolicyWhoCan(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "policy who-can", "-c writ.yaml [--set dir] [--service …] [--playbook …] [--agent …]", "Lists what each agent of a server's configuration gets for each playbook on each service, on a day when nothing else is going on. It is advice and no promise. Agents that people registered later are not in the configuration.")
	s := policyFlags(f)
	service, book, agent := f.String("service", "", "only this `service`"), f.String("playbook", "", "only this `playbook`"), f.String("agent", "", "only this `agent`")
	format := f.String("o", "text", "output: text or json")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if s.server == "" {
		return &usageError{"-c is missing: services, playbooks and agents stand in a server's configuration", "-c writ.yaml"}
	}
	w, err := s.advice()
	if err != nil {
		return err
	}
	set := w.Set
	if s.set != "" {
		if set, err = s.loadOther(s.set); err != nil {
			return err
		}
	}
	out := []study.Can{}
	for _, c := range study.WhoCan(set, w.Services, w.Playbooks, w.Agents, time.Now().Unix()) {
		if (*service == "" || c.Service == *service) && (*book == "" || c.Playbook == *book) && (*agent == "" || c.Agent == *agent) {
			out = append(out, c)
		}
	}
	return a.print(*format, out, func() {
		t := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
		fmt.Fprintln(t, "SERVICE\tPLAYBOOK\tAGENT\tANSWER\tNEEDS OR WHY NOT")
		for _, c := range out {
			why := c.Needs
			if c.Verdict == writ.Deny {
				why = string(c.Reason)
				if len(c.Because) > 0 {
					why = c.Because[0]
				}
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", writ.Printable(c.Service, 60), writ.Printable(c.Playbook, 60), writ.Printable(c.Agent, 60), c.Verdict, why)
		}
		t.Flush()
	})
}
