package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/friction"
	"github.com/writ-dev/writ/internal/ledger"
)

func runReportFriction(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "report friction", "[--since 720h] [--incident inc_…] [--bundle file]", "Counts from the ledger what Writ added: seconds and answers of people, for each incident and tier.\nA bundle is counted as it is; writ ledger verify says whether it is whole and true.")
	r := remoteFlags(f)
	since := f.Duration("since", 0, "only plans proposed within this `time` before the newest entry, such as 720h; 0 means all")
	incident := f.String("incident", "", "only the incident with this `id`")
	bundle := f.String("bundle", "", "count a bundle's `file` instead of the server's ledger")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	var only writ.IncidentID
	if *incident != "" {
		var err error
		if only, err = writ.ParseIncidentID(*incident); err != nil {
			return &usageError{"--incident must be an incident's id", "writ incident list"}
		}
	}
	if *since < 0 {
		return &usageError{"--since must not be negative", "--since 720h"}
	}
	entries, err := readEntries(ctx, *bundle, r)
	if err != nil {
		return err
	}
	var from time.Time
	if *since > 0 && len(entries) > 0 {
		from = entries[len(entries)-1].Record.Time.Add(-*since)
	}
	report := friction.Count(entries, from, only)
	return a.print(r.format, report, func() { a.friction(report) })
}

// readEntries opens the entries of a bundle, or of the server's ledger page by page.
func readEntries(ctx context.Context, file string, r *remote) ([]ledger.Entry, error) {
	var out []ledger.Entry
	add := func(index int64, leaf []byte) error {
		e, err := ledger.Open(leaf)
		if err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		out = append(out, e)
		return nil
	}
	if file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%w: bundle: %w", writ.ErrInvalid, err)
		}
		b, err := ledger.ParseBundle(raw)
		if err != nil {
			return nil, err
		}
		for _, e := range b.Entries {
			if err := add(e.Index, e.Leaf); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	for from := int64(0); ; {
		page, _, err := r.Entries(ctx, from, writ.MaxPage)
		if err != nil || len(page) == 0 {
			return out, err
		}
		for _, e := range page {
			if err := add(e.Index, e.Leaf); err != nil {
				return nil, err
			}
		}
		from = page[len(page)-1].Index + 1
	}
}

func (a *app) friction(r friction.Report) {
	if r.Total.Plans == 0 {
		fmt.Fprintf(a.stdout, "no plan was made in these %d entries\n", r.Entries)
		return
	}
	w := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\tPLANS\tRUNS\tASKED PEOPLE\tAPPROVALS\tREJECTED\tDENIED\tEXPIRED\tADDED s\tOF PEOPLE s\tLONGEST s\tDECIDING ms\tSTARTING ms")
	row := func(name string, l friction.Line) {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", name, l.Plans, l.Runs, l.Prompts, l.Approvals, l.Rejections, l.Denied, l.Expired,
			l.AddedSeconds(), l.PeopleSeconds, l.LongestSeconds, l.DecidingMillis, l.StartingMillis)
	}
	for _, l := range r.Incidents {
		row(string(l.Incident)+" "+writ.Printable(l.Service, 40), l)
	}
	for _, l := range r.Tiers {
		row("tier "+l.Tier, l)
	}
	row("all", r.Total)
	w.Flush()
	if r.Total.Recalls > 0 {
		fmt.Fprintf(a.stdout, "%d approvals were taken back\n", r.Total.Recalls)
	}
	fmt.Fprintf(a.stdout, "%d notices reached somebody; %d entries from %s to %s\n", r.Total.Notices, r.Entries, r.From.UTC().Format(time.RFC3339), r.Until.UTC().Format(time.RFC3339))
}
