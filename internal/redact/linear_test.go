package redact_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/redact"
)

// TestTextTakesTimeInProportion: whoever writes a log chooses the text, so no text may take long.
func TestTextTakesTimeInProportion(t *testing.T) {
	for _, piece := range []string{
		"a=", `a="`, "a='", `a=\"`, "a://b:", "postgres://a:b", "a://b:c@", "a b", "a   ", "a.", "-", "--a b ", "-----BEGIN PRIVATE KEY-----\n", "eyJaaaaaa.",
		"authorization:", "bearer ", "token ", "Password ", `A="b\`, `"name":"a",`, `{"name":"token","value":`, "AAAAAAAAAAAAAAAAAAAAAA\n",
	} {
		text := strings.Repeat(piece, 64<<10/len(piece))
		began := time.Now()
		redact.Text(text)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("64 KiB of %q took %s", piece, took)
		}
	}
}
