package crash_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/enrol"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
	"github.com/writ-dev/writ/internal/trust"
	"github.com/writ-dev/writ/verify"
)

// A told is how one command ended.
type told struct {
	out, err string
	code     int
}

// command runs writ to its end.
func (s *site) command(args ...string) told {
	s.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), binary(s.t), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &errs
	if err := cmd.Run(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended {
			s.t.Fatal(err)
		}
	}
	return told{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// wants runs a command and demands its status, and what it says.
func (s *site) wants(code int, says string, args ...string) told {
	s.t.Helper()
	got := s.command(args...)
	if got.code != code || !strings.Contains(got.out+got.err, says) {
		s.t.Errorf("writ %s ended with %d, want %d and %q\n%s%s", strings.Join(args, " "), got.code, code, says, got.out, got.err)
	}
	return got
}

// as is a command of a person.
func (s *site) as(person string, args ...string) []string {
	return append(args, "--config", s.in.Clients[person])
}

// invites makes a code on the command line.
func (s *site) invites() (code string) {
	s.t.Helper()
	got := s.wants(0, "writ-enrol-", s.as(you, "runner", "invite", "--name", "local")...)
	code = strings.TrimSpace(got.out)
	if _, err := enrol.ParseCode(code); err != nil || strings.Contains(got.err, code) {
		s.t.Fatalf("%v: %q %q", err, got.out, got.err)
	}
	return code
}

// A newcomer is the folder of a runner that enrols.
type newcomer struct {
	*site
	dir string
}

func (s *site) newcomer(name string) newcomer { return newcomer{s, filepath.Join(s.dir, name)} }

func (n newcomer) at(name string) string { return filepath.Join(n.dir, name) }

// enrols runs writ runner enroll, and demands that nothing but a key was written if it failed, and no secret said.
func (n newcomer) enrols(code int, says string, secret string, how ...string) {
	n.t.Helper()
	c, err := config.LoadRunner(n.in.Runner)
	must(n.t, err)
	got := n.wants(code, says, append([]string{"runner", "enroll", "--server", c.Control.URL, "--dir", n.dir}, how...)...)
	if secret != "" && strings.Contains(got.out+got.err, secret) {
		n.t.Errorf("the code is in what was said: %s%s", got.out, got.err)
	}
	for _, name := range []string{"runner.yaml", "trust-draft.json"} {
		if _, err := os.Stat(n.at(name)); (err == nil) != (code == 0) {
			n.t.Errorf("ended with %d, and %s: %v", code, name, err)
		}
	}
}

// by is how a code is handed to writ runner enroll, with its secret.
func by(code string) (secret string, how []string) {
	c, _ := enrol.ParseCode(code) // of a code that is none, all is a secret
	if secret = c.Secret; secret == "" {
		secret = code
	}
	return secret, []string{"--code", code}
}

// equipped does what the cell's owner does next: it completes and signs the draft, which says of the control plane what the
// owner knows otherwise, and puts the target's credential where the configuration names it.
func (n newcomer) equipped() {
	n.t.Helper()
	t := n.t
	file, err := os.ReadFile(n.trust())
	must(t, err)
	known, err := trust.Payload(file)
	must(t, err)
	b, err := os.ReadFile(n.at("trust-draft.json"))
	must(t, err)
	var draft trust.Trust
	must(t, json.Unmarshal(b, &draft))
	for what, pair := range map[string][2]any{
		"issuer": {draft.Issuer, known.Issuer}, "grant keys": {draft.GrantKeys, known.GrantKeys}, "presented": {draft.Presented, known.Presented},
		"control": {draft.Control, known.Control}, "log": {draft.Log, known.Log}, "runner": {draft.Runner, known.Runner}, "targets": {draft.Ceiling.Targets, known.Ceiling.Targets},
	} {
		one, err1 := json.Marshal(pair[0])
		two, err2 := json.Marshal(pair[1])
		if must(t, errors.Join(err1, err2)); !bytes.Equal(one, two) {
			t.Errorf("the draft's %s is %s, want %s", what, one, two)
		}
	}
	if len(draft.Playbooks)+len(draft.Approvers)+len(draft.Ceiling.Operations) != 0 || draft.Ceiling.MaxTier != 0 {
		t.Errorf("the draft gives power: %+v", draft)
	}
	draft.Approvers, draft.Services, draft.AgentOwners, draft.Playbooks, draft.Ceiling = known.Approvers, known.Services, known.AgentOwners, known.Playbooks, known.Ceiling
	b, err = json.Marshal(draft)
	must(t, err)
	must(t, os.WriteFile(n.at("contents.json"), b, 0o600))
	n.wants(0, string(draft.Runner), "ceiling", "sign", n.at("trust.json"), "--key", filepath.Join(n.in.Dir, "keys", "owner.pem"), "--new", n.at("contents.json"))
}

// provided puts the owner's public key and the target's files there.
func (n newcomer) provided() {
	n.t.Helper()
	public, err := os.ReadFile(filepath.Join(n.in.Dir, "keys", "owner.pub"))
	must(n.t, err)
	must(n.t, os.WriteFile(n.at("owner.pub"), public, 0o600))
	from := filepath.Join(n.in.Dir, "targets")
	all, err := os.ReadDir(from)
	must(n.t, err)
	for _, f := range all {
		b, err := os.ReadFile(filepath.Join(from, f.Name()))
		must(n.t, err)
		name := f.Name()
		if name == "shop.yaml" {
			name = "connector.yaml"
		}
		must(n.t, os.WriteFile(n.at(name), b, 0o600))
	}
}

// audited adds the runner's key to what an auditor believes.
func (n newcomer) audited() {
	n.t.Helper()
	key, err := pin.Load(n.at("runner.pem"))
	must(n.t, err)
	b, err := os.ReadFile(n.in.Verify)
	must(n.t, err)
	known, err := verify.ParseTrust(b)
	must(n.t, err)
	c, err := config.LoadRunner(n.at("runner.yaml"))
	must(n.t, err)
	public := key.Public().(ed25519.PublicKey)
	known.Actors = append(known.Actors, verify.Actor{Principal: writ.RunnerID(c.ID).Principal(), KeyID: ledger.KeyID(public), Public: public, Roles: []verify.Role{verify.RoleRunner}})
	b, err = json.Marshal(known)
	must(n.t, err)
	must(n.t, os.WriteFile(n.in.Verify, b, 0o600))
}

// works starts the enrolled runner's process, which takes no work before its owner has signed, and repairs with it.
func (n newcomer) works() *process {
	n.t.Helper()
	n.provided()
	p := n.process(filepath.Base(n.dir), "runner", "-c", n.at("runner.yaml"))
	n.site.runner = p
	must(n.t, p.start())
	await(n.t, "the runner to miss its owner's signature", func() (bool, string) {
		return strings.Contains(p.tail(), "no work will be accepted until the trust file is good"), n.trouble()
	})
	n.equipped()
	n.audited()
	r, err := n.drive(scenarioOf(scenarios, "success"), n.services[0])
	n.sound(n.t, err)
	_, err = n.quiet()
	n.sound(n.t, err)
	n.sound(n.t, n.accept(r, writ.RunSucceeded))
	return p
}

// TestARunnerEnrolsOnTheCommandLineAndRepairs takes a runner from nothing to a repair with whole processes and the command
// line: by a code, by its X.509-SVID, and again after it was removed; and each way in which it must not get in.
func TestARunnerEnrolsOnTheCommandLineAndRepairs(t *testing.T) {
	t.Parallel()
	domain := trustdomain.New(t, "writ.local")
	s := prepare(t, threeProcesses)
	bundle := filepath.Join(s.dir, "bundle.json")
	must(t, os.WriteFile(bundle, domain.Bundle(t), 0o600))
	s.edit(func(c *config.Server) {
		c.Runners[0].Public = "" // it has to enrol
		c.SPIFFE = &config.SPIFFE{Bundles: []config.Bundle{{TrustDomain: "writ.local", File: bundle}}, Agents: []string{"spiffe://writ.local/agents"}, Audience: "https://writ.test", Runners: true}
	})
	own, err := config.LoadRunner(s.in.Runner)
	must(t, err)
	must(t, s.signer.start())
	await(t, "the signer", func() (bool, string) { return strings.Contains(s.signer.tail(), "listens on"), s.trouble() })
	must(t, s.server.write("clock -16m\n"))
	must(t, s.server.start())
	s.awaitServer()
	defer s.stop()
	s.jumped.Store(true)

	// Whoever has nothing gets nothing; a code is good for 15 minutes.
	other := writ.RunnerID("spiffe://writ.local/runner/other")
	forged := func(change func(*enrol.Code)) string {
		c, err := enrol.New(own.Control.Key, writ.RunnerID(own.ID), rand.Reader)
		must(t, err)
		change(&c)
		return c.String()
	}
	tried := s.newcomer("tried")
	fails := func(code int, says, with string) {
		t.Helper()
		secret, how := by(with)
		tried.enrols(code, says, secret, how...)
	}
	fails(1, "writ runner invite makes a new one", forged(func(*enrol.Code) {})) // nobody has invited anybody
	old := s.invites()
	must(t, s.server.write("clock 0s\n"))
	fails(1, "writ runner invite makes a new one", old) // and there is no other one: the door does not even answer
	must(t, s.server.write("clock -50s\n"))
	void := s.invites()
	code := s.invites()
	fails(3, "no open invitation fits this code", old)
	fails(3, "no open invitation fits this code", void)
	fails(3, "no open invitation fits this code", forged(func(*enrol.Code) {}))
	fails(3, "no open invitation fits this code", forged(func(c *enrol.Code) { c.Runner = other }))
	fails(2, "that is not an enrolment code", code[:len(code)-20])
	fails(1, "does not answer this key", forged(func(c *enrol.Code) { // another server's: nothing is told to this one
		public, _, err := ed25519.GenerateKey(rand.Reader)
		must(t, err)
		c.Server = pin.Fingerprint(public)
	}))

	// After five failures in a minute even the right code has to wait.
	fails(3, "no open invitation fits this code", forged(func(*enrol.Code) {}))
	fails(1, "too many failed enrolments in the last minute", code)
	must(t, s.server.write("clock 15s\n")) // 65 s later
	enrolled := s.newcomer("enrolled")
	secret, how := by(code)
	enrolled.enrols(0, "is enrolled with key sha256:", secret, how...)
	fails(1, "writ runner invite makes a new one", code) // it was used
	must(t, s.server.write("clock 0s\n"))
	next := s.invites()
	fails(3, "no open invitation fits this code", code)
	s.wants(0, "invited", s.as(you, "runner", "list")...)
	first := enrolled.works()

	// By its X.509-SVID, as another process of the same runner.
	svid := func(path string) string {
		v, err := domain.SVID(path, time.Hour)
		must(t, err)
		key, err := x509.MarshalPKCS8PrivateKey(v.Key)
		must(t, err)
		base := filepath.Join(s.dir, "svid-"+filepath.Base(path))
		must(t, os.WriteFile(base+".pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.Cert}), 0o600))
		must(t, os.WriteFile(base+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
		return base + ".pem," + base + ".key"
	}
	bySVID := func(path string) []string {
		return []string{"--svid", svid(path), "--server-key", own.Control.Key, "--id", own.ID}
	}
	tried.enrols(1, "does not answer this key", "", bySVID("/runner/other")...)
	tried.enrols(1, "does not answer this key", "", bySVID("/agents/local")...)
	attested := s.newcomer("attested")
	attested.enrols(0, "is enrolled with key sha256:", "", bySVID("/runner/local")...)
	first.end(syscall.SIGTERM)
	second := attested.works()

	// Who was removed is nobody at once, and comes back by a new key and a new code alone.
	s.wants(2, "--reason is missing", s.as(you, "runner", "remove", "local")...)
	s.wants(0, "is removed", s.as(you, "runner", "remove", "local", "--reason", "the machine was given back")...)
	await(t, "the removed runner to be refused", func() (bool, string) {
		return strings.Contains(second.tail(), "unauthenticated"), second.tail()
	})
	second.end(syscall.SIGTERM)
	s.wants(0, "removed", s.as(you, "runner", "list")...)
	tried.enrols(3, "no open invitation fits this code", "", bySVID("/runner/local")...) // the door knows its SVID, and no more
	fails(1, "writ runner invite makes a new one", next)                                 // an invitation from before ends with the runner
	again := s.invites()
	fails(3, "no open invitation fits this code", next)
	key, err := os.ReadFile(attested.at("runner.pem"))
	must(t, err)
	reused := s.newcomer("reused")
	must(t, os.MkdirAll(reused.dir, 0o700))
	must(t, os.WriteFile(reused.at("runner.pem"), key, 0o600))
	secret, how = by(again)
	reused.enrols(1, "this key was removed, and stays so", secret, how...)
	back := s.newcomer("back")
	back.enrols(0, "is enrolled with key sha256:", secret, how...)
	back.works()
}
