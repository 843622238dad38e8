package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/config"
)

// How old readings may be has bounds, and what lies outside is told with them.
func TestHowOldReadingsMayBeIsBounded(t *testing.T) {
	for text, want := range map[string]string{
		"evidence_life: 10m": "",
		"{evidence_life: 10m, claim_life: 2s, evidence_retention: 10m}": "",
		"{evidence_life: 10m, claim_life: 60s}":                         "",
		"{}":                                                            "evidence_life must say",
		"{evidence_life: 10m, claim_life: 1999ms}":                      "claim_life must be from 2s to 1m0s",
		"{evidence_life: 10m, claim_life: 61s}":                         "claim_life must be from 2s to 1m0s",
		"{evidence_life: 10m, evidence_retention: 9m}":                  "evidence_retention must not be shorter",
	} {
		file := filepath.Join(t.TempDir(), "writ.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := config.LoadEvidence(file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
