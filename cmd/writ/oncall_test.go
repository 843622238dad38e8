package main

import (
	"encoding/json"

	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/friction"
	"github.com/writ-dev/writ/internal/server/servertest"
	"github.com/writ-dev/writ/internal/setup"
)

// TestMain lets the test binary be the program, for shells that call it.
func TestMain(m *testing.M) {
	if os.Getenv("WRIT_TEST_AS_PROGRAM") == "1" {
		main()
	}
	os.Exit(m.Run())
}

// onCallSite is a running server whose calendar says that bo has the turn all day, every day. It returns a command of a person.
func onCallSite(t *testing.T) (string, func(who string, args ...string) (int, string, string)) {
	t.Helper()
	in := servertest.Install(t, func(o *setup.Options) {
		o.People = []setup.Person{{Sub: "al", Groups: []string{"payments", "payments-oncall"}}, {Sub: "bo", Groups: []string{"payments", "payments-oncall"}}, {Sub: "cy", Groups: []string{"payments"}}}
	})
	ics := "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=DAILY\r\nATTENDEE:mailto:Bo@corp.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	if err := os.WriteFile(filepath.Join(in.Dir, "oncall.ics"), []byte(ics), 0o600); err != nil {
		t.Fatal(err)
	}
	c, sc := servertest.Load(t, in)
	c.OnCall = []config.OnCall{{Group: "payments-oncall", ICal: &config.OnCallCalendar{File: "oncall.ics", Zone: "Europe/Berlin"}}}
	i := slices.IndexFunc(c.Approvers, func(a config.Approver) bool { return a.Sub == "bo" })
	c.Approvers[i].KnownAs = []string{"bo@corp.example"}
	servertest.Serve(t, c, sc)
	return in.Dir, func(who string, args ...string) (int, string, string) {
		t.Helper()
		return cli(t, append(args, "--config", filepath.Join(in.Dir, "cli-"+who+".yaml"))...)
	}
}

func TestATurnIsShownHandedOverAndGivenBackOnTheCommandLine(t *testing.T) {
	t.Parallel()
	dir, as := onCallSite(t)
	show := func() writ.OnCallGroup {
		code, out, errs := as("cy", "oncall", "show", "payments-oncall", "-o", "json")
		var all []writ.OnCallGroup
		if err := json.Unmarshal([]byte(out), &all); err != nil || code != exitDone || len(all) != 1 {
			t.Fatalf("%d %s %s", code, out, errs)
		}
		return all[0]
	}
	for end := time.Now().Add(time.Minute); show().State != writ.OnCallKnown; {
		if time.Now().After(end) {
			t.Fatalf("the calendar was not read: %+v", show())
		}
		time.Sleep(50 * time.Millisecond)
	}
	if g := show(); len(g.Turns) != 1 || g.Turns[0].Person.Sub != "bo" {
		t.Fatalf("%+v", g)
	}
	for name, x := range map[string]struct {
		who  string
		args []string
		code int
		say  string
	}{
		"whoever is not on call":  {"al", []string{"oncall", "delegate", "payments-oncall", "--to", "bo", "--for", "2h"}, exitDenied, "not on call"},
		"to a stranger":           {"bo", []string{"oncall", "delegate", "payments-oncall", "--to", "cy", "--for", "2h"}, exitDenied, "only a person of the roster"},
		"for no time":             {"bo", []string{"oncall", "delegate", "payments-oncall", "--to", "al"}, exitUsage, "--for 4h"},
		"for ever":                {"bo", []string{"oncall", "delegate", "payments-oncall", "--to", "al", "--for", "100h"}, exitDenied, "72h"},
		"a group that is not one": {"bo", []string{"oncall", "show", "ops"}, exitUsage, "oncall show lists"},
		"nothing to give back":    {"bo", []string{"oncall", "return", "payments-oncall"}, exitUsage, "handed over"},
		"a plan that is none":     {"bo", []string{"recall", "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB"}, exitFailed, "there is no plan"},
		"a name for a plan":       {"bo", []string{"recall", "x"}, exitUsage, "writ plan list"},
	} {
		if code, out, errs := as(x.who, x.args...); code != x.code || out != "" || !strings.Contains(errs, x.say) {
			t.Errorf("%s: %d %q %q", name, code, out, errs)
		}
	}
	if code, out, errs := as("bo", "oncall", "delegate", "payments-oncall", "--to", "al", "--for", "2h"); code != exitDone || !strings.Contains(out, "al is on call") || !strings.Contains(errs, "hint: writ oncall return") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if code, out, _ := as("cy", "oncall", "show"); code != exitDone || !strings.Contains(out, "al until") || !strings.Contains(out, "in place of bo") || strings.ContainsRune(out, '\x1b') {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errs := as("al", "oncall", "delegate", "payments-oncall", "--to", "bo", "--for", "1h"); code != exitDenied || !strings.Contains(errs, "not handed on") {
		t.Errorf("%d %s", code, errs)
	}
	if code, out, errs := as("al", "oncall", "return", "payments-oncall"); code != exitDone || !strings.Contains(out, "theirs again") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if g := show(); g.Turns[0].Person.Sub != "bo" {
		t.Errorf("%+v", g.Turns)
	}
	if code, out, errs := as("cy", "ledger", "tail"); code != exitDone || strings.Count(out, "oncall.delegation") != 2 || !strings.Contains(out, "on call for payments-oncall: bo") {
		t.Errorf("%d %s %s", code, out, errs)
	}

	// The friction report of a log without plans, from the server and from a bundle.
	bundle := filepath.Join(dir, "all.bundle")
	if code, _, errs := as("cy", "ledger", "export", "-f", bundle); code != exitDone {
		t.Fatal(errs)
	}
	for _, args := range [][]string{{"report", "friction", "-o", "json"}, {"report", "friction", "-o", "json", "--bundle", bundle}} {
		code, out, errs := as("cy", args...)
		var r friction.Report
		if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitDone || r.Entries < 4 || r.Total.Plans != 0 || r.Incidents == nil {
			t.Errorf("%v: %d %s %s", args, code, out, errs)
		}
	}
	peopleCommands(t, as)
	completes(t, dir, as)
	completesElsewhere(t, dir)
}

// completes has a real bash complete command lines, with ids of the running server.
func completes(t *testing.T, dir string, as func(who string, args ...string) (int, string, string)) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal("a test of completion needs bash")
	}
	code, out, errs := as("bo", "freeze", "--service", "checkout", "--reason", "x", "-o", "json")
	var z writ.Freeze
	if err := json.Unmarshal([]byte(out), &z); err != nil || code != exitDone {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	text, err := os.ReadFile(filepath.Join(dir, "cli-bo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cli.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	complete := func(words ...string) string {
		t.Helper()
		script := "writ() { WRIT_TEST_AS_PROGRAM=1 \"$SELF\" \"$@\"; }\nsource <(writ completion bash)\ncomplete -p writ >&2\nCOMP_WORDS=(writ \"$@\"); COMP_CWORD=$#\n_writ\nprintf '%s ' \"${COMPREPLY[@]}\""
		cmd := exec.CommandContext(t.Context(), bash, append([]string{"--norc", "--noprofile", "-c", script, "bash"}, words...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "SELF="+self, "HOME="+dir)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", words, err)
		}
		return strings.TrimSpace(string(out))
	}
	for _, x := range []struct {
		words []string
		want  string
	}{
		{[]string{"rec"}, "recall"},
		{[]string{"oncall", ""}, "delegate return show"},
		{[]string{"oncall", "delegate", "--"}, "--config --for --iss --to --until"},
		{[]string{"completion", "z"}, "zsh"},
		{[]string{"unfreeze", "frz_"}, string(z.ID)},
		{[]string{"oncall", "return", ""}, "payments-oncall"},
		{[]string{"plan", "show", "run_"}, ""},
		{[]string{"no", "such"}, ""},
		{[]string{"re$(touch " + filepath.Join(dir, "ran") + ")"}, ""},
	} {
		if got := complete(x.words...); got != x.want {
			t.Errorf("%q completes to %q, want %q", x.words, got, x.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
		t.Error("a word of a command line was run")
	}
}

// Every command of the table says what its flags are without doing anything, which completion and help rest on.
func TestEveryCommandIsCompletedAndItsFlagsAreAskedForWithoutRunningIt(t *testing.T) {
	a := &app{}
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if got := a.complete(t.Context(), words); !slices.Contains(got, words[len(words)-1]) {
			t.Errorf("%q is not completed: %v", c.name, got)
		}
		if c.name == "version" || c.name == "storefront break" { // without flags
			continue
		}
		if got := a.complete(t.Context(), append(words, "-")); len(got) == 0 && c.name != "completion" {
			t.Errorf("%q has no flags", c.name)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, out, _ := cli(t, "completion", shell); code != exitDone || !strings.Contains(out, "completion words --") {
			t.Errorf("%s: %d %s", shell, code, out)
		}
	}
	if code, _, errs := cli(t, "completion", "tcsh"); code != exitUsage || !strings.Contains(errs, "bash, zsh or fish") {
		t.Errorf("%d %s", code, errs)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("a command did something when it was asked for its flags: %v %v", left, err)
	}
}
