package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

func runIncidentList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "incident list", "[--state open|resolved]", "Lists incidents, newest first.")
	r := remoteFlags(f)
	state := f.String("state", "", "only this `state`: open or resolved")
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	return printList(a, r.format, r.Incidents(ctx, writ.IncidentFilter{State: writ.IncidentState(*state)}), "INCIDENT\tSTATE\tSEVERITY\tSERVICE\tENV\tOPENED\tTITLE", func(i writ.Incident) string {
		return fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%s\t%s", i.ID, i.State, i.Severity, i.Service, i.Environment, clock(i.OpenedAt), writ.Printable(i.Title, 80))
	})
}

func showIncident(ctx context.Context, a *app, args []string, name string, text func(writ.IncidentStatus)) error {
	f := newFlags(a, name, "<incident>", "Shows an incident.")
	r := remoteFlags(f)
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
	s, err := r.Incident(ctx, id)
	if err != nil {
		return err
	}
	return a.print(r.format, s, func() { text(s) })
}

func runIncidentShow(ctx context.Context, a *app, args []string) error {
	return showIncident(ctx, a, args, "incident show", func(s writ.IncidentStatus) {
		fmt.Fprintf(a.stdout, "%s  %s, severity %d, %s in %s, owner %s\n  %s\n", s.ID, s.State, s.Severity, s.Service, s.Environment, s.Owner, writ.Printable(s.Title, 200))
		for _, al := range s.Alerts {
			fmt.Fprintf(a.stdout, "  alert     %s %s since %s\n", writ.Printable(al.Name, 80), al.Status, clock(al.StartsAt))
		}
		for _, e := range s.Evidence {
			fmt.Fprintf(a.stdout, "  evidence  %s %s at %s, %d bytes\n", e.ID, e.Query.Reader, clock(e.At), e.Size)
		}
		for _, n := range s.Notes {
			fmt.Fprintf(a.stdout, "  note      %s %s: %s\n", clock(n.At), who(n.By), writ.Printable(n.Text, writ.MaxNote))
		}
		for _, p := range s.Plans {
			fmt.Fprintf(a.stdout, "  plan      %s %s %s  asked by %s\n", p.ID, p.State, writ.Printable(p.Title, 100), who(p.Requester))
		}
	})
}

func runIncidentTimeline(ctx context.Context, a *app, args []string) error {
	return showIncident(ctx, a, args, "incident timeline", func(s writ.IncidentStatus) {
		for _, e := range s.Timeline {
			fmt.Fprintf(a.stdout, "%6d  %s\n", e.Index, event(e))
		}
	})
}

func runEvidenceShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "evidence show", "<evidence>", "Shows one reading with control characters visible.")
	r := remoteFlags(f)
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	id, err := writ.ParseEvidenceID(rest[0])
	if err != nil {
		return &usageError{"evidence is named by its id: ev_ and 26 characters", "writ incident show <incident>"}
	}
	if err := r.open(); err != nil {
		return err
	}
	e, b, err := r.Evidence(ctx, id)
	if err != nil {
		return err
	}
	var whole any = map[string]any{"evidence": e, "bytes": b}
	if r.format != "text" && e.Erased.IsZero() { // with the salt, to be verified offline
		if whole, err = r.OpenedEvidence(ctx, id); err != nil {
			return err
		}
	}
	return a.print(r.format, whole, func() {
		fmt.Fprintf(a.stdout, "%s  %s\n  source    %s\n  read by   %s at %s\n  commit    %s\n  redacted  %d secrets\n", e.ID, e.Query.Reader, writ.Printable(e.Source, 200), e.Reader, e.At.Format("2006-01-02T15:04:05Z"), e.Commitment, e.Redacted)
		if e.Writable {
			what := "parts of this text"
			if len(e.Fields) > 0 {
				what = writ.Printable(strings.Join(e.Fields, ", "), 400)
			}
			fmt.Fprintf(a.stdout, "  careful   %s can be written by anybody who uses the service\n", what)
		}
		if !e.Erased.IsZero() {
			fmt.Fprintf(a.stdout, "  erased    at %s; what it commits to and its entry stay\n", e.Erased.Format("2006-01-02T15:04:05Z"))
		}
		fmt.Fprintln(a.stdout)
		printLines(a, b)
	})
}

func runPlaybookList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "playbook list", "[--service name]", "Lists the repairs that can be asked for.")
	r := remoteFlags(f)
	service := f.String("service", "", "only those for this `service`")
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	return printList(a, r.format, r.Playbooks(ctx, *service), "PLAYBOOK\tTIER\tPLANE\tOWNER\tTITLE", func(p writ.PlaybookSummary) string {
		if p.Retired != nil {
			p.Title = "RETIRED: " + p.Title
		}
		return fmt.Sprintf("%s@%d\t%s\t%s\t%s\t%s", p.Name, p.Version, p.Tier, p.Plane, p.Owner, writ.Printable(p.Title, 80))
	})
}

func runPlaybookShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "playbook show", "<playbook>", "Describes one playbook.")
	r := remoteFlags(f)
	rest, err := r.opened(f, args, 1)
	if err != nil {
		return err
	}
	p, err := r.Playbook(ctx, rest[0])
	if err != nil {
		return err
	}
	return a.print(r.format, p, func() {
		fmt.Fprintf(a.stdout, "%s@%d  %s  owner %s  %s\n\n", p.Name, p.Version, p.Tier, p.Owner, p.Digest)
		if p.Retired != nil {
			fmt.Fprintf(a.stdout, "RETIRED up to version %d by %s at %s: %s\n\n", p.Retired.Version, who(p.Retired.By), clock(p.Retired.At), writ.Printable(p.Retired.Reason, 400))
		}
		printLines(a, []byte(p.Text))
	})
}
