package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/rotate"
)

// grantKey is the key that the server's configuration names.
func grantKey(file string) (rotate.Grant, error) {
	c, err := config.LoadServer(file, true)
	return rotate.Grant{File: c.Path(c.Keys.Grant)}, err
}

func runKeysList(_ context.Context, a *app, args []string) error {
	f := newFlags(a, "keys list", "-c writ.yaml", "Lists the keys that sign grants: the next, the current and the previous one.")
	file := f.String("c", "writ.yaml", "the server's configuration `file`")
	format := f.String("o", "text", "output: text or json")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	g, err := grantKey(*file)
	if err != nil {
		return err
	}
	keys, err := g.Keys()
	if err != nil {
		return err
	}
	return a.print(*format, keys, func() {
		for _, k := range keys {
			fmt.Fprintf(a.stdout, "%-8s  %s  since %s  %s\n", k.Use, k.ID, clock(k.Changed), writ.Printable(k.File, 300))
		}
	})
}

func runKeysRotate(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "keys rotate", "announce|switch|retire [--key grant|control|runner] -c writ.yaml --trust trust.json … [--owner owner.pem] [--verify verify.json]",
		"Replaces a key, by default the one that signs grants, in three steps:\n  announce  makes the next key and adds it to each runner's trust file, signed by its owner\n  switch    puts it in the place of the current key; restart the servers then\n  retire    ten minutes later, takes the old key out of the trust files and deletes it\nEach step can be repeated. Old entries of the ledger stay verifiable: with --verify the auditors' trust file gets the new key of control plane or runner beside the old one.\nFor --key runner, -c names the runner's configuration and the server takes the key over the runner's own connection; there is no trust file to sign.")
	file := f.String("c", "writ.yaml", "the server's configuration `file`")
	owner := f.String("owner", "", "the private key `file` of the trust files' owner; not for switch")
	which := f.String("key", "grant", "which key: grant, control or runner")
	auditors := f.String("verify", "", "the auditors' trust `file`, to add the new key of control plane or runner to")
	var files words
	f.Var(&files, "trust", "a runner's trust `file`; may be repeated")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	step := rest[0]
	if step != "announce" && step != "switch" && step != "retire" {
		return &usageError{fmt.Sprintf("%q is no step of a rotation", writ.Printable(step, 30)), "writ keys rotate announce|switch|retire"}
	}
	switch *which {
	case "grant":
	case "runner":
		return a.rotateRunner(ctx, step, *file, *auditors)
	case "control":
		return a.rotateControl(step, *file, *owner, *auditors, files)
	default:
		return &usageError{fmt.Sprintf("there is no key %q to rotate", writ.Printable(*which, 30)), "--key grant, control or runner"}
	}
	if len(files) == 0 || step != "switch" && *owner == "" {
		return &usageError{step + " needs --trust, and --owner unless it is switch", "writ keys rotate " + step + " -c writ.yaml --trust trust.json --owner keys/owner.pem"}
	}
	g, err := grantKey(*file)
	if err != nil {
		return err
	}
	contents := make([][]byte, len(files))
	for i, name := range files {
		if contents[i], err = os.ReadFile(name); err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
	}
	if step == "switch" {
		kid, err := g.Switch(contents)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "✔ %s is the current key. Restart the servers; after %s: writ keys rotate retire\n", kid, rotate.Overlap)
		return nil
	}
	key, err := pin.Load(*owner)
	if err != nil {
		return err
	}
	kid := ""
	for i := range contents { // all are made before any is written
		if step == "announce" {
			contents[i], kid, err = g.Announce(contents[i], key)
		} else {
			contents[i], err = g.Retire(contents[i], key, time.Now())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
	}
	for i, name := range files {
		if err := durable.WriteFile(name, contents[i], 0o644); err != nil {
			return err
		}
	}
	if step == "announce" {
		fmt.Fprintf(a.stdout, "✔ %s is announced in %d trust files. Bring them to their runners; then: writ keys rotate switch\n", kid, len(files))
		return nil
	}
	if err := g.Forget(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "✔ %d trust files hold the current key alone, and the previous one is deleted\n", len(files))
	return nil
}
