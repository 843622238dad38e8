package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cli runs one command with nothing on its standard input.
func cli(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}, args)
	return code, out.String(), errs.String()
}

func TestBadCallsAreOneSentenceWithAHintAndAStatus(t *testing.T) {
	empty := t.TempDir()
	file := filepath.Join(empty, "cli.yaml")
	if err := os.WriteFile(file, []byte("server: http://127.0.0.1:1\ntoken_file: token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(empty, "token"), []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		say  string
		hint string
	}{
		"unknown command":       {[]string{"plann", "show"}, exitUsage, "no command", "plan show"},
		"a noun without a verb": {[]string{"ledger"}, exitUsage, "no command", "ledger tail"},
		"unknown flag":          {[]string{"status", "--colour"}, exitUsage, "colour", "usage"},
		"missing argument":      {[]string{"plan", "show"}, exitUsage, "one argument", "<plan>"},
		"no configuration":      {[]string{"status", "--config", filepath.Join(empty, "none.yaml")}, exitUsage, "none.yaml", ""},
		"unknown output":        {[]string{"status", "--config", file, "-o", "xml"}, exitUsage, "xml", "-o json"},
		"nobody listens":        {[]string{"status", "--config", file}, exitFailed, "refused", ""},
		"not a plan's id":       {[]string{"plan", "show", "1", "--config", file}, exitUsage, "pln_", "plan list"},
		"two scopes to freeze":  {[]string{"freeze", "--all", "--service", "x", "--reason", "y"}, exitUsage, "exactly one", "--all"},
		"two ways to unfreeze":  {[]string{"unfreeze", "frz_01JDB3V0T6M2Y8H4R1C7K5P9WD", "--all", "--reason", "y"}, exitUsage, "exactly one", "freeze list"},
		"unfreeze of nothing":   {[]string{"unfreeze", "--reason", "y"}, exitUsage, "exactly one", "freeze list"},
		"freeze without reason": {[]string{"freeze", "--all"}, exitUsage, "--reason", "--reason"},
		"parameter without =":   {[]string{"plan", "new", "x", "--incident", "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB", "--param", "replicas"}, exitUsage, "name=value", "replicas=6"},
		"incident by name":      {[]string{"plan", "new", "x", "--incident", "INC-1"}, exitUsage, "--incident", "incident list"},
		"verify without trust":  {[]string{"ledger", "verify", "x"}, exitUsage, "--trust", "verify.json"},
		"init without cluster":  {[]string{"init", filepath.Join(empty, "new")}, exitUsage, "--kubeconfig", "writ init"},
		"doctor of nothing":     {[]string{"doctor"}, exitUsage, "examine", "writ doctor"},
		"a server's file":       {[]string{"serve", "-c", file}, exitUsage, "unknown field", "writ init"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := cli(t, c.args...)
			if code != c.code || out != "" || !strings.Contains(errs, c.say) || !strings.Contains(errs, c.hint) {
				t.Errorf("status %d, want %d\nstdout %q\nstderr %q", code, c.code, out, errs)
			}
			if n := strings.Count(errs, "\n"); n > 2 {
				t.Errorf("%d lines:\n%s", n, errs)
			}
		})
	}
}

func TestHelpListsEveryCommand(t *testing.T) {
	code, out, _ := cli(t, "help")
	if code != exitDone {
		t.Errorf("status %d", code)
	}
	for _, c := range commands() {
		if !strings.Contains(out, "writ "+c.name+" ") {
			t.Errorf("help does not name %q", c.name)
		}
	}
	if code, out, _ := cli(t, "plan", "show", "-h"); code != exitDone || !strings.Contains(out, "usage: writ plan show <plan>") {
		t.Errorf("plan show -h: %d %q", code, out)
	}
}

func TestTheShippedPlaybooksLintClean(t *testing.T) {
	files, err := filepath.Glob("../../playbooks/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	if code, out, errs := cli(t, append([]string{"playbook", "lint"}, files...)...); code != exitDone || !strings.Contains(out, "nothing to say") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	b, err := os.ReadFile("../../playbooks/scale-workload.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, bytes.Replace(b, []byte("max: 200"), []byte("max: 20000"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, _ := cli(t, "playbook", "lint", bad, "-o", "json")
	var found []map[string]any
	if err := json.Unmarshal([]byte(out), &found); err != nil || code != exitDiffers || len(found) == 0 || found[0]["line"] == nil {
		t.Errorf("a bound wider than the operation's: %d %s %v", code, out, err)
	}
}

func TestTheShippedPolicySetPassesItsOwnTests(t *testing.T) {
	if code, out, errs := cli(t, "policy", "test"); code != exitDone || !strings.Contains(out, "cases") {
		t.Errorf("%d\n%s%s", code, out, errs)
	}
}

func TestATamperedOrUnknownBundleIsNeverFine(t *testing.T) {
	dir := t.TempDir()
	trust := filepath.Join(dir, "verify.json")
	bundle := filepath.Join(dir, "all.bundle")
	if err := os.WriteFile(trust, []byte(`{"v":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bundle, []byte(`{"v":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := cli(t, "ledger", "verify", bundle, "--trust", trust); code == exitDone || errs == "" {
		t.Errorf("an empty trust file: %d %s", code, errs)
	}
}

func TestACancelledCommandEndsWithoutAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}, []string{"demo", "--yes"}); code == exitDone {
		t.Errorf("a demonstration that could not run ended well: %s", out.String())
	}
}
