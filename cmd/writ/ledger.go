package main

import (
	"context"
	"fmt"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

func runLedgerTail(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "ledger tail", "[--from N] [--follow] [--incident inc_…]", "Prints ledger entries as sentences.")
	r := remoteFlags(f)
	from := f.Int64("from", 0, "first `index`")
	follow := f.Bool("follow", false, "go on as entries come")
	incident := f.String("incident", "", "only this incident's, by `id`")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	var id writ.IncidentID
	if *incident != "" {
		var err error
		if id, err = writ.ParseIncidentID(*incident); err != nil {
			return &usageError{"--incident must be an id: inc_ and 26 characters", ""}
		}
	}
	if err := r.open(); err != nil {
		return err
	}
	list := r.Events(ctx, *from, id)
	if *follow {
		list = r.Watch(ctx, *from, id)
	}
	for e, err := range list {
		if err != nil {
			return ended(ctx, err)
		}
		if err := a.print(lineFormat(r.format), e, func() { fmt.Fprintf(a.stdout, "%6d  %s\n", e.Index, event(e)) }); err != nil {
			return err
		}
	}
	return nil
}

func lineFormat(format string) string {
	if format == "json" {
		return "jsonl"
	}
	return format
}

func runLedgerExport(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "ledger export", "[--incident inc_…] [-f file]", "Writes a bundle that writ ledger verify checks offline: the whole ledger, or one incident's entries with their proofs.")
	r := remoteFlags(f)
	incident := f.String("incident", "", "only this incident's entries, by `id`")
	file := f.String("f", "", "`file` to write; default standard output")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	var id writ.IncidentID
	if *incident != "" {
		var err error
		if id, err = writ.ParseIncidentID(*incident); err != nil {
			return &usageError{"--incident must be an id: inc_ and 26 characters", ""}
		}
	}
	if err := r.open(); err != nil {
		return err
	}
	b, err := r.Export(ctx, id)
	if err != nil {
		return err
	}
	if *file == "" {
		_, err = a.stdout.Write(b)
		return err
	}
	return os.WriteFile(*file, b, 0o600)
}

func runLedgerVerify(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "ledger verify", "<bundle> --trust verify.json [--pin checkpoint …]", "Verifies a bundle offline. It trusts nothing but the trust file and the checkpoints that you kept elsewhere.")
	trust := f.String("trust", "", "the auditors' trust `file`")
	format := f.String("o", "text", "output: text or json")
	var pins words
	f.Var(&pins, "pin", "a signed checkpoint kept elsewhere, `file`; may be repeated")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *trust == "" {
		return &usageError{"--trust is missing: keys are never taken from the bundle", "--trust verify.json"}
	}
	t, notes, err := trusted(*trust, pins)
	if err != nil {
		return err
	}
	in, err := os.Open(rest[0])
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	defer in.Close()
	report, err := verify.Bundle(in, t, notes...)
	if err != nil {
		return &exitError{exitDiffers, err.Error()}
	}
	return a.verdict(*format, report)
}

// A judged is a report of the offline verifier.
type judged interface {
	Text() string
	Verdict() verify.Verdict
}

// verdict prints a report and says by the exit status how it ends.
func (a *app) verdict(format string, r judged) error {
	if err := a.print(format, r, func() { fmt.Fprint(a.stdout, r.Text()) }); err != nil {
		return err
	}
	switch r.Verdict() {
	case verify.OK:
		return nil
	case verify.CannotTell:
		return &exitError{exitUncertain, ""}
	}
	return &exitError{exitDiffers, ""}
}

// trusted reads the auditors' trust file and the checkpoints that were kept elsewhere.
func trusted(file string, pins words) (t verify.Trust, notes [][]byte, err error) {
	b, err := readInput(file)
	if err != nil {
		return t, nil, err
	}
	if t, err = verify.ParseTrust(b); err != nil {
		return t, nil, err
	}
	for _, p := range pins {
		if b, err = readInput(p); err != nil {
			return t, nil, err
		}
		notes = append(notes, b)
	}
	return t, notes, nil
}
