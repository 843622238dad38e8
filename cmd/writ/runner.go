package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/durable"
	"github.com/writ-dev/writ/internal/enrol"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/trust"
)

func runRunnerInvite(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "runner invite", "--name NAME", "Makes a one-time code with which a runner enrols within 15 minutes. The server's configuration must name the runner. The code is a secret; it is shown once, and a new one makes the old one void.")
	r := remoteFlags(f)
	name := f.String("name", "", "the runner's `name`, or its whole id")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	if *name == "" {
		return &usageError{"--name is missing", "--name prod-eu1"}
	}
	if err := r.open(); err != nil {
		return err
	}
	inv, err := r.InviteRunner(ctx, *name)
	if err != nil {
		return err
	}
	return a.print(r.format, inv, func() {
		fmt.Fprintln(a.stdout, inv.Code)
		fmt.Fprintf(a.stderr, "good once, until %s, for %s:\n  writ runner enroll --server https://RUNNERS-DOOR --code CODE\n", inv.Expires.Format(time.RFC3339), inv.Runner)
	})
}

func runRunnerList(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "runner list", "", "Lists runners' keys and open invitations, past keys too.")
	r := remoteFlags(f)
	if _, err := r.opened(f, args, 0); err != nil {
		return err
	}
	return printList(a, r.format, r.RunnerKeys(ctx), "RUNNER\tSTATE\tKEY\tBY", func(k writ.RunnerKey) string {
		return fmt.Sprintf("%s\t%s\t%s\t%s", writ.Printable(string(k.Runner), 120), k.State, orDash(k.Key), orDash(writ.Printable(k.By.Sub, 80)))
	})
}

func runRunnerRemove(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "runner remove", "<name> [--key sha256:…] --reason …", "Takes a runner's keys away, at once and for all replicas. What it has in hand ends as a lost runner's: runs in flight end uncertain, and a person looks. With --key only that key goes.")
	r := remoteFlags(f)
	key := f.String("key", "", "`fingerprint` of one key, where others are to stay")
	reason := f.String("reason", "", "why")
	rest, err := f.parse(args, 1)
	if err != nil {
		return err
	}
	if *reason == "" {
		return &usageError{"--reason is missing", `--reason "the machine was given back"`}
	}
	if err := r.open(); err != nil {
		return err
	}
	gone, err := r.RemoveRunner(ctx, rest[0], *key, *reason)
	if err != nil {
		return err
	}
	return a.print(r.format, gone, func() {
		for _, k := range gone {
			fmt.Fprintf(a.stdout, "✔ %s: %s is removed\n", k.Runner, k.Key)
		}
	})
}

// Files of an enrolled runner, in its folder.
const (
	fileRunnerKey   = "runner.pem"
	fileRunnerConf  = "runner.yaml"
	fileTrustDraft  = "trust-draft.json"
	fileTrust       = "trust.json"
	fileOwnerPublic = "owner.pub"
)

func runRunnerEnroll(ctx context.Context, a *app, args []string) error {
	f := newFlags(a, "runner enroll", "--server URL --code CODE|--svid FILES|--workload-api ADDRESS [--dir runner]",
		"Makes a runner's key on this machine, has its public half registered, and writes the runner's configuration. The code of writ runner invite names the server's key, so nothing else has to be brought here. With --svid the runner's X.509-SVID takes the place of the code. Enrolling gives no power: the cell's owner signs the trust file, for which the draft is written too.")
	url := f.String("server", "", "`URL` of the server's door for runners")
	code := f.String("code", "", "the `code`; - reads it from standard input")
	dir := f.String("dir", "runner", "`folder` to write; files that exist are left")
	svid := f.String("svid", "", "with SPIFFE: `files` of the X.509-SVID, as cert.pem,key.pem")
	workload := f.String("workload-api", "", "with SPIFFE, instead of --svid: `address` of the Workload API that gives the X.509-SVID, unix:///path")
	serverKey := f.String("server-key", "", "with SPIFFE: `fingerprint` of the server's key")
	id := f.String("id", "", "with SPIFFE: the runner's `id`, spiffe://…/runner/…")
	if _, err := f.parse(args, 0); err != nil {
		return err
	}
	e := server.Enrolment{URL: *url}
	switch {
	case *url == "" || (*code == "") == (*svid == "" && *workload == "") || *svid != "" && *workload != "":
		return &usageError{"--server and one of --code, --svid and --workload-api are needed", "--server https://writ.example:8421 --code -"}
	case *workload != "":
		runner, err := writ.ParseRunnerID(*id)
		if err != nil || !pin.IsFingerprint(*serverKey) {
			return &usageError{"--workload-api goes with --server-key and --id", "--workload-api unix:///run/spire/agent/public/api.sock --server-key sha256:… --id spiffe://corp.example/runner/prod-eu1"}
		}
		e.WorkloadAPI, e.Server, e.Runner = *workload, *serverKey, runner
	case *svid != "":
		cert, key, ok := strings.Cut(*svid, ",")
		runner, err := writ.ParseRunnerID(*id)
		if !ok || err != nil || !pin.IsFingerprint(*serverKey) {
			return &usageError{"--svid names two files and goes with --server-key and --id", "--svid svid.pem,svid.key --server-key sha256:… --id spiffe://corp.example/runner/prod-eu1"}
		}
		if cert, err = filepath.Abs(cert); err != nil {
			return err
		}
		if key, err = filepath.Abs(key); err != nil {
			return err
		}
		e.SVID, e.Server, e.Runner = &config.TLSFiles{Cert: cert, Key: key}, *serverKey, runner
	default:
		text := *code
		if text == "-" {
			b, err := io.ReadAll(io.LimitReader(a.stdin, 1<<12))
			if err != nil {
				return err
			}
			text = string(b)
		}
		c, err := enrol.ParseCode(text)
		if err != nil {
			return err
		}
		e.Server, e.Runner, e.Code = c.Server, c.Runner, c.Secret
	}
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(*dir, name) }
	var err error
	if e.Key, err = pin.Load(at(fileRunnerKey)); errors.Is(err, fs.ErrNotExist) {
		e.Key, err = pin.Create(at(fileRunnerKey), rand.Reader)
	}
	if err != nil {
		return err
	}
	told, err := server.Enrol(ctx, e, time.Now())
	if err != nil {
		return unanswered(err)
	}
	if err := writeRunner(at, e, told); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, `✔ %[1]s is enrolled with key %[2]s
  next, by the cell's owner, who compares what the draft says with what the server's people say:
    complete %[3]s (ceiling, approvers, playbooks), then
    writ ceiling sign %[4]s --key owner.pem --new %[3]s
  and put the owner's public key at %[5]s and each target's credential where %[6]s names it
`, e.Runner, pin.Fingerprint(publicOf(e.Key)), at(fileTrustDraft), at(fileTrust), at(fileOwnerPublic), at(fileRunnerConf))
	return nil
}

// unanswered says what to look at when the runners' door did not answer an enrolment. Why a handshake ended is not told to a
// stranger.
func unanswered(err error) error {
	if _, refused := errors.AsType[*writ.Refusal](err); refused || !errors.Is(err, writ.ErrUnavailable) {
		return err
	}
	return &writ.Refusal{
		Code: writ.ReasonUnavailable, Kind: writ.ErrUnavailable, Detail: "the runners' door does not answer this key: " + writ.Printable(err.Error(), 300),
		Hint: "is --server its address, and is the code still open? One that was used, replaced or is older than 15 minutes opens nothing: writ runner invite makes a new one",
	}
}

// writeRunner writes configuration and draft, and leaves files that exist.
func writeRunner(at func(string) string, e server.Enrolment, told assignment.Enrolled) error {
	c := config.Runner{
		ID: string(e.Runner), Key: fileRunnerKey, Journal: "journal.db", Control: config.ControlPeer{URL: e.URL, Key: e.Server, SVID: e.SVID},
		Trust: config.TrustFile{File: fileTrust, Owners: []string{fileOwnerPublic}, Threshold: 1},
	}
	if e.WorkloadAPI != "" {
		c.SPIFFE = &config.RunnerSPIFFE{WorkloadAPI: e.WorkloadAPI}
	}
	for _, t := range told.Targets {
		target := config.RunnerTarget{Location: string(t)}
		if t.Plane() == "kubernetes" {
			target.Kubeconfig = "kubeconfig"
		} else {
			target.Connector = "connector.yaml"
		}
		c.Targets = append(c.Targets, target)
	}
	conf, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	draft := trust.Trust{
		V: writ.FormatVersion, Version: 1, Runner: e.Runner, Expires: writ.Instant(time.Now().AddDate(0, 3, 0)), Issuer: told.Issuer, Presented: told.Presented,
		Control: []trust.Author{trust.Author(told.Author)}, Log: trust.Log{Origin: told.Origin, VKey: told.VKey},
		Ceiling: trust.Ceiling{Targets: told.Targets, Quorum: map[writ.Tier]trust.Quorum{writ.T1: {}}},
	}
	for _, k := range told.GrantKeys {
		draft.GrantKeys = append(draft.GrantKeys, trust.GrantKey(k))
	}
	text, err := json.MarshalIndent(draft, "", "  ")
	if err != nil {
		return err
	}
	for name, b := range map[string][]byte{fileRunnerConf: conf, fileTrustDraft: text} {
		if _, err := os.Stat(at(name)); err == nil {
			continue
		}
		if err := durable.WriteFile(at(name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }
