package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
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
		"search of a kind that is none": {[]string{"ledger", "search", "--kind", "gossip"}, exitUsage, "kinds: "},
		"search of no time":             {[]string{"ledger", "search", "--since", "yesterday"}, exitUsage, "--since 24h"},
		"a note on nothing":             {[]string{"incident", "note", incident, "--text", "x"}, exitFailed, "there is no incident"},
		"an empty note":                 {[]string{"incident", "note", incident}, exitUsage, "--text"},
		"a note on a name":              {[]string{"incident", "note", "outage", "--text", "x"}, exitUsage, "writ incident list"},
		"a question about nothing":      {[]string{"plan", "ask-evidence", plan, "--text", "x"}, exitFailed, "there is no plan"},
		"no question":                   {[]string{"plan", "ask-evidence", plan}, exitUsage, "--text"},
		"retired by a stranger":         {[]string{"playbook", "retire", "restart-workload", "--reason", "old"}, exitDenied, "writ freeze --playbook"},
		"retired for no reason":         {[]string{"playbook", "retire", "restart-workload"}, exitUsage, "--reason"},
		"a difference of one version":   {[]string{"playbook", "diff", "restart-workload"}, exitUsage, "takes two of them"},
		"a test by no channel":          {[]string{"notify", "test", "pigeon"}, exitUsage, "there is no channel"},
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

func TestTheRecordOfAnAgentIsToldWithItsRefusalsLimitsAndWhenItWasSeen(t *testing.T) {
	seen := time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	g := writ.AgentRecord{Name: "repair", Team: "payments", State: writ.AgentActive, Denied: 3, Rejected: 1, Tally: writ.Tally{Runs: 4, Verified: 3, Undone: 1}, AgentActivity: writ.AgentActivity{
		Proposals: 9, Denials: map[writ.Reason]int{writ.ReasonCooldown: 1, writ.ReasonParameterBound: 4, "odd\x1b[2J": 1}, LastSeen: &seen,
		Budgets: []writ.BudgetUse{{What: "open plans for shop", Used: 2, Limit: 10}},
	}}
	var out bytes.Buffer
	(&app{stdout: &out}).printAgentRecord(g)
	for _, want := range []string{"proposed  9 plans, 3 denied by policy, 1 rejected by people", "4 runs: 3 verified, 1 undone", "4  parameter_bound\n", "2 of 10 open plans for shop", "last seen 2026-11-22 03:12:00Z", "alone T1"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") || strings.Index(out.String(), "parameter_bound") > strings.Index(out.String(), "cooldown") {
		t.Errorf("%q", out.String())
	}
}

func TestClocksThatAreOffAreSaidAloud(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out}
	s := writ.Status{
		Runners:  []writ.RunnerStatus{{ID: "spiffe://corp.example/runner/here", Clock: &writ.ClockReading{OffMillis: -1900}}},
		Replicas: []writ.ReplicaStatus{{Name: "cp-1", Clock: writ.ClockReading{OffMillis: 2000}}},
	}
	if a.clocks(s); out.Len() != 0 {
		t.Errorf("%q", out.String())
	}
	s.Runners[0].Clock.OffMillis, s.Replicas[0].Clock.OffMillis = -2100, 90_000
	if a.clocks(s); !strings.Contains(out.String(), "runner spiffe://corp.example/runner/here is off by -2.1s") || !strings.Contains(out.String(), "replica cp-1 is off by 1m30s") {
		t.Errorf("%q", out.String())
	}
}
