package study_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
)

// recorded seals what a control plane would have entered for these requests: a plan and a decision each.
func recorded(t testing.TB, b *policy.Bundle, asks []policy.Request) ledger.Bundle {
	t.Helper()
	author, err := ledger.NewAuthor(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	enter := func(kind writ.EntryKind, n int, body any) {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := ledger.Seal(writ.Record{
			V: writ.FormatVersion, Log: "writ.example/ledger", Kind: kind, Time: time.Date(2026, 3, 1, 12, 0, n, 0, time.UTC), Task: "inc_01JZZZZZZZZZZZZZZZZZZZZZZZ",
			Actor: writ.Principal{Kind: writ.KindService, Iss: "https://writ.example", Sub: "control"}, Nonce: fmt.Sprintf("nonce%017d", len(leaves)), Body: raw,
		}, author)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf)
	}
	for i, q := range asks {
		pln := writ.PlanID(fmt.Sprintf("pln_%026d", i))
		enter(writ.EntryPlan, i, writ.PlanBody{
			Plan: pln, PlanDigest: writ.DigestOf([]byte(pln)), ProposalDigest: writ.DigestOf(nil), Requester: q.Facts.Principal, Runner: "spiffe://example.com/runner/one",
			Playbook: writ.PlaybookRef{Name: q.Playbook, Version: 1, Digest: writ.DigestOf(nil)}, Tier: writ.Tier(q.Facts.Tier),
			Objects: []writ.Object{{Location: "kubernetes://prod/payments/deployment/api", UID: "u", Version: "1"}}, Policy: b.Digest(), EvidenceDigest: writ.DigestOf(nil), Holder: "h", NotAfter: time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC),
		})
		d := b.Decide(q)
		enter(writ.EntryDecision, i, writ.DecisionBody{
			Decision: writ.DecisionID(fmt.Sprintf("dec_%026d", i)), Plan: pln, PlanDigest: writ.DigestOf([]byte(pln)), Phase: writ.PhasePlan, Verdict: d.Verdict, Reason: d.Reason,
			Policies: d.Policies, Requirements: d.Requirements, Facts: d.Facts, Policy: d.Policy, Engine: d.Engine, Playbook: q.Playbook, Operations: q.Operations,
		})
	}
	return ledger.Export("writ.example/ledger", nil, leaves)
}

func asks(n int) []policy.Request {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]policy.Request, n)
	for i := range out {
		q := at(1 + r.IntN(4))
		f := &q.Facts
		f.SameFixRepeated, f.Failures, f.Permille, f.Stateful = new(r.IntN(5)), new(r.IntN(2)), new(r.IntN(800)), r.IntN(3) == 0
		f.ApprovalsOwner, f.Proof = r.IntN(3), r.IntN(5)
		out[i] = q
	}
	return out
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
	sim := study.Simulate(b, records(t, recorded(t, b, asks(300))), 2)
	if sim.Records != 300 || sim.Counts[study.Same] != 300 || len(sim.Rows) != 0 || sim.Wider() || sim.Skipped+sim.Alone+sim.Above != 0 {
		t.Errorf("%+v", sim)
	}
}

func TestASimulationTellsTheDangerousFirst(t *testing.T) {
	r := records(t, recorded(t, defaults(t), asks(300)))
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
	bundle := recorded(t, defaults(t), asks(3))
	bundle.Entries = bundle.Entries[1:]
	if r := records(t, bundle); len(r.All) != 2 || r.Skipped != 1 {
		t.Errorf("%d, %d", len(r.All), r.Skipped)
	}
}

func BenchmarkSimulate(b *testing.B) {
	set := defaults(b)
	some := records(b, recorded(b, set, asks(2000)))
	var r study.Records
	for range 10 {
		r.All = append(r.All, some.All...)
	}
	for _, workers := range []int{1, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			n := 0
			for b.Loop() {
				study.Simulate(set, r, workers)
				n += len(r.All)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}

func BenchmarkReadRecords(b *testing.B) {
	bundle := recorded(b, defaults(b), asks(2000))
	n := 0
	for b.Loop() {
		n += len(records(b, bundle).All)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "decisions/s")
}
