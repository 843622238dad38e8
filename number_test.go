package writ_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// Two plans that differ only in integers above 2^53 would share a digest where numbers are read as RFC 8785 reads them.
// Neither is a plan, and no other spelling of a number is one.
func TestPitfall14NumbersThatReadersUnderstandDifferentlyAreInNoPlan(t *testing.T) {
	b, err := os.ReadFile("testdata/vectors/plan.json")
	if err != nil {
		t.Fatal(err)
	}
	const at = `"max_permille":250`
	if _, _, err := writ.ParsePlan(b); err != nil || !bytes.Contains(b, []byte(at)) {
		t.Fatalf("the vector: %v", err)
	}
	for _, number := range []string{
		"9007199254740993", "9007199254740992", "-9007199254740993", "18446744073709551615", "-0", "1.0e2", "1e2", "1E2", "1.0", "100.5", "0100", "+1", `"250"`, "null",
	} {
		p, digest, err := writ.ParsePlan(bytes.Replace(b, []byte(at), []byte(`"max_permille":`+number), 1))
		if err == nil || !digest.IsZero() || p.ID != "" {
			t.Errorf("%s is taken as %d", number, p.Budget.MaxPermille)
		}
	}
	p, _, err := writ.ParsePlan(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1 << 53, 1<<53 + 1, -1 << 53} {
		p.Budget.MaxPermille = n
		if out, err := canon.Marshal(p); err == nil {
			t.Errorf("%d is written: %d bytes", n, len(out))
		}
	}
}
