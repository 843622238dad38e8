package main

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/server"
)

func TestAnEnrolledRunnersConfigurationIsReadAndWhatExistsIsLeft(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	_, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	e := server.Enrolment{URL: "https://writ.example:8421", Server: pin.Fingerprint(publicOf(key)), Runner: "spiffe://writ.example/runner/prod-eu1", Key: key}
	told := assignment.Enrolled{Runner: e.Runner, Issuer: "https://writ.example", Presented: "https://writ.example/v1/runs", Origin: "writ.example/ledger", Targets: []writ.Location{"kubernetes://prod-eu1"}}
	must(t, writeRunner(at, e, told))
	c, err := config.LoadRunner(at(fileRunnerConf))
	must(t, err)
	if c.ID != string(e.Runner) || c.Control.Key != e.Server || len(c.Targets) != 1 || c.Trust.Threshold != 1 {
		t.Errorf("%+v", c)
	}
	draft, err := os.ReadFile(at(fileTrustDraft))
	must(t, err)
	if !strings.Contains(string(draft), told.Issuer) {
		t.Errorf("%s", draft)
	}
	must(t, os.WriteFile(at(fileTrustDraft), []byte("mine"), 0o600))
	must(t, writeRunner(at, e, told))
	if b, err := os.ReadFile(at(fileTrustDraft)); err != nil || string(b) != "mine" {
		t.Errorf("it was written over: %s %v", b, err)
	}
}

func TestEnrollingNeedsACodeOrAnSVID(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing":              {},
		"no server":            {"--code", "writ-enrol-x"},
		"both":                 {"--server", "https://a:1", "--code", "x", "--svid", "a,b"},
		"an SVID and no key":   {"--server", "https://a:1", "--svid", "a,b", "--id", "spiffe://a/runner/b"},
		"something for a code": {"--server", "https://a:1", "--code", "writ-enrol-secret"},
	} {
		code, out, errs := cli(t, append([]string{"runner", "enroll", "--dir", t.TempDir()}, args...)...)
		if code != exitUsage || out != "" || strings.Contains(errs, "secret\"") {
			t.Errorf("%s: %d %s %s", name, code, out, errs)
		}
	}
}
