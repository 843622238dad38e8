package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/server/servertest"
	"github.com/writ-dev/writ/internal/trust"
)

// installed writes an installation and returns a function that names its files.
func installed(t *testing.T) func(string) string {
	t.Helper()
	in := servertest.Install(t)
	return func(name string) string { return filepath.Join(in.Dir, name) }
}

func TestACeilingIsShownRaisedComparedAndVerified(t *testing.T) {
	at := installed(t)
	file, c := at("trust.json"), at("runner.yaml")
	code, out, errs := cli(t, "ceiling", "show", file)
	if code != exitDone || !strings.Contains(out, "Never beyond") || !strings.Contains(out, "5 objects, 1000 permille") {
		t.Fatalf("show: %d\n%s%s", code, out, errs)
	}
	if code, out, errs = cli(t, "ceiling", "verify", "-c", c); code != exitDone || !strings.Contains(out, "✔ version 1") {
		t.Fatalf("verify: %d\n%s%s", code, out, errs)
	}

	_, out, _ = cli(t, "ceiling", "show", file, "-o", "json")
	var next trust.Trust
	must(t, json.Unmarshal([]byte(out), &next))
	next.Version, next.Ceiling.MaxObjects = 2, 9
	b, err := json.Marshal(next)
	must(t, err)
	must(t, os.WriteFile(at("next.json"), b, 0o600))
	code, _, errs = cli(t, "ceiling", "sign", at("raised.json"), "--key", at("keys/owner.pem"), "--new", at("next.json"))
	if code != exitDone || !strings.Contains(errs, "9 objects") {
		t.Fatalf("sign: %d\n%s", code, errs)
	}
	code, out, _ = cli(t, "ceiling", "diff", file, at("raised.json"))
	if code != exitDone || !strings.Contains(out, "raises  max_objects 9; it was 5") {
		t.Errorf("diff: %d\n%s", code, out)
	}
	if code, out, errs = cli(t, "ceiling", "verify", at("raised.json"), "-c", c); code != exitDone {
		t.Errorf("verify of what is to come: %d\n%s%s", code, out, errs)
	}

	old, err := os.ReadFile(file)
	must(t, err)
	raised, err := os.ReadFile(at("raised.json"))
	must(t, err)
	must(t, os.WriteFile(at("old.json"), old, 0o600))
	must(t, os.WriteFile(file, raised, 0o600))
	wantRefused(t, writ.ReasonTrustRollback, at("old.json"), c)
	wantRefused(t, writ.ReasonTrustMissing, at("nowhere.json"), c)
	must(t, os.WriteFile(at("cut.json"), raised[:len(raised)/2], 0o600))
	wantRefused(t, writ.ReasonTrustInvalid, at("cut.json"), c)

	next.Version, next.Expires = 3, next.Expires.AddDate(-1, 0, 0)
	b, err = json.Marshal(next)
	must(t, err)
	must(t, os.WriteFile(at("next.json"), b, 0o600))
	cli(t, "ceiling", "sign", at("past.json"), "--key", at("keys/owner.pem"), "--new", at("next.json"))
	wantRefused(t, writ.ReasonTrustExpired, at("past.json"), c)
}

// wantRefused demands that ceiling verify says the code, with the status of what differs.
func wantRefused(t *testing.T, want writ.Reason, file, c string) {
	t.Helper()
	if code, out, errs := cli(t, "ceiling", "verify", file, "-c", c); code != exitDiffers || !strings.Contains(out, "✘ "+string(want)+":") {
		t.Errorf("%s: status %d, want %d and %s\n%s%s", filepath.Base(file), code, exitDiffers, want, out, errs)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
