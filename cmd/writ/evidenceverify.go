package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/verify"
)

func runEvidenceVerify(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "evidence verify", "<evidence | file> [--bundle file] [--trust verify.json] [--pin checkpoint …]",
		"Recomputes the salted digest of a reading, and finds it in a ledger that is verified on the way. A file is what writ evidence show <evidence> -o json prints; with it and --bundle nothing is asked of any server. By its id the reading, and without --bundle the bundle, come from the server. Without --trust it is not told whether a ledger commits to the reading.")
	r := remoteFlags(f)
	file := f.String("bundle", "", "a bundle of writ ledger export, `file`")
	trust := f.String("trust", "", "the auditors' trust `file`")
	var pins words
	f.Var(&pins, "pin", "a signed checkpoint kept elsewhere, `file`; may be repeated")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *file != "" && *trust == "" || *trust == "" && len(pins) > 0 {
		return &usageError{"--trust is missing: keys are never taken from the bundle", "--trust verify.json"}
	}
	content, asked, err := r.content(ctx, rest[0])
	if err != nil {
		return err
	}
	var t verify.Trust
	var bundle io.Reader
	var notes [][]byte
	if *trust != "" {
		if t, notes, err = trusted(*trust, pins); err != nil {
			return err
		}
		var b []byte
		switch {
		case *file != "":
			b, err = readInput(*file)
		case asked:
			b, err = r.Export(ctx, content.Evidence.Incident)
		default:
			return &usageError{"--bundle is missing: a file is checked without any server", "--bundle FILE, made by writ ledger export"}
		}
		if err != nil {
			return err
		}
		bundle = bytes.NewReader(b)
	}
	report, err := verify.Evidence(content, bundle, t, notes...)
	if err != nil {
		return &exitError{exitDiffers, err.Error()}
	}
	return a.verdict(r.format, report)
}

// content reads a reading from the server, by its id, or from a file; asked says that it was the server.
func (r *remote) content(ctx context.Context, name string) (c writ.EvidenceContent, asked bool, err error) {
	if id, err := writ.ParseEvidenceID(name); err == nil {
		if err := r.open(); err != nil {
			return c, false, err
		}
		c, err = r.OpenedEvidence(ctx, id)
		return c, true, err
	}
	b, err := readInput(name)
	if err != nil {
		return c, false, err
	}
	c, err = writ.ParseEvidenceContent(b)
	return c, false, err
}

func readInput(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return b, nil
}
