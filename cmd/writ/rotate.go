package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/internal/server"
)

// witness adds the next key to the auditors' trust file.
func witness(id rotate.Identity, file string) error {
	if file == "" {
		return &usageError{"--verify is missing: what the new key signs could not be verified", "--verify verify.json"}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	if b, err = id.Witness(b); err != nil {
		return err
	}
	return durable.WriteFile(file, b, 0o644)
}

// rotateControl is one step of the replacement of the control plane's own key.
func (a *app) rotateControl(step, file, owner, auditors string, files []string) error {
	if len(files) == 0 || step != "switch" && owner == "" {
		return &usageError{step + " needs --trust, and --owner unless it is switch", "writ keys rotate " + step + " --key control -c writ.yaml --trust trust.json --owner keys/owner.pem --verify verify.json"}
	}
	c, err := config.LoadServer(file, true)
	if err != nil {
		return err
	}
	id := rotate.Identity{File: c.Path(c.Keys.Control)}
	contents := make([][]byte, len(files))
	for i, name := range files {
		if contents[i], err = os.ReadFile(name); err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
	}
	if step == "switch" {
		if err := id.SwitchAuthor(contents, time.Now()); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "✔ the new control key is the current one. Restart the servers; after %s: writ keys rotate retire --key control\n", rotate.Overlap)
		return nil
	}
	key, err := pin.Load(owner)
	if err != nil {
		return err
	}
	if step == "announce" {
		if err := witness(id, auditors); err != nil {
			return err
		}
	}
	err = rewrite(files, contents, func(b []byte) ([]byte, error) {
		if step == "announce" {
			return id.AnnounceAuthor(b, key)
		}
		return id.RetireAuthor(b, key, time.Now())
	})
	if err != nil {
		return err
	}
	if step == "announce" {
		next, err := id.Next()
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "✔ the next control key is announced in %d trust files. Bring them to their runners; name it as well as\n  control.next_key: %[2]s\n  next_server: %[2]s\nin the configurations of runners and signer, and restart those; then: writ keys rotate switch --key control\n", len(files), pin.Fingerprint(publicOf(next)))
		return nil
	}
	if err := id.Forget(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "✔ %d trust files hold the current control key alone. Let control.key and server in the configurations of runners and signer name it\n", len(files))
	return nil
}

// rotateRunner is one step of the replacement of a runner's key, over the runner's own connection to the server.
func (a *app) rotateRunner(ctx context.Context, step, file, auditors string) error {
	c, err := config.LoadRunner(file)
	if err != nil {
		return err
	}
	id := rotate.Identity{File: c.Path(c.Key)}
	current, err := id.Current()
	if err != nil {
		return err
	}
	e := server.Enrolment{URL: c.Control.URL, Server: c.Control.Key, Runner: writ.RunnerID(c.ID), Key: current}
	switch step {
	case "announce":
		if err := witness(id, auditors); err != nil {
			return err
		}
		if e.Key, err = id.Next(); err != nil {
			return err
		}
		e.As = current
		if _, err := server.Enrol(ctx, e, time.Now()); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "✔ the server takes %s beside the current key; then: writ keys rotate switch --key runner\n", pin.Fingerprint(publicOf(e.Key)))
	case "switch":
		if err := id.Promote(time.Now()); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, "✔ the new key is the current one. Restart the runner when it has no work in hand; then: writ keys rotate retire --key runner")
	case "retire":
		var previous ed25519.PrivateKey
		if previous, err = id.Previous(); err != nil {
			return err
		}
		if err := server.RetireKey(ctx, e, pin.Fingerprint(publicOf(previous))); err != nil {
			return err
		}
		if err := id.Forget(); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, "✔ the server takes the current key alone, and the previous one is deleted")
	}
	return nil
}
