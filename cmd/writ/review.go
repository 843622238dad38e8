package main

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

func runReviewList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "review list", "[--state owed|made]", "Lists the looks back at runs that grants demanded, newest first.")
	r := remoteFlags(f)
	state := f.String("state", "", "only this `state`: owed or made")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	switch writ.ReviewState(*state) {
	case "", writ.ReviewOwed, writ.ReviewMade:
	default:
		return &usageError{fmt.Sprintf("--state %s is unknown", writ.Printable(*state, 30)), "use --state owed or made"}
	}
	if err := r.open(); err != nil {
		return err
	}
	return printList(a, r.format, r.Reviews(ctx, writ.ReviewState(*state)), "RUN\tREVIEW\tTEAM\tWHAT\tENDED\tASKED BY", func(v writ.Review) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", v.Run, reviewWord(v), v.Team, writ.Printable(v.Title, 80), v.RunState, who(v.Asker))
	})
}

func reviewWord(v writ.Review) string {
	due := v.Due.UTC().Format("2006-01-02 15:04Z")
	switch {
	case v.State == writ.ReviewMade:
		return string(v.Verdict) + " by " + who(v.By)
	case v.Overdue:
		return "OVERDUE since " + due
	}
	return "due " + due
}

func runReviewMake(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "review make", "<run> --verdict justified|not-justified --note …", "Hands in the look back at one run. Whoever asked for it, or answers for the agent that did, does not review it.\nA run that was not justified counts as harm in the records of its playbook and its agent.")
	r := remoteFlags(f)
	verdict := f.String("verdict", "", "justified or not-justified")
	note := f.String("note", "", "what you found, for whoever reads it later")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	id, err := writ.ParseRunID(rest[0])
	if err != nil {
		return &usageError{"a run is named by its id: run_ and 26 characters", "writ review list --state owed"}
	}
	v, ok := map[string]writ.ReviewVerdict{"justified": writ.ReviewJustified, "not-justified": writ.ReviewNotJustified}[*verdict]
	switch {
	case !ok:
		return &usageError{"--verdict is justified or not-justified", "writ run show " + string(id)}
	case *note == "":
		return &usageError{"--note is missing", `--note "the restart cleared the queue; the leak is ticketed"`}
	}
	if err := r.open(); err != nil {
		return err
	}
	out, err := r.ReviewRun(ctx, id, v, *note)
	if err != nil {
		return err
	}
	return a.print(r.format, out, func() { fmt.Fprintf(a.stdout, "✔ %s is reviewed: %s\n", out.Run, out.Verdict) })
}

// reviews shows what of reviews waits for people.
func (a *app) reviews(s writ.Status) {
	if s.Reviews == nil {
		return
	}
	for i, id := range s.Reviews.Owed {
		word := "REVIEW"
		if i < s.Reviews.Overdue {
			word = "OVERDUE REVIEW"
		}
		fmt.Fprintf(a.stdout, "%s of run %s: writ run show %s, then writ review make\n", word, id, id)
	}
}

func runReportUnused(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "report unused", "[--days 30]", "Lists the grants of the policy set, the playbooks and the agents' roles that nobody used within the last days, counted from the ledger.\nWhat nobody uses can be taken away.")
	r := remoteFlags(f)
	days := f.Int("days", 30, "length of the window that ends now, 1 to 366 `days`")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if *days < 1 || *days > 366 {
		return &usageError{"--days is 1 to 366", "writ report unused --days 30"}
	}
	if err := r.open(); err != nil {
		return err
	}
	u, err := r.Unused(ctx, *days)
	if err != nil {
		return err
	}
	return a.print(r.format, u, func() {
		fmt.Fprintf(a.stdout, "unused from %s to %s, by %d entries of the ledger\n", u.From.UTC().Format("2006-01-02 15:04Z"), u.To.UTC().Format("2006-01-02 15:04Z"), u.Entries)
		if !u.Complete {
			fmt.Fprintln(a.stdout, "the window holds more entries than were read: what is listed may have been used before")
		}
		for _, g := range u.Grants {
			fmt.Fprintf(a.stdout, "  grant     %s: %s\n", g.ID, writ.Printable(g.Reason, 240))
		}
		for _, p := range u.Playbooks {
			fmt.Fprintf(a.stdout, "  playbook  %s (%s, owner %s)\n", p.Name, p.Tier, p.Owner)
		}
		for _, x := range u.Roles {
			fmt.Fprintf(a.stdout, "  role      %s of agent %s (team %s)\n", x.Role, x.Agent, x.Team)
		}
		if len(u.Grants)+len(u.Playbooks)+len(u.Roles) == 0 {
			fmt.Fprintln(a.stdout, "  nothing: all of it was used")
		}
	})
}
