// Package policytest makes ledgers of recorded decisions for tests and benchmarks, and measures what deciding costs.
package policytest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/policy"
)

// LowRisk is an ask of tier 1 with nothing unusual.
func LowRisk() policy.Request {
	return policy.Request{
		Playbook: "rollback-deployment", Operations: []string{"kubernetes/workload.rollback"},
		Facts: policy.Facts{
			Principal:  writ.Principal{Kind: writ.KindAgent, Iss: "https://issuer.example", Sub: "repair-agent"},
			Registered: true, Team: "platform", Roles: []string{"repair"}, Owner: writ.Person{Iss: "https://login.example", Sub: "ada"},
			Incident: "inc_01JZZZZZZZZZZZZZZZZZZZZZZZ", IncidentOpen: true, Severity: new(2), Service: "checkout", OwningTeam: "payments", Env: "prod",
			Tier: 1, Planes: []string{"kubernetes"}, Undo: true, Certified: true, Targets: new(1), Permille: new(250),
			Concurrent: new(0), PreviousRuns: new(0), Failures: new(0), Unsettled: new(0), SameFixRepeated: new(0), PlanesAfter: new(1), NewPlane: true,
			EvidenceCount: 2, EvidenceFresh: true, EvidenceAgeSeconds: new(40), Now: 1_800_000_000,
		},
	}
}

// Asks are n asks of all tiers. Hardly two of them have the same facts; the same n gives the same asks.
func Asks(n int) []policy.Request {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]policy.Request, n)
	for i := range out {
		q := LowRisk()
		f := &q.Facts
		f.Tier = 1 + r.IntN(4)
		f.SameFixRepeated, f.Failures, f.Permille, f.Stateful = new(r.IntN(5)), new(r.IntN(2)), new(r.IntN(800)), r.IntN(3) == 0
		f.ApprovalsOwner, f.Proof = r.IntN(3), r.IntN(5)
		out[i] = q
	}
	return out
}

// Record seals what a control plane would have entered for these asks under set: for each a plan, a decision, and so many
// entries that are neither. The bundle is complete, but its checkpoint is not signed.
func Record(t testing.TB, set *policy.Bundle, asks []policy.Request, others int) ledger.Bundle {
	t.Helper()
	w := writer{t: t, leaves: make([][]byte, 0, (2+others)*len(asks))}
	var err error
	if w.author, err = ledger.NewAuthor(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))); err != nil {
		t.Fatal(err)
	}
	for i, q := range asks {
		pln := writ.PlanID(fmt.Sprintf("pln_%026d", i))
		w.enter(writ.EntryPlan, i, writ.PlanBody{
			Plan: pln, PlanDigest: writ.DigestOf([]byte(pln)), ProposalDigest: writ.DigestOf(nil), Requester: q.Facts.Principal, Runner: "spiffe://example.com/runner/one",
			Playbook: writ.PlaybookRef{Name: q.Playbook, Version: 1, Digest: writ.DigestOf(nil)}, Tier: writ.Tier(q.Facts.Tier),
			Objects: []writ.Object{{Location: "kubernetes://prod/payments/deployment/api", UID: "u", Version: "1"}}, Policy: set.Digest(), EvidenceDigest: writ.DigestOf(nil), Holder: "h", NotAfter: begin.Add(time.Hour),
		})
		d := set.Decide(q)
		w.enter(writ.EntryDecision, i, writ.DecisionBody{
			Decision: writ.DecisionID(fmt.Sprintf("dec_%026d", i)), Plan: pln, PlanDigest: writ.DigestOf([]byte(pln)), Phase: writ.PhasePlan, Verdict: d.Verdict, Reason: d.Reason,
			Policies: d.Policies, Requirements: d.Requirements, Facts: d.Facts, Policy: d.Policy, Engine: d.Engine, Playbook: q.Playbook, Operations: q.Operations,
		})
		for range others {
			w.enter(writ.EntryStepIntent, i, writ.StepBody{
				Run: writ.RunID(fmt.Sprintf("run_%026d", i)), Grant: writ.GrantID(fmt.Sprintf("gnt_%026d", i)), Plan: pln, PlanDigest: writ.DigestOf([]byte(pln)), Step: "1",
				Operation: "kubernetes/workload.rollback", Object: writ.Object{Location: "kubernetes://prod/payments/deployment/api", UID: "u", Version: "1"},
			})
		}
	}
	return ledger.Export(origin, nil, w.leaves)
}

const origin = "writ.example/ledger"

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type writer struct {
	t      testing.TB
	author ledger.Author
	leaves [][]byte
}

func (w *writer) enter(kind writ.EntryKind, second int, body any) {
	w.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	leaf, err := ledger.Seal(writ.Record{
		V: writ.FormatVersion, Log: origin, Kind: kind, Time: begin.Add(time.Duration(second) * time.Second), Task: "inc_01JZZZZZZZZZZZZZZZZZZZZZZZ",
		Actor: writ.Principal{Kind: writ.KindService, Iss: "https://writ.example", Sub: "control"}, Nonce: fmt.Sprintf("nonce%017d", len(w.leaves)), Body: raw,
	}, w.author)
	if err != nil {
		w.t.Fatal(err)
	}
	w.leaves = append(w.leaves, leaf)
}
