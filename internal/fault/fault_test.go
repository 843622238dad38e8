package fault_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/fault"
)

func TestEveryPointHasItsOwnWord(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range fault.Ops() {
		if word := o.String(); word == "" || word == "?" || strings.ContainsAny(word, " *") || seen[word] {
			t.Errorf("operation %d is called %q", o, word)
		}
		seen[o.String()] = true
	}
}

// TestWithoutTheTagNothingIsLeft looks into the binary that people are given: neither the variable, nor a point, nor a
// function of this package is in it. The same search finds them with the tag.
func TestWithoutTheTagNothingIsLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the binary twice")
	}
	for _, tag := range []string{"", "faults"} {
		path := filepath.Join(t.TempDir(), "writ")
		out, err := exec.Command("go", "build", "-tags", tag, "-o", path, "github.com/writ-dev/writ/cmd/writ").CombinedOutput()
		if err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{fault.Variable, fault.JournalSpent.String(), fault.TargetMint.String(), "injected fault", "internal/fault.Before", "internal/fault.(*script)"} {
			if found := bytes.Contains(b, []byte(text)); found != (tag != "") {
				t.Errorf("with the tags %q: found %q is %v", tag, text, found)
			}
		}
	}
}
