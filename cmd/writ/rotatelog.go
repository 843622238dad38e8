package main

import (
	"fmt"
	"os"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/rotate"
	"github.com/writ-dev/writ/verify"
)

// A logStep is what one step of the replacement of the log's key is given.
type logStep struct {
	step, signer, owner, auditors, export string
	files                                 []string
}

// rotateLog is one step of the replacement of the key that signs the ledger's checkpoints, on the signer's machine.
func (a *app) rotateLog(in logStep) error {
	want := "writ keys rotate " + in.step + " --key log -c signer.yaml --trust trust.json --verify verify.json"
	switch {
	case len(in.files) == 0 || in.auditors == "":
		return &usageError{in.step + " of the log's key needs --trust and --verify", want}
	case in.step != "switch" && in.owner == "":
		return &usageError{in.step + " of the log's key needs --owner, a root of the log who owns the trust files", want + " --owner owner.pem"}
	case in.step == "retire" && in.export == "":
		return &usageError{"retire of the log's key needs --export: the old key is not deleted before the ledger tells of the new one", want + " --owner owner.pem --export ledger.json"}
	}
	c, err := config.LoadSigner(in.signer)
	if err != nil {
		return err
	}
	l := rotate.Log{File: c.Path(c.Key)}
	auditors, err := os.ReadFile(in.auditors)
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	t, err := verify.ParseTrust(auditors)
	if err != nil {
		return err
	}
	contents := make([][]byte, len(in.files))
	for i, name := range in.files {
		if contents[i], err = os.ReadFile(name); err != nil {
			return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
		}
	}
	switch in.step {
	case "announce":
		return a.announceLog(l, c.Origin, t, in, contents)
	case "switch":
		if err := l.Switch(contents, t, time.Now()); err != nil {
			return err
		}
		fmt.Fprintln(a.stdout, "✔ the log's new key is the current one, and the old one signs beside it. Restart the signer; once the ledger tells of the new key and everybody knows it: writ keys rotate retire --key log")
		return nil
	}
	return a.retireLog(l, auditors, in, contents)
}

func (a *app) announceLog(l rotate.Log, origin string, auditors verify.Trust, in logStep, contents [][]byte) error {
	owner, err := pin.Load(in.owner)
	if err != nil {
		return err
	}
	s, endorsed, err := l.Announce(origin, auditors, owner, time.Now())
	if err != nil {
		return err
	}
	err = rewrite(in.files, contents, func(b []byte) ([]byte, error) { return l.AnnounceIn(b, owner, s) })
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "✔ the log's next key %s is announced in %d trust files; %d of %d roots have signed %s\n", writ.Printable(s.New, 200), len(in.files), endorsed, auditors.Roots.Threshold, l.Succession())
	if endorsed < auditors.Roots.Threshold {
		fmt.Fprintln(a.stdout, "  another root signs it, too: the same command with their --owner")
		return nil
	}
	fmt.Fprintf(a.stdout, "  bring the trust files to their runners, and restart the signer; name under signer in the servers' configurations\n    succession: %s\n    auditors: %s\n  and restart those; then: writ keys rotate switch --key log\n", l.Succession(), in.auditors)
	return nil
}

// retireLog closes the old key's range for auditors and takes it out of the runners' trust files, before it is deleted.
func (a *app) retireLog(l rotate.Log, auditors []byte, in logStep, contents [][]byte) error {
	owner, err := pin.Load(in.owner)
	if err != nil {
		return err
	}
	export, err := os.ReadFile(in.export)
	if err != nil {
		return fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	closed, err := l.Close(auditors, export)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(in.auditors, closed, 0o644); err != nil {
		return err
	}
	err = rewrite(in.files, contents, func(b []byte) ([]byte, error) { return l.RetireIn(b, owner) })
	if err != nil {
		return err
	}
	if err := l.Forget(); err != nil {
		return err
	}
	s, err := l.Announced()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "✔ %d trust files hold the log's new key alone, the old one's range is closed for auditors, and its file is deleted. Let signer.vkey in the servers' configurations be\n    %s\n  restart them, bring the trust files to their runners, then restart the signer\n", len(in.files), writ.Printable(s.New, 200))
	return nil
}
