package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
)

func runEvidenceReaders(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "evidence readers", "--incident inc_… [--target plane://name]", "Lists what writ evidence read can be asked for an incident. A parameter in [brackets] may be left out; -o json says what each allows.")
	r := remoteFlags(f)
	incident := f.String("incident", "", "`id` of the open incident")
	target := f.String("target", "", "only readers of this target, `plane://name`")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	in, err := writ.ParseIncidentID(*incident)
	if err != nil {
		return &usageError{"--incident must be an incident's id", "writ incident list --state open"}
	}
	var at writ.Location
	if *target != "" {
		if at, err = writ.ParseLocation(*target); err != nil {
			return &usageError{"--target must be a location: plane://name", "writ evidence readers --incident inc_… --target httpapi://shop"}
		}
	}
	if err := r.open(); err != nil {
		return err
	}
	return printList(a, r.format, r.Readers(ctx, in, at), "READER\tTARGET\tTAKES\tTITLE", func(x writ.ReaderText) string {
		takes := make([]string, 0, len(x.Takes))
		for _, p := range x.Takes {
			takes = append(takes, p.Call())
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s", x.Name, x.Target, strings.Join(takes, " "), writ.Printable(x.Title, 80))
	})
}
