package study_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/policytest"
	"github.com/writ-dev/writ/internal/policy/study"
)

// recorded seals what a control plane would have entered for these requests: a plan and a decision each.
func recorded(t testing.TB, b *policy.Bundle, asks []policy.Request) ledger.Bundle {
	t.Helper()
	return policytest.Record(t, b, asks, 0)
}

func records(t testing.TB, b ledger.Bundle) study.Records {
	t.Helper()
	r, err := study.FromBundle(b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Pitfall 21, from the ledger: under the same set every recorded decision comes out as recorded.
func TestReplayOfALedgerUnderTheSameSetChangesNothing(t *testing.T) {
	b := defaults(t)
	sim := study.Simulate(b, records(t, recorded(t, b, policytest.Asks(300))), 2)
	if sim.Records != 300 || sim.Counts[study.Same] != 300 || len(sim.Rows) != 0 || sim.Wider() || sim.Skipped+sim.Alone+sim.Above != 0 {
		t.Errorf("%+v", sim)
	}
}

func TestASimulationTellsTheDangerousFirst(t *testing.T) {
	r := records(t, recorded(t, defaults(t), policytest.Asks(300)))
	wider := study.Simulate(changed(t, "limits/when.cedar", "context.sameFixRepeated < 3", "context.sameFixRepeated < 4"), r, 2)
	if !wider.Wider() || wider.Counts[study.NowAllowed]+wider.Counts[study.NowAsks] == 0 || !wider.Rows[0].Kind.Wider() {
		t.Errorf("%+v", wider.Counts)
	}
	narrower := study.Simulate(changed(t, "limits/when.cedar", "context.sameFixRepeated < 3", "context.sameFixRepeated < 2"), r, 2)
	if narrower.Wider() || narrower.Counts[study.NowDenied] == 0 || narrower.Rows[0].Kind != study.NowDenied {
		t.Errorf("%+v", narrower.Counts)
	}
	one := study.Simulate(changed(t, "limits/when.cedar", "context.sameFixRepeated < 3", "context.sameFixRepeated < 2"), r, 1)
	if fmt.Sprint(one) != fmt.Sprint(narrower) {
		t.Error("the result depends on the number of workers")
	}
}

// A raise of the old set's tiers.yaml is in the recorded tier. A set without it must not inherit it.
func TestASimulationSeesThatARaiseIsGone(t *testing.T) {
	raised := changed(t, "tiers.yaml", "raises: []", "raises: [{service: checkout, at_least: T2}]")
	r := records(t, recorded(t, raised, []policy.Request{lowRisk()}))
	if r.All[0].Answer.Verdict != writ.Requires {
		t.Fatal(study.Outcome(r.All[0].Answer))
	}
	if sim := study.Simulate(defaults(t), r, 1); sim.Counts[study.NowAllowed] != 1 {
		t.Errorf("%+v", sim.Counts)
	}
	if sim := study.Simulate(raised, r, 1); sim.Counts[study.Same] != 1 {
		t.Errorf("%+v", sim.Counts)
	}
}

func TestWhatAFreezeDecidedIsNotTheSetsToChange(t *testing.T) {
	b := defaults(t)
	bundle := recorded(t, b, []policy.Request{lowRisk()})
	r := records(t, bundle)
	r.All[0].Answer.Verdict, r.All[0].Answer.Reason, r.All[0].Answer.Policies = writ.Deny, writ.ReasonFrozen, nil
	if sim := study.Simulate(b, r, 1); sim.Above != 1 || sim.Wider() || len(sim.Rows) != 0 {
		t.Errorf("%+v", sim)
	}
}

func TestADecisionWithoutItsPlanIsCountedAsSkipped(t *testing.T) {
	bundle := recorded(t, defaults(t), policytest.Asks(3))
	bundle.Entries = bundle.Entries[1:]
	if r := records(t, bundle); len(r.All) != 2 || r.Skipped != 1 {
		t.Errorf("%d, %d", len(r.All), r.Skipped)
	}
}

func BenchmarkSimulate(b *testing.B) {
	set := defaults(b)
	some := records(b, recorded(b, set, policytest.Asks(2000)))
	var r study.Records
	for range 10 {
		r.All = append(r.All, some.All...)
	}
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			n, before := 0, policytest.Processor(b)
			for b.Loop() {
				study.Simulate(set, r, workers)
				n += len(r.All)
			}
			perSecond(b, before, n)
		})
	}
}

func BenchmarkReadRecords(b *testing.B) {
	bundle := recorded(b, defaults(b), policytest.Asks(2000))
	n, before := 0, policytest.Processor(b)
	for b.Loop() {
		n += len(records(b, bundle).All)
	}
	perSecond(b, before, n)
}

// perSecond reports how many of n decisions there were a second, and what each cost of the processors since before.
func perSecond(b *testing.B, before time.Duration, n int) {
	b.Helper()
	policytest.ReportProcessor(b, before, n, "decision")
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "decisions/s")
}
