package main

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

func runLedgerSearch(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "ledger search", "[--kind …] [--incident inc_…] [--actor …] [--since …] [--until …]", "Searches the ledger, newest entries first.\n--since and --until take a time (2026-11-22T03:00:00Z) or a span back from now (24h).")
	r := remoteFlags(f)
	kind := f.String("kind", "", "of entries, such as `approval`")
	incident := f.String("incident", "", "only of this `incident`")
	actor := f.String("actor", "", "`subject` of whoever signed the entry or of whom it names; its last part will do")
	since := f.String("since", "", "not before this `time`")
	until := f.String("until", "", "not after this `time`")
	limit := f.Int("limit", writ.DefaultPage, "at most so many entries")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	q := writ.EntryFilter{Kind: writ.EntryKind(*kind), Actor: *actor}
	var err error
	if *incident != "" {
		if q.Incident, err = writ.ParseIncidentID(*incident); err != nil {
			return &usageError{"an incident is named by its id: inc_ and 26 characters", "writ incident list"}
		}
	}
	now := time.Now()
	if q.Since, err = when("since", *since, now); err != nil {
		return err
	}
	if q.Until, err = when("until", *until, now); err != nil {
		return err
	}
	if *limit < 1 {
		return &usageError{"--limit is at least 1", "--limit 50"}
	}
	if err := r.open(); err != nil {
		return err
	}
	some := func(yield func(writ.Event, error) bool) {
		n := 0
		for e, err := range r.SearchLedger(ctx, q) {
			if !yield(e, err) {
				return
			}
			if n++; n == *limit {
				return
			}
		}
	}
	return printList(a, r.format, some, "INDEX\tTIME\tENTRY", func(e writ.Event) string {
		return fmt.Sprintf("%d\t%s\t%s", e.Index, e.Time.UTC().Format("2006-01-02"), event(e))
	})
}

// when reads a time, or a span back from now. Empty is the zero time.
func when(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, &usageError{fmt.Sprintf("--%s is a time or a span", flag), "--" + flag + " 2026-11-22T03:00:00Z, or --" + flag + " 24h"}
	}
	return t, nil
}
