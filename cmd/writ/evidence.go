package main

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

func runEvidenceRead(ctx context.Context, a *app, args []string) error {
	const call = "writ evidence read httpapi/service.metrics --incident inc_… --target httpapi://shop --param service=checkout"
	f := newFlags(a, "evidence read", "<reader> --incident inc_… --target plane://name [--param name=value …]", "Lets a runner read, for an incident. Only what is read in this way can be cited by a proposal.")
	r := remoteFlags(f)
	incident := f.String("incident", "", "`id` of the open incident")
	target := f.String("target", "", "what is read from, `plane://name`")
	var params words
	f.Var(&params, "param", "a parameter of the reader, `name=value`; may be repeated")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	in, err := writ.ParseIncidentID(*incident)
	if err != nil {
		return &usageError{"--incident must be an incident's id", "writ incident list --state open"}
	}
	at, err := writ.ParseLocation(*target)
	if err != nil {
		return &usageError{"--target must be a location: plane://name", call}
	}
	reader, err := writ.ParseOperationName(rest[0])
	if err != nil {
		return &usageError{"a reader is named plane/noun.verb", call}
	}
	with, err := parameters(params)
	if err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	e, b, err := r.Observe(ctx, in, reader, at, with)
	if err != nil {
		return err
	}
	return a.print(r.format, map[string]any{"evidence": e, "bytes": b}, func() {
		fmt.Fprintf(a.stdout, "%s  %s, %d bytes, read by %s at %s\n\n", e.ID, e.Query.Reader, e.Size, e.Reader, clock(e.At))
		printLines(a, b)
	})
}
