package study_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/policytest"
	"github.com/writ-dev/writ/internal/policy/study"
)

// plainly is what a replay reads, spelt out: the whole bundle is parsed, each entry is opened, and nothing is left out.
func plainly(raw []byte) (out study.Records, err error) {
	b, err := ledger.ParseBundle(raw)
	if err != nil {
		return study.Records{}, err
	}
	plans := map[writ.PlanID]*writ.PlanBody{}
	for _, e := range b.Entries {
		entry, err := ledger.Open(e.Leaf)
		if err != nil {
			return study.Records{}, err
		}
		switch d := entry.Body.(type) {
		case *writ.PlanBody:
			plans[d.Plan] = d
		case *writ.DecisionBody:
			p := plans[d.Plan]
			f, err := policy.ParseFacts(d.Facts)
			if p == nil || err != nil {
				out.Skipped++
				continue
			}
			r := study.Record{
				Decision: d.Decision, Plan: d.Plan, Phase: d.Phase, Step: d.Step, At: entry.Record.Time,
				Request: policy.Request{Playbook: d.Playbook, Operations: d.Operations, Facts: f},
				Answer:  writ.Decision{Observed: d.Observed, Verdict: d.Verdict, Reason: d.Reason, Policies: d.Policies, Requirements: d.Requirements, Policy: d.Policy},
			}
			if p.Tier.Valid() {
				r.Request.Facts.Tier = min(f.Tier, int(p.Tier))
			}
			if d.Playbook == "" && len(d.Operations) == 0 {
				r.Request.Playbook, r.Alone = p.Playbook.Name, true
			}
			out.All = append(out.All, r)
		}
	}
	return out, nil
}

// agree holds the short way against the plain one: what the plain one takes, the short one reads likewise, and what neither
// skips is decided alike whether the records are collected or not.
func agree(t *testing.T, set *policy.Bundle, raw []byte) (taken bool) {
	t.Helper()
	want, strict := plainly(raw)
	got, err := study.FromFile(raw, nil)
	if err != nil && !errors.Is(err, writ.ErrInvalid) {
		t.Fatal(err)
	}
	if strict == nil && (err != nil || !reflect.DeepEqual(got, want)) {
		t.Fatalf("%d records, %d skipped, %v; want %d, %d", len(got.All), got.Skipped, err, len(want.All), want.Skipped)
	}
	sim, second := study.Replay(set, raw, 2, nil)
	if (second == nil) != (err == nil) || err == nil && !reflect.DeepEqual(sim, study.Simulate(set, got, 1)) {
		t.Fatalf("decided as they are read: %+v, %v; %v", sim, second, err)
	}
	return strict == nil
}

func TestAReplayReadsAndDecidesAsThePlainWayDoes(t *testing.T) {
	set := defaults(t)
	next := changed(t, "limits/when.cedar", "context.sameFixRepeated < 3", "context.sameFixRepeated < 4")
	b := policytest.Record(t, set, policytest.Asks(700), 1) // more than a window
	if !agree(t, next, file(t, b)) {
		t.Error("a ledger of ours was refused")
	}
	b.Entries = b.Entries[3:] // a decision without its plan
	b.Entries[0], b.Entries[1] = b.Entries[1], b.Entries[0]
	if raw := file(t, b); !agree(t, next, raw) {
		t.Error("a part of a ledger was refused")
	}
}

// I05: what stands in a record is read as it stands there, or the replay ends. One byte of each record is another.
func TestI05AChangedRecordIsReadAsThePlainWayReadsItOrRefused(t *testing.T) {
	author, err := ledger.NewAuthor(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	set := defaults(t)
	good := policytest.Record(t, set, policytest.Asks(1), 0)
	var payloads [][]byte
	for _, e := range good.Entries {
		env, err := ledger.OpenEnvelope(e.Leaf, ledger.RecordType)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, env.Payload)
	}
	r := rand.New(rand.NewPCG(5, 6))
	tries, taken := 20_000, 0
	if testing.Short() { // as under the race detector, to which each is the same again
		tries = 1_000
	}
	for range tries {
		which := r.IntN(len(payloads))
		p := bytes.Clone(payloads[which])
		switch at := r.IntN(len(p)); r.IntN(3) {
		case 0:
			p[at] ^= 1 << r.IntN(8)
		case 1:
			p = append(p[:at:at], p[at+1:]...)
		default:
			p = append(p[:at:at], append([]byte{` "{}[],:\0a1`[r.IntN(12)]}, p[at:]...)...)
		}
		leaf, err := ledger.SealEnvelope(ledger.RecordType, p, author)
		if err != nil {
			t.Fatal(err)
		}
		b := good
		b.Entries = append([]ledger.BundleEntry(nil), good.Entries...)
		b.Entries[which].Leaf = leaf
		if agree(t, set, file(t, b)) {
			taken++
		}
	}
	if taken < tries/20 {
		t.Errorf("only %d of them were records all the same", taken)
	}
}
