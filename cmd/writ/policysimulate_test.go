package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/policy/policytest"
)

// exported is a ledger's bundle on disk: so many plans with a decision under the shipped set each, and entries of other kinds.
func exported(t testing.TB, decisions, others int) string {
	t.Helper()
	set, err := new(policySet).load()
	if err != nil {
		t.Fatal(err)
	}
	b, err := policytest.Record(t, set, policytest.Asks(decisions), others).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "ledger.json")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPolicySimulateDecidesTheWholeLedgerOrItsLastWhile(t *testing.T) {
	file := exported(t, 20, 1)
	if code, out, errs := cli(t, "policy", "simulate", "--bundle", file); code != exitDone || !strings.HasPrefix(out, "20 decisions in ") || !strings.Contains(out, "same 20,") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, out, errs := cli(t, "policy", "simulate", "--bundle", file, "--since", "5s"); code != exitDone || !strings.HasPrefix(out, "5 decisions in ") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	next := shipped(t)
	edit(t, filepath.Join(next, "limits/when.cedar"), "context.sameFixRepeated < 3", "context.sameFixRepeated < 4")
	if code, out, errs := cli(t, "policy", "simulate", "--bundle", file, "--set", next); code != exitDiffers || !strings.HasPrefix(out, "! ") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

// BenchmarkPolicySimulate is the whole command: from a bundle on disk to the printed answer, the loading of the set included.
// Others are entries of other kinds for each decision, of which a ledger of real repairs has some seven.
func BenchmarkPolicySimulate(b *testing.B) {
	for _, c := range []struct{ decisions, others int }{{10_000, 0}, {2000, 7}} {
		b.Run(fmt.Sprintf("others=%d", c.others), func(b *testing.B) {
			file := exported(b, c.decisions, c.others)
			n, before := 0, policytest.Processor(b)
			for b.Loop() {
				if code := run(context.Background(), &app{stdout: io.Discard, stderr: io.Discard}, []string{"policy", "simulate", "--bundle", file}); code != exitDone {
					b.Fatal(code)
				}
				n += c.decisions
			}
			policytest.ReportProcessor(b, before, n, "decision")
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}
