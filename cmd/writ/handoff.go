package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

func runHandOffList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "handoff list", "[--incident inc_…]", "Lists hand-offs in the order in which agents made them.")
	r := remoteFlags(f)
	incident := f.String("incident", "", "only those of the incident with this `id`")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	var in writ.IncidentID
	if *incident != "" {
		var err error
		if in, err = writ.ParseIncidentID(*incident); err != nil {
			return &usageError{"--incident must be an incident's id", "writ incident list"}
		}
	}
	if err := r.open(); err != nil {
		return err
	}
	return printList(a, r.format, r.HandOffs(ctx, in), "HANDOFF\tSTATE\tHOP\tFROM\tTO\tUNTIL\tMAY ASK FOR", func(h writ.HandOffStatus) string {
		return fmt.Sprintf("%s\t%s\t%d\t%s\t%s\t%s\t%s up to T%d", h.ID, h.State, h.Depth(), h.FromName, h.ToName, clock(h.Expires), strings.Join(h.Playbooks, ", "), h.MaxTier)
	})
}

func runHandOffShow(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "handoff show", "<handoff>", "Shows a hand-off with its lineage and what the giver said.")
	r := remoteFlags(f)
	id, err := handOffID(f, args)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	h, err := r.HandedOff(ctx, id)
	if err != nil {
		return err
	}
	return a.printHandOff(r.format, h)
}

func runHandOffRevoke(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "handoff revoke", "<handoff>", "Takes a hand-off back, with what was passed on from it: plans asked for under it end, their runs stop at the next step.")
	r := remoteFlags(f)
	id, err := handOffID(f, args)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	h, err := r.RevokeHandOff(ctx, id)
	if err != nil {
		return err
	}
	return a.printHandOff(r.format, h)
}

func handOffID(f *flags, args []string) (writ.HandOffID, error) {
	rest, err := f.parse(args, 1)
	if err != nil {
		return "", err
	}
	id, err := writ.ParseHandOffID(rest[0])
	if err != nil {
		return "", &usageError{"a hand-off is named by its id: hnd_ and 26 characters", "writ handoff list"}
	}
	return id, nil
}

func (a *app) printHandOff(format string, h writ.HandOffStatus) error {
	return a.print(format, h, func() {
		fmt.Fprintf(a.stdout, "%s  %s, hop %d of %s\n", h.ID, h.State, h.Depth(), h.Incident)
		for _, p := range h.Lineage {
			fmt.Fprintf(a.stdout, "  %s ▸\n", who(p))
		}
		fmt.Fprintf(a.stdout, "  %s\n  may ask for %s up to T%d, until %s\n", who(h.To), strings.Join(h.Playbooks, ", "), h.MaxTier, clock(h.Expires))
		for _, e := range h.Evidence {
			fmt.Fprintf(a.stdout, "  evidence  %s read at %s\n", e.ID, clock(e.At))
		}
		if h.Claim != "" {
			fmt.Fprintf(a.stdout, "  claim     %q  written by %s, not verified\n", writ.Printable(h.Claim, 400), who(h.From))
		}
	})
}
