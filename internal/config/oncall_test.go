package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/config"
)

func onCall(t testing.TB, text string) (config.Server, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "writ.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.LoadOnCall(file)
}

// people are the approvers that the document's sources speak of.
const people = `
approvers:
  - {iss: i, sub: ann, groups: [payments-oncall, payments-leads], known_as: [Ann@corp.example]}
  - {iss: i, sub: bob, groups: [search-oncall]}
`

func TestTheDocumentedSourcesAndLimitsAreTaken(t *testing.T) {
	b, err := os.ReadFile("../../docs/oncall.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(b), "```yaml\n")
	sources, _, _ := strings.Cut(parts[1], "approvers:")
	limits, _, _ := strings.Cut(parts[2], "```")
	s, err := onCall(t, sources+limits+people)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.OnCall) != 2 || s.OnCall[1].PagerDuty.TokenFile != "env:PAGERDUTY" || s.Fatigue.PerShift != 20 || s.KnownPeople()["ann@corp.example"] != (writ.Person{Iss: "i", Sub: "ann"}) {
		t.Errorf("%+v", s)
	}
}

func TestAnOnCallSourceThatCouldMisleadIsRefusedWithItsFieldAndWithoutItsSecret(t *testing.T) {
	const secret = "eyJhbGciOiJub25lIn0"
	for name, x := range map[string]struct{ text, want string }{
		"a group of nobody":         {"oncall: [{group: ops-oncall, ical: {file: x.ics}}]", "oncall[0].group"},
		"a group twice":             {"oncall: [{group: search-oncall, ical: {file: x}}, {group: search-oncall, ical: {file: y}}]", "stands twice"},
		"no source":                 {"oncall: [{group: search-oncall}]", "ical or pagerduty"},
		"two sources":               {"oncall: [{group: search-oncall, ical: {file: x}, pagerduty: {url: 'https://p.example', token_file: t, schedules: [P]}}]", "ical or pagerduty"},
		"a file and an address":     {"oncall: [{group: search-oncall, ical: {file: x, url: 'https://c.example/x'}}]", "exactly one"},
		"an address without TLS":    {"oncall: [{group: search-oncall, ical: {url: 'http://c.example/x'}}]", "https://"},
		"a tool without TLS":        {"oncall: [{group: search-oncall, pagerduty: {url: 'http://p.example', token_file: t, schedules: [P]}}]", "https URL"},
		"a tool without a schedule": {"oncall: [{group: search-oncall, pagerduty: {url: 'https://p.example', token_file: t}}]", "schedules"},
		"a token in its place":      {"oncall: [{group: search-oncall, pagerduty: {url: 'https://p.example', token_file: " + secret + ", schedules: [P]}}]", "token_file"},
		"a zone of the machine's":   {"oncall: [{group: search-oncall, ical: {file: x, zone: Local}}]", "zone"},
		"asked too often":           {"oncall: [{group: search-oncall, ical: {file: x}, every: 1s}]", "every"},
		"an answer of last week":    {"oncall: [{group: search-oncall, ical: {file: x}, max_age: 100h}]", "max_age"},
		"a fallback that never is":  {"oncall: [{group: search-oncall, ical: {file: x}, fallback: payments-leads}]", "fallback"},
		"a shift of two days":       {"oncall: []\nfatigue: {shift: 48h}", "fatigue.shift"},
		"a suggestion after one":    {"fatigue: {suggest_after: 1}", "fatigue.suggest_after"},
		"a limit below nothing":     {"fatigue: {per_shift: -1}", "fatigue.per_shift"},
		"two people under one name": {"operators: [x]", ""},
	} {
		text := x.text + people
		if x.want == "" {
			text, x.want = strings.Replace(text, "{iss: i, sub: bob,", "{iss: i, sub: bob, known_as: [ANN@corp.example],", 1), "known_as"
		}
		_, err := onCall(t, text)
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
