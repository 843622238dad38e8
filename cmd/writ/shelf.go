package main

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/playbook"
)

func runPlaybookRetire(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "playbook retire", "<playbook> --reason …", "Retires a playbook that your team owns, up to its present version: nobody can ask for it, and its open plans are taken back.\nRuns go on, and what ran can be undone. A higher version in the server's library is offered again.")
	r := remoteFlags(f)
	reason := f.String("reason", "", "why; stays off the ledger")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *reason == "" {
		return &usageError{"--reason is missing", "writ playbook retire " + writ.Printable(rest[0], 60) + ` --reason "restart-workload does it better"`}
	}
	if err := r.open(); err != nil {
		return err
	}
	p, err := r.RetirePlaybook(ctx, rest[0], *reason)
	if err != nil {
		return err
	}
	return a.print(r.format, p, func() { fmt.Fprintf(a.stdout, "✔ %s@%d is retired; nobody can ask for it\n", p.Name, p.Version) })
}

func runPlaybookDiff(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "playbook diff", "<playbook> [--from N] [--to N]", "Shows what changed from one version of a playbook to another: from the one before the newest, unless you say otherwise.\nThe server keeps every version that it had. Exit status 5 when they differ.")
	r := remoteFlags(f)
	from := f.Int("from", 0, "the older `version`; 0 means the one before --to")
	to := f.Int("to", 0, "the newer `version`; 0 means the newest")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	var all []writ.PlaybookVersion
	for v, err := range r.PlaybookVersions(ctx, rest[0]) {
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	before, after, err := chosen(rest[0], all, *from, *to)
	if err != nil {
		return err
	}
	lines := playbook.Diff(before.Source, after.Source)
	err = a.print(r.format, map[string]any{"from": before.PlaybookRef, "to": after.PlaybookRef, "same": len(lines) == 0}, func() {
		fmt.Fprintf(a.stdout, "--- %s@%d %s\n+++ %s@%d %s\n", before.Name, before.Version, before.Digest, after.Name, after.Version, after.Digest)
		for _, l := range lines {
			fmt.Fprintf(a.stdout, "%c%s\n", l.Sign, writ.Printable(l.Text, 400))
		}
	})
	if err == nil && len(lines) > 0 {
		err = &exitError{exitDiffers, ""}
	}
	return err
}

// chosen picks the two versions that are compared; all are newest first.
func chosen(name string, all []writ.PlaybookVersion, from, to int) (before, after writ.PlaybookVersion, err error) {
	var known []int
	for _, v := range all {
		known = append(known, v.Version)
		switch {
		case after.Version == 0 && (to == 0 || v.Version == to):
			after = v
		case after.Version != 0 && before.Version == 0 && (from == 0 || v.Version == from):
			before = v
		}
	}
	if before.Version == 0 || after.Version == 0 {
		return before, after, &usageError{fmt.Sprintf("of playbook %s the server has had the versions %v; a difference takes two of them, the older one --from", writ.Printable(name, 60), known), "writ playbook show " + writ.Printable(name, 60)}
	}
	return before, after, nil
}
