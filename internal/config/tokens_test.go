package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/config"
)

func TestNoncesAreOffOrOneOfTwoWords(t *testing.T) {
	for word, good := range map[string]bool{"": true, "off": true, "clock": true, "required": true, "on": false, "Required": false} {
		file := filepath.Join(t.TempDir(), "writ.yaml")
		if err := os.WriteFile(file, []byte(`{keys: {token: keys/token.pem}, tokens: {nonce: "`+word+`"}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := config.LoadTokens(file)
		switch {
		case good && (err != nil || s.Tokens.Nonce != word):
			t.Errorf("%q: %v", word, err)
		case !good && (err == nil || !strings.Contains(err.Error(), "tokens.nonce must be off, clock")):
			t.Errorf("%q: %v", word, err)
		}
	}
}
