package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server"
)

// shellTime is how long one completion in a real shell may take, on a machine that does much else.
const shellTime = time.Minute

// inShell are scripts that complete a command line in a real shell and print one word a line. $SELF is the program; the command
// line's words are the arguments.
var inShell = map[string]struct {
	args   []string
	script string
}{
	// compadd works in a widget alone; what the completion gives it is what would be offered.
	"zsh": {[]string{"-f", "-c"}, `writ() { WRIT_TEST_AS_PROGRAM=1 "$SELF" "$@"; }
compdef() { [[ $1 == _writ && $2 == writ ]] || print -u2 "compdef $*"; }
compadd() { [[ $1 == -- ]] && shift; print -l -- "$@"; }
source <(writ completion zsh)
words=(writ "$@"); CURRENT=$#words
_writ`},
	// fish's own engine is asked.
	"fish": {[]string{"--no-config", "-c"}, `function writ; WRIT_TEST_AS_PROGRAM=1 $SELF $argv; end
writ completion fish | source
complete -C "writ "(string join ' ' -- $argv)`},
}

// completesElsewhere has a real zsh and a real fish complete command lines. ./test installs them.
func completesElsewhere(t *testing.T, dir string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, shell := range inShell {
		t.Run(name, func(t *testing.T) {
			path, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("there is no %s here", name)
			}
			for _, x := range []struct {
				words []string
				want  []string
			}{
				{[]string{"rec"}, []string{"recall"}},
				{[]string{"oncall", ""}, []string{"delegate", "return", "show"}},
				{[]string{"completion", "z"}, []string{"zsh"}},
				{[]string{"incident", "no"}, []string{"note"}},
				{[]string{"oncall", "return", "pay"}, []string{"payments-oncall"}},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), shellTime)
				args := slices.Concat(shell.args, []string{shell.script})
				if name == "zsh" {
					args = append(args, name)
				}
				cmd := exec.CommandContext(ctx, path, append(args, x.words...)...)
				cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), "SELF="+self, "HOME="+dir), time.Second
				out, err := cmd.Output()
				cancel()
				got := strings.Fields(string(out))
				slices.Sort(got)
				if err != nil || !slices.Equal(got, x.want) {
					t.Errorf("%q completes to %q, want %q: %v", x.words, got, x.want, err)
				}
			}
		})
	}
}

// TestDoctorAsksTheOnCallSources: a calendar that cannot be read is found before the night on which it is needed.
func TestDoctorAsksTheOnCallSources(t *testing.T) {
	dir, _ := onCallSite(t)
	c, err := config.LoadServer(filepath.Join(dir, "writ.yaml"), true)
	if err != nil {
		t.Fatal(err)
	}
	c.OnCall = []config.OnCall{{Group: "payments-oncall", ICal: &config.OnCallCalendar{File: "oncall.ics", Zone: "Europe/Berlin"}}}
	i := slices.IndexFunc(c.Approvers, func(a config.Approver) bool { return a.Sub == "bo" })
	c.Approvers[i].KnownAs = []string{"bo@corp.example"}
	ctx, cancel := context.WithTimeout(t.Context(), shellTime)
	defer cancel()
	said := func() (string, error) {
		for what, err := range server.Examine(ctx, c, true) {
			if strings.HasPrefix(what, "on-call source") {
				return what, err
			}
		}
		return "", nil
	}
	if what, err := said(); err != nil || !strings.Contains(what, "payments-oncall (ical): 1 of the roster") {
		t.Errorf("%q %v", what, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "oncall.ics"), []byte("no calendar"), 0o600); err != nil {
		t.Fatal(err)
	}
	if what, err := said(); err == nil {
		t.Errorf("%q is well with a calendar that is none", what)
	}
}
