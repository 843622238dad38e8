package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/config"
)

func TestI20ASecretIsNamedByItsFileOrVariableAndNeverQuoted(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(" from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("WRIT_TEST_SECRET", "from the environment\n")
	t.Setenv("WRIT_TEST_EMPTY", "")
	for ref, want := range map[string]string{"token": "from a file", "env:WRIT_TEST_SECRET": "from the environment"} {
		if got, err := config.ReadSecret(config.Dir(dir), ref, os.ReadFile); err != nil || got != want {
			t.Errorf("%s: %q %v", ref, got, err)
		}
	}
	for _, ref := range []string{"hunter2", "env:WRIT_TEST_EMPTY", "env:WRIT_TEST_NONE", "env:hunter2"} {
		if got, err := config.ReadSecret(config.Dir(dir), ref, os.ReadFile); err == nil || got != "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q %v", ref, got, err)
		}
	}
}

func TestI20ASecretThatStandsInAConfigurationIsRefused(t *testing.T) {
	for name, value := range map[string]string{
		"a URL with a password": "https://writ:hunter2@db.example/writ",
		"a JSON Web Token":      "eyJhbGciOiJFUzI1NiJ9.hunter2.sig",
		"a key in PEM":          "-----BEGIN PRIVATE KEY-----hunter2",
		"base64":                "aHVudGVyMg==",
		"no variable's name":    "env:hunter2",
	} {
		file := filepath.Join(t.TempDir(), "cli.yaml")
		if err := os.WriteFile(file, []byte("server: https://writ.example\ntoken_file: '"+value+"'\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.LoadClient(file); err == nil || !strings.Contains(err.Error(), "token_file") || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "aHVudGVy") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
