package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/config"
)

// documentedIntake is the configuration that docs/intake.md shows.
func documentedIntake(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/intake.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	return text
}

func loadIntake(t testing.TB, text string) (config.Server, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "writ.yaml")
	if err := os.WriteFile(file, []byte("tls: {cert: a.pem, key: b.pem}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.LoadIntake(file)
}

func TestTheDocumentedIntakeIsTaken(t *testing.T) {
	s, err := loadIntake(t, documentedIntake(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Intake.Sources) != 4 || s.Intake.Sources[1].Source().Severities["P1"] != 1 {
		t.Errorf("%+v", s.Intake)
	}
}

func TestAnIntakeThatWouldTakeAnythingIsOneSentence(t *testing.T) {
	for want, change := range map[string][2]string{
		"must have exactly one of secret_files, token_files and client_names": {"    client_names: [alerts.corp.example]\n", ""},
		"not the secret itself":      {"secrets/pagerduty", "https://user:pass@host"},
		"has at most 2 secrets":      {"[secrets/pagerduty, env:PAGERDUTY_NEXT]", "[a, b, c]"},
		"Alertmanager cannot sign":   {"client_names: [alerts.corp.example]", "secret_files: [a]"},
		"needs intake.listen":        {"  listen: 0.0.0.0:8443 ", "  # "},
		"needs client_ca":            {"  client_ca: intake-ca.pem ", "  # "},
		"must be 1, the worst, to 4": {"P1: 1", "P1: 0"},
		"a JSON pointer is like":     {"group: /data/problem", "group: data.problem"},
		"which need both":            {"    resolved: [ok]\n", ""},
		"must have group, status":    {"status: /state, ", ""},
		"form must be":               {"form: pagerduty", "form: opsgenie"},
		"must be a plain name":       {"name: pagerduty", "name: builds"},
		"must map 1 to":              {"services: {PF9KMXH: checkout}", "services: {}"},
		"needs severities":           {"    severity: 3\n", ""},
		"window must be at most 24h": {"window: 30m", "window: 48h"},
		"have their own id and time": {"severity: /data/level", "id: /data/level"},
	} {
		text := documentedIntake(t)
		changed := strings.Replace(text, change[0], change[1], 1)
		if changed == text {
			t.Fatalf("%q changes nothing", change[0])
		}
		if _, err := loadIntake(t, changed); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%q: %v", want, err)
		}
	}
}
