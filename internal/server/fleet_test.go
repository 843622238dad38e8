package server_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/enrol"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/testbed/trustdomain"
)

const newcomer = writ.RunnerID("spiffe://corp.example/runner/prod-eu1")

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantReason(t *testing.T, what string, err error, want writ.Reason) {
	t.Helper()
	if got := writ.ReasonOf(err); got != want {
		t.Errorf("%s: got %q (%v), want %q", what, got, err, want)
	}
}

// fleet is a server whose configuration names a runner without a key, and a person who may invite it.
type fleet struct {
	t      *testing.T
	c      config.Server
	person *client.Client
	server string // fingerprint
}

func newFleet(t *testing.T, change func(*config.Server)) *fleet {
	t.Helper()
	f := &fleet{t: t}
	f.c = start(t, func(c *config.Server) {
		c.Runners = append(c.Runners, config.RunnerPeer{ID: string(newcomer)})
		change(c)
	})
	cc, err := config.LoadClient(f.c.Path("cli-bo.yaml"))
	must(t, err)
	f.person, err = client.New(cc.Server, client.Config{Token: func(context.Context) (string, error) {
		b, err := os.ReadFile(cc.Path(cc.TokenFile))
		return string(b[:max(0, len(b)-1)]), err
	}})
	must(t, err)
	key, err := pin.Load(f.c.Path(f.c.Keys.Control))
	must(t, err)
	f.server = pin.Fingerprint(key.Public().(ed25519.PublicKey))
	return f
}

func (f *fleet) key() ed25519.PrivateKey {
	f.t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(f.t, err)
	return key
}

func (f *fleet) enrolment(key ed25519.PrivateKey, code enrol.Code) server.Enrolment {
	return server.Enrolment{URL: "https://" + f.c.RunnerListen, Server: code.Server, Runner: code.Runner, Key: key, Code: code.Secret}
}

// calls asks the runners' door for work, as the process of a runner that connects as e says.
func (f *fleet) calls(e server.Enrolment) error {
	f.t.Helper()
	_, err := server.JoinAs(f.t.Context(), e, assignment.Join{Claim: assignment.Claim{Instance: "0123456789abcdef"}})
	return err
}

func (f *fleet) invite() enrol.Code {
	f.t.Helper()
	inv, err := f.person.InviteRunner(f.t.Context(), "prod-eu1")
	must(f.t, err)
	code, err := enrol.ParseCode(inv.Code)
	must(f.t, err)
	return code
}

func TestARunnerEnrolsOverTheNetworkWithACodeAndIsRemovedAtOnce(t *testing.T) {
	f := newFleet(t, func(*config.Server) {})
	key := f.key()
	stranger := server.Enrolment{URL: "https://" + f.c.RunnerListen, Server: f.server, Runner: newcomer, Key: key}
	if err := f.calls(stranger); err == nil || writ.ReasonOf(err) != "" {
		t.Errorf("without an invitation a stranger's key is answered: %v", err)
	}
	code := f.invite()
	if code.Server != f.server || code.Runner != newcomer {
		t.Fatalf("%+v", code)
	}
	wantReason(t, "a stranger who has not enrolled", f.calls(stranger), writ.ReasonUnauthenticated)

	wrong, err := enrol.New(code.Server, newcomer, rand.Reader)
	must(t, err)
	_, err = server.Enrol(t.Context(), f.enrolment(key, wrong), time.Now())
	wantReason(t, "a wrong code", err, writ.ReasonEnrolment)
	other := code
	other.Runner = writ.RunnerID(f.c.Runners[0].ID)
	_, err = server.Enrol(t.Context(), f.enrolment(key, other), time.Now())
	wantReason(t, "another runner's name", err, writ.ReasonEnrolment)
	another := code
	another.Server = pin.Fingerprint(f.key().Public().(ed25519.PublicKey))
	if _, err = server.Enrol(t.Context(), f.enrolment(key, another), time.Now()); err == nil {
		t.Error("a server of another key is told the code")
	}

	told, err := server.Enrol(t.Context(), f.enrolment(key, code), time.Now())
	must(t, err)
	if told.Runner != newcomer || told.VKey != f.c.Signer.VKey {
		t.Errorf("%+v", told)
	}
	must(t, f.calls(stranger)) // no stranger any more
	if _, err = server.Enrol(t.Context(), f.enrolment(f.key(), code), time.Now()); err == nil {
		t.Error("the code is good twice")
	}

	next := f.key() // its key is replaced while it works
	_, err = server.Enrol(t.Context(), server.Enrolment{URL: stranger.URL, Server: f.server, Runner: newcomer, Key: next, As: key}, time.Now())
	must(t, err)
	renewed := server.Enrolment{URL: stranger.URL, Server: f.server, Runner: newcomer, Key: next}
	must(t, f.calls(renewed))
	must(t, server.RetireKey(t.Context(), renewed, pin.Fingerprint(key.Public().(ed25519.PublicKey))))
	if err := f.calls(stranger); err == nil {
		t.Error("the retired key is answered")
	}

	_, err = f.person.RemoveRunner(t.Context(), string(newcomer), "", "the machine was given back")
	must(t, err)
	if err := f.calls(renewed); err == nil {
		t.Error("a removed runner is answered")
	}
	states := map[writ.RunnerKeyState]int{}
	for k, err := range f.person.RunnerKeys(t.Context()) {
		must(t, err)
		states[k.State]++
	}
	if states[writ.RunnerRemoved] != 2 || states[writ.RunnerDeclared] != 1 {
		t.Errorf("%v", states)
	}
}

func TestARunnerOfSPIFFEConnectsByItsSVIDAndEnrolsTheKeyItSignsWith(t *testing.T) {
	d := trustdomain.New(t, "corp.example")
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle.json")
	must(t, os.WriteFile(bundle, d.Bundle(t), 0o600))
	f := newFleet(t, func(c *config.Server) {
		c.SPIFFE = &config.SPIFFE{Bundles: []config.Bundle{{TrustDomain: "corp.example", File: bundle}}, Agents: []string{"spiffe://corp.example/agents"}, Audience: "https://writ.test", Runners: true}
	})
	svid := func(path string, life time.Duration) *config.TLSFiles {
		s, err := d.SVID(path, life)
		must(t, err)
		key, err := x509.MarshalPKCS8PrivateKey(s.Key)
		must(t, err)
		files := &config.TLSFiles{Cert: filepath.Join(dir, filepath.Base(path)+life.String()+".pem"), Key: filepath.Join(dir, filepath.Base(path)+life.String()+".key")}
		must(t, os.WriteFile(files.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Cert}), 0o600))
		must(t, os.WriteFile(files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
		return files
	}
	as := func(files *config.TLSFiles, runner writ.RunnerID) server.Enrolment {
		return server.Enrolment{URL: "https://" + f.c.RunnerListen, Server: f.server, Runner: runner, Key: f.key(), SVID: files}
	}
	good := as(svid("/runner/prod-eu1", time.Hour), newcomer)
	wantReason(t, "a runner without a key to sign with", f.calls(good), writ.ReasonUnauthenticated)
	if _, err := server.Enrol(t.Context(), good, time.Now()); err != nil {
		t.Fatal(err)
	}
	must(t, f.calls(good))
	_, err := server.Enrol(t.Context(), as(good.SVID, writ.RunnerID(f.c.Runners[0].ID)), time.Now())
	wantReason(t, "a key for another runner", err, writ.ReasonEnrolment)
	for name, files := range map[string]*config.TLSFiles{
		"a runner that the configuration does not name": svid("/runner/prod-us1", time.Hour),
		"a workload that is no runner":                  svid("/agents/repair", time.Hour),
		"an SVID that has ended":                        svid("/runner/prod-eu1", -time.Minute),
	} {
		if err := f.calls(as(files, newcomer)); err == nil {
			t.Errorf("%s is answered", name)
		}
	}
	_, err = f.person.RemoveRunner(t.Context(), "prod-eu1", "", "x")
	must(t, err)
	_, err = server.Enrol(t.Context(), as(good.SVID, newcomer), time.Now())
	wantReason(t, "a removed runner that enrols again by itself", err, writ.ReasonEnrolment)
	if err := f.calls(good); err == nil {
		t.Error("a removed runner's SVID is answered")
	}
}
