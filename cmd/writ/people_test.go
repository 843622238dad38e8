package main

import (
	"strings"
	"testing"
)

// peopleCommands are the commands of people beside answering, against a running server without an incident.
func peopleCommands(t *testing.T, as func(who string, args ...string) (int, string, string)) {
	t.Helper()
	const incident, plan = "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB", "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB"
	for name, x := range map[string]struct {
		args []string
		code int
		say  string // on standard output when done, else on standard error
	}{
		"search":                        {[]string{"ledger", "search", "--kind", "oncall.delegation", "--actor", "al"}, exitDone, "oncall.delegation"},
		"search of yesterday":           {[]string{"ledger", "search", "--until", "24h"}, exitDone, ""},
		"search of a kind that is none": {[]string{"ledger", "search", "--kind", "gossip"}, exitFailed, "kinds: "},
		"search of no time":             {[]string{"ledger", "search", "--since", "yesterday"}, exitUsage, "--since 24h"},
		"a note on nothing":             {[]string{"incident", "note", incident, "--text", "x"}, exitFailed, "there is no incident"},
		"an empty note":                 {[]string{"incident", "note", incident}, exitUsage, "--text"},
		"a note on a name":              {[]string{"incident", "note", "outage", "--text", "x"}, exitUsage, "writ incident list"},
		"a question about nothing":      {[]string{"plan", "ask-evidence", plan, "--text", "x"}, exitFailed, "there is no plan"},
		"no question":                   {[]string{"plan", "ask-evidence", plan}, exitUsage, "--text"},
		"retired by a stranger":         {[]string{"playbook", "retire", "restart-workload", "--reason", "old"}, exitDenied, "writ freeze --playbook"},
		"retired for no reason":         {[]string{"playbook", "retire", "restart-workload"}, exitUsage, "--reason"},
		"a difference of one version":   {[]string{"playbook", "diff", "restart-workload"}, exitUsage, "takes two of them"},
		"a test by no channel":          {[]string{"notify", "test", "pigeon"}, exitFailed, "there is no channel"},
		"a test for somebody else":      {[]string{"notify", "test", "pigeon", "--to", "al"}, exitUsage, "its caller alone"},
		"the record of nobody":          {[]string{"agent", "record", "nobody"}, exitFailed, "writ agent list"},
	} {
		code, out, errs := as("bo", x.args...)
		said := errs
		if x.code == exitDone {
			said = out
		}
		if code != x.code || !strings.Contains(said, x.say) {
			t.Errorf("%s: %d %q %q", name, code, out, errs)
		}
	}
}
