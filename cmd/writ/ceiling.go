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

func runCeilingShow(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "ceiling show", "<trust.json>", "Says what a runner may do at most, whom it believes and whom it asks: its trust file. It does not check who signed it: see ceiling verify.")
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

func runCeilingSign(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "ceiling sign", "<trust.json> --key owner.pem [--new contents.json]", "Signs a trust file as its owner: adds a signature, or with --new writes a new file from contents that ceiling show -o json printed and you edited; raise its version.")
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

func runCeilingVerify(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "ceiling verify", "[trust.json] -c runner.yaml", "Checks a trust file as its runner would: the one that its configuration names, or another that is to take its place. It says everything for which the runner would refuse all work.")
	file := f.String("c", "runner.yaml", "the runner's configuration `file`")
	format := f.String("o", "text", "output: text or json")
	rest, err := f.parseSome(args, 1)
	if err != nil {
		return err
	}
	c, err := config.LoadRunner(*file)
	if err != nil {
		return err
	}
	name := c.Path(c.Trust.File)
	if len(rest) > 0 {
		name = rest[0]
	}
	t, refused, err := server.ExamineTrust(ctx, c, name, time.Now())
	if err != nil {
		return err
	}
	if len(refused) == 0 {
		return a.print(*format, t, func() {
			fmt.Fprintf(a.stdout, "✔ version %d, signed by %d of %d owners or more, good until %s\n", t.Version, c.Trust.Threshold, len(c.Trust.Owners), t.Expires.Format(time.RFC3339))
		})
	}
	if err := a.print(*format, refused, func() {
		for _, r := range refused {
			fmt.Fprintf(a.stdout, "✘ %s: %s\n", r.Code, r.Detail)
		}
	}); err != nil {
		return err
	}
	return &exitError{exitDiffers, "the runner would refuse all work with this file"}
}

func runCeilingDiff(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "ceiling diff", "<old.json> <new.json>", "Says what a trust file gives that the other did not, and what it takes away. It does not check who signed them.")
	format := f.String("o", "text", "output: text or json")
	rest, err := f.parse(args, 2)
	if err != nil {
		return err
	}
	var both [2]trust.Trust
	for i, name := range rest {
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
		if both[i], err = trust.Payload(b); err != nil {
			return fmt.Errorf("%s: %w", writ.Printable(name, 200), err)
		}
	}
	all := trust.Diff(both[0], both[1])
	return a.print(*format, all, func() {
		for _, c := range all {
			fmt.Fprintf(a.stdout, "%s  %s\n", map[bool]string{true: "raises", false: "lowers"}[c.Raises], c.What)
		}
		if len(all) == 0 {
			fmt.Fprintln(a.stdout, "the two say the same")
		}
	})
}
