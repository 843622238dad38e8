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

// serverKeys are the keys that the server's configuration names; that of control-plane tokens may have no file.
func serverKeys(file string) (rotate.Grant, rotate.Token, error) {
	c, err := config.LoadServer(file, true)
	return rotate.Grant{File: c.Path(c.Keys.Grant)}, rotate.Token{File: c.Path(c.Keys.Token)}, err
}

func runKeysRotate(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "keys rotate", "announce|switch|retire [--key grant|token|dispatch|control|runner|log] -c writ.yaml --trust trust.json … [--owner owner.pem] [--verify verify.json]",
		"Replaces a key, by default the one that signs grants, in three steps:\n  announce  makes the next key and adds it to each runner's trust file, signed by its owner\n  switch    puts it in the place of the current key; restart the servers then\n  retire    ten minutes later, takes the old key out of the trust files and deletes it\nEach step can be repeated. Old entries of the ledger stay verifiable: with --verify the auditors' trust file gets the new key of control plane or runner beside the old one.\nFor --key runner, -c names the runner's configuration and the server takes the key over the runner's own connection; there is no trust file to sign.\nWith --key token it is the key that signs control-plane tokens, which no trust file names: restart the servers after announce and after switch; retire comes fifteen minutes later. So it is with --key dispatch, the key that presents grants: retire comes when no plan that names the old one is open.\nWith --key log, -c names the signer's configuration: announce also signs the succession, by which auditors follow the ledger from one key to the next, as one of the roots in --verify; retire closes the old key's range there.")
	file := f.String("c", "writ.yaml", "the server's configuration `file`")
	owner := f.String("owner", "", "the private key `file` of the trust files' owner; not for switch")
	which := f.String("key", "grant", "which `key`: grant, token, dispatch, control, runner or log")
	auditors := f.String("verify", "", "the auditors' trust `file`, to add the new key of control plane or runner to")
	export := f.String("export", "", "for retire of the log's key: the `file` of writ ledger export, which tells of the new key")
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
	case "token":
		if len(files) > 0 || *owner != "" {
			return &usageError{"no trust file names the key of control-plane tokens", "writ keys rotate " + step + " --key token -c writ.yaml"}
		}
		return a.rotateToken(*file, step)
	case "dispatch":
		if len(files) > 0 || *owner != "" {
			return &usageError{"no trust file names the dispatch key", "writ keys rotate " + step + " --key dispatch -c writ.yaml"}
		}
		return a.rotateDispatch(*file, step)
	case "runner":
		return a.rotateRunner(ctx, step, *file, *auditors)
	case "log":
		return a.rotateLog(logStep{step, *file, *owner, *auditors, *export, files})
	case "control":
		return a.rotateControl(step, *file, *owner, *auditors, files)
	default:
		return &usageError{fmt.Sprintf("there is no key %q to rotate", writ.Printable(*which, 30)), "--key grant, token, dispatch, control, runner or log"}
	}
	if len(files) == 0 || step != "switch" && *owner == "" {
		return &usageError{step + " needs --trust, and --owner unless it is switch", "writ keys rotate " + step + " -c writ.yaml --trust trust.json --owner keys/owner.pem"}
	}
	g, _, err := serverKeys(*file)
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
	err = rewrite(files, contents, func(b []byte) (out []byte, err error) {
		if step == "announce" {
			out, kid, err = g.Announce(b, key)
			return out, err
		}
		return g.Retire(b, key, time.Now())
	})
	if err != nil {
		return err
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

// rotateToken is one step of the rotation of the key that signs control-plane tokens.
func (a *app) rotateToken(file, step string) error {
	_, t, err := serverKeys(file)
	if err != nil {
		return err
	}
	if t.File == "" {
		return &writ.Refusal{Code: writ.ReasonKeyRotation, Kind: writ.ErrConflict, Detail: "the configuration names no keys.token", Hint: "without one there is no token endpoint"}
	}
	switch step {
	case "announce":
		kid, err := t.Announce()
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "✔ %s is announced. Bring it to all servers and restart them; then: writ keys rotate switch --key token\n", kid)
	case "switch":
		kid, err := t.Switch()
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "✔ %s is the current key. Restart the servers; after %s: writ keys rotate retire --key token\n", kid, rotate.TokenOverlap)
	case "retire":
		if err := t.Retire(time.Now()); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, "✔ the previous key of control-plane tokens is deleted; restart the servers")
	}
	return nil
}

// rewrite changes the contents of trust files, and writes them once all could be changed.
func rewrite(files []string, contents [][]byte, change func([]byte) ([]byte, error)) (err error) {
	for i, name := range files {
		if contents[i], err = change(contents[i]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for i, name := range files {
		if err := durable.WriteFile(name, contents[i], 0o644); err != nil {
			return err
		}
	}
	return nil
}
