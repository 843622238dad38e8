package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
)

const (
	recordedDecision = writ.DecisionID("dec_01JZZZZZZZZZZZZZZZZZZZZZZZ")
	recordedPlan     = writ.PlanID("pln_01JZZZZZZZZZZZZZZZZZZZZZZZ")
)

// ledgerOf is the bundle of a ledger with one plan and the decision on it, of a case of the default set's tests.
func ledgerOf(t *testing.T, name string) string {
	t.Helper()
	author, err := ledger.NewAuthor(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := (&policySet{}).load()
	if err != nil {
		t.Fatal(err)
	}
	cases, err := policy.Cases(b)
	if err != nil {
		t.Fatal(err)
	}
	var q policy.Request
	for _, c := range cases {
		if c.Name == name {
			q = c.Request
		}
	}
	d := b.Decide(q)
	object := writ.Object{Location: "kubernetes://prod/payments/deployment/api", UID: "u", Version: "1"}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var leaves [][]byte
	for i, x := range []struct {
		kind writ.EntryKind
		body any
	}{
		{writ.EntryPlan, writ.PlanBody{
			Plan: recordedPlan, PlanDigest: writ.DigestOf(nil), ProposalDigest: writ.DigestOf(nil), Requester: q.Facts.Principal, Runner: "spiffe://example.com/runner/one",
			Playbook: writ.PlaybookRef{Name: q.Playbook, Version: 1, Digest: writ.DigestOf(nil)}, Tier: writ.Tier(q.Facts.Tier), Objects: []writ.Object{object},
			Policy: b.Digest(), EvidenceDigest: writ.DigestOf(nil), Holder: "h", NotAfter: at.Add(time.Hour),
		}},
		{writ.EntryDecision, writ.DecisionBody{
			Decision: recordedDecision, Plan: recordedPlan, PlanDigest: writ.DigestOf(nil), Phase: writ.PhasePlan, Verdict: d.Verdict, Reason: d.Reason, Policies: d.Policies,
			Requirements: d.Requirements, Facts: d.Facts, Policy: d.Policy, Engine: d.Engine, Playbook: q.Playbook, Operations: q.Operations,
		}},
	} {
		raw, err := json.Marshal(x.body)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := ledger.Seal(writ.Record{
			V: writ.FormatVersion, Log: "writ.example/ledger", Kind: x.kind, Time: at, Task: "inc_01JZZZZZZZZZZZZZZZZZZZZZZZ",
			Actor: writ.Principal{Kind: writ.KindService, Iss: "https://writ.example", Sub: "control"}, Nonce: "nonce0000000000000000" + string(rune('a'+i)), Body: raw,
		}, author)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf)
	}
	out, err := ledger.Export("writ.example/ledger", nil, leaves).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ledger.json")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPolicySimulateFailsWhenARecordedDecisionWouldPermitMore(t *testing.T) {
	bundle, dir := ledgerOf(t, "but not a fourth time"), shipped(t)
	if code, out, errs := cli(t, "policy", "simulate", "--set", dir, "--bundle", bundle); code != exitDone || !strings.Contains(out, "same 1") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	edit(t, filepath.Join(dir, "limits/when.cedar"), "context.sameFixRepeated < 3", "context.sameFixRepeated < 4")
	if code, out, errs := cli(t, "policy", "simulate", "--set", dir, "--bundle", bundle); code != exitDiffers || !strings.HasPrefix(out, "! now allowed") || !strings.Contains(out, string(recordedDecision)) {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

func TestPolicyExplainFindsARecordedDecision(t *testing.T) {
	bundle := ledgerOf(t, "but not a fourth time")
	if code, out, errs := cli(t, "policy", "explain", string(recordedDecision), "--bundle", bundle); code != exitDone || !strings.Contains(out, "recorded ") || !strings.Contains(out, "limits/same-fix") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, _, errs := cli(t, "policy", "explain", "dec_01JZZZZZZZZZZZZZZZZZZZZZZ0", "--bundle", bundle); code != exitFailed || !strings.Contains(errs, "no decision") {
		t.Errorf("%d %s", code, errs)
	}
}
