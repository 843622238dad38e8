package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/trust"
)

func runTrustShow(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "runner trust show", "<trust.json>", "Shows a trust file. It does not check who signed it: see runner trust verify.")
	format := f.String("o", "text", "output: text or json")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(rest[0])
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	t, err := trust.Payload(b)
	if err != nil {
		return err
	}
	return a.print(*format, t, func() { fmt.Fprint(a.stdout, trust.Text(t)) })
}

func runTrustSign(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "runner trust sign", "<trust.json> --key owner.pem [--new contents.json]", "Signs a trust file as its owner: adds a signature, or with --new writes a new file from contents that runner trust show -o json printed and you edited; raise its version.")
	key := f.String("key", "", "the owner's private key `file`")
	contents := f.String("new", "", "contents of a new version, JSON `file`")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *key == "" {
		return &usageError{"--key is missing", "--key keys/owner.pem"}
	}
	owner, err := pin.Load(*key)
	if err != nil {
		return err
	}
	var out []byte
	if *contents != "" {
		b, err := os.ReadFile(*contents)
		if err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
		t, err := trust.ParseDraft(b)
		if err != nil {
			return err
		}
		if out, err = trust.Sign(t, owner); err != nil {
			return err
		}
	} else {
		b, err := os.ReadFile(rest[0])
		if err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
		if out, err = trust.AddSignature(b, owner); err != nil {
			return err
		}
	}
	t, err := trust.Payload(out)
	if err != nil {
		return err
	}
	fmt.Fprint(a.stderr, trust.Text(t))
	return os.WriteFile(rest[0], out, 0o644)
}

func runTrustVerify(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "runner trust verify", "-c runner.yaml", "Checks a trust file as its runner would.")
	file := f.String("c", "runner.yaml", "the runner's configuration `file`")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	c, err := config.LoadRunner(*file)
	if err != nil {
		return err
	}
	t, err := server.CheckTrust(c, time.Now())
	if err != nil {
		return &exitError{exitDiffers, err.Error()}
	}
	fmt.Fprintf(a.stdout, "✔ version %d, signed by %d of %d owners or more, good until %s\n", t.Version, c.Trust.Threshold, len(c.Trust.Owners), t.Expires.Format(time.RFC3339))
	return nil
}
