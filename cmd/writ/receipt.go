package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/receipt"
	"github.com/writ-dev/writ/verify"
)

func runRunReceipt(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "run receipt", "<run> [--bundle file] [--trust verify.json]",
		"Prints what the runner signed about a run that has ended. With --trust the signature is checked under the keys of that file. -o dsse prints the envelope as it stands in the ledger, for cosign, in-toto or any other program that reads DSSE.")
	r := remoteFlags(f)
	file := f.String("bundle", "", "a bundle of writ ledger export, `file`, in place of the server")
	trustFile := f.String("trust", "", "the auditors' trust `file`, to check the signature with")
	f.Lookup("o").Usage = "output: text, dsse or json"
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	format := r.format
	if !slices.Contains([]string{"text", "dsse", "json"}, format) {
		return &usageError{fmt.Sprintf("-o %s is unknown", writ.Printable(format, 20)), "use -o text, -o dsse or -o json"}
	}
	var bundle []byte
	id, err := writ.ParseRunID(rest[0])
	if *file != "" {
		if err != nil {
			return &usageError{"with --bundle a run is named by its whole id", "writ ledger verify shows the runs of a bundle"}
		}
		if bundle, err = os.ReadFile(*file); err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
	} else {
		r.format = "text"
		if id, bundle, err = r.bundleOf(ctx, rest[0]); err != nil {
			return err
		}
	}
	envelope, by, err := receiptIn(bundle, id)
	if err != nil {
		return err
	}
	s, err := receipt.Read(envelope)
	if err != nil {
		return err
	}
	if *trustFile != "" {
		if err := signedBy(envelope, by, *trustFile); err != nil {
			return &exitError{exitDiffers, err.Error()}
		}
	}
	switch format {
	case "dsse":
		_, err = a.stdout.Write(append(envelope, '\n'))
		return err
	case "text":
		fmt.Fprint(a.stdout, s.Text())
		if *trustFile != "" {
			fmt.Fprintln(a.stdout, "✔ signed by the key of its runner")
		} else {
			fmt.Fprintln(a.stderr, "the signature was not checked: give --trust verify.json")
		}
		return nil
	}
	return a.print("json", s, nil)
}

// bundleOf asks the server for the entries of a run's incident.
func (r *remote) bundleOf(ctx context.Context, run string) (writ.RunID, []byte, error) {
	if err := r.open(); err != nil {
		return "", nil, err
	}
	id, err := r.findRun(ctx, run)
	if err != nil {
		return "", nil, err
	}
	s, err := r.Run(ctx, id)
	if err != nil {
		return "", nil, err
	}
	b, err := r.Export(ctx, s.Incident)
	return id, b, err
}

// receiptIn returns the receipt of a run, and who its entry says wrote it.
func receiptIn(bundle []byte, id writ.RunID) ([]byte, writ.Principal, error) {
	b, err := ledger.ParseBundle(bundle)
	if err != nil {
		return nil, writ.Principal{}, err
	}
	for _, e := range b.Entries {
		entry, err := ledger.Open(e.Leaf)
		if err != nil {
			continue // a kind of a newer version; writ ledger verify judges the bundle
		}
		if body, ok := entry.Body.(*writ.ReceiptBody); ok && body.Run == id {
			return body.Envelope, entry.Record.Actor, nil
		}
	}
	return nil, writ.Principal{}, &writ.Refusal{Code: writ.ReasonNoReceipt, Kind: writ.ErrNotFound, Detail: fmt.Sprintf("there is no receipt of run %s", id),
		Hint: "a run has one when it has ended and its runner has delivered it, unless it was refused before its grant was spent: writ run show"}
}

// signedBy checks the signature under the runner's keys of an auditors' trust file.
func signedBy(envelope []byte, by writ.Principal, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	t, err := verify.ParseTrust(b)
	if err != nil {
		return err
	}
	for _, k := range t.Actors {
		if k.Principal.Same(by) && slices.Contains(k.Roles, verify.RoleRunner) {
			s, err := receipt.Open(envelope, receipt.Key(k.Public))
			if err == nil && s.Predicate.Runner.Principal().Same(by) {
				return nil
			}
		}
	}
	return fmt.Errorf("no key of %s in the trust file signed this receipt", by)
}
