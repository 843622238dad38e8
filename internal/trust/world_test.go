package trust_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/mod/sumdb/note"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/grant"
	"github.com/writ-dev/writ/internal/token"
	"github.com/writ-dev/writ/internal/trust"
)

// seed derives the private keys of the vectors from their names: SHA-256("writ vector " + name).
func seed(name string) []byte {
	sum := sha256.Sum256([]byte("writ vector " + name))
	return sum[:]
}

func edKey(name string) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seed(name)) }

func edPublic(name string) ed25519.PublicKey { return edKey(name).Public().(ed25519.PublicKey) }

func ecKey(t testing.TB, name string) *ecdsa.PrivateKey {
	key, err := token.NewKey(bytes.NewReader(seed(name)))
	must(t, err)
	return key
}

func sshSigner(t testing.TB, name string) ssh.Signer {
	s, err := ssh.NewSignerFromKey(edKey(name))
	must(t, err)
	return s
}

func sshLine(t testing.TB, name string) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshSigner(t, name).PublicKey())))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nonce(name string) string {
	return base64.RawURLEncoding.EncodeToString(seed("nonce " + name)[:16])
}

func salted(name, content string) writ.Commitment {
	return writ.Commit([32]byte(seed("salt "+name)), name, []byte(content))
}

func playbook() writ.PlaybookRef {
	return writ.PlaybookRef{Name: "rollback-deployment", Version: 5, Digest: writ.DigestOf([]byte("the playbook's source"))}
}

func vectorProposal() writ.Proposal {
	return writ.Proposal{
		V: 1, ID: "prp_01JDB4A0N7N5S3J8E6X0F4G1MB", Incident: "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD", By: agent, Playbook: playbook(),
		Parameters: writ.Parameters{"deployment": writ.String("payments-api"), "revision": writ.Int(41)},
		Evidence:   vectorEvidence(), Claim: salted("claim", "errors started with revision 42"), At: madeAt.Add(-20 * time.Second),
	}
}

func vectorEvidence() []writ.EvidenceRef {
	return []writ.EvidenceRef{
		{ID: "ev_01JDB3Y7T6M2Y8H4R1C7K5P9WD", Commitment: salted("events", "three events"), At: madeAt.Add(-time.Minute)},
		{ID: "ev_01JDB3YBT6M2Y8H4R1C7K5P9WD", Commitment: salted("rollout", "revision 42"), At: madeAt.Add(-41 * time.Second)},
	}
}

func vectorPlan(t testing.TB) writ.Plan {
	proposal, err := vectorProposal().Digest()
	must(t, err)
	const id = "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB"
	object := writ.Location("kubernetes://prod-eu1/payments/deployment/payments-api")
	status := writ.Condition{Name: "ready", Reader: "kubernetes/workload.status", Fact: "ready", Op: writ.AtLeast, Value: writ.Int(5),
		With: writ.Parameters{"name": writ.String("payments-api"), "namespace": writ.String("payments")}}
	after := status
	after.Name, after.Value, after.WithinSeconds = "all-ready", writ.Int(6), 120
	blast := writ.Blast{Objects: 1, Replicas: 6, Permille: 167}
	return writ.Plan{
		V: 1, ID: id, Incident: "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD", Proposal: vectorProposal().ID, ProposalDigest: proposal,
		Requester: agent, Runner: runner, Target: "kubernetes://prod-eu1", Service: "payments", Environment: "prod",
		Playbook: playbook(), Parameters: vectorProposal().Parameters, Tier: writ.T2,
		Title: "Roll back payments-api in prod-eu1 from revision 42 to 41", Evidence: vectorEvidence(),
		Policy: writ.DigestOf([]byte("the policy bundle")),
		Window: writ.Window{NotBefore: madeAt, NotAfter: madeAt.Add(30 * time.Minute)},
		Budget: writ.Budget{MaxObjects: 1, MaxPermille: 250}, Holder: token.Thumbprint(&ecKey(t, "holder key").PublicKey),
		Guards: []writ.Condition{status}, Verify: []writ.Condition{after}, Undo: writ.UndoInverse, Blast: blast,
		Nonce: nonce("plan"), MadeAt: madeAt,
		Steps: []writ.Step{{
			Key: id + ".1", Operation: "kubernetes/workload.rollback", Tier: writ.T2, Title: "Roll back deployment payments-api in payments",
			With:   writ.Parameters{"deployment": writ.String("payments-api"), "revision": writ.Int(41)},
			Object: writ.Object{Location: object, UID: "5b1e3c0e-1111-4222-8333-4444555590aa", Version: "88121"},
			Call: writ.Call{Method: "PATCH", Path: "/apis/apps/v1/namespaces/payments/deployments/payments-api", Query: "fieldManager=writ",
				ContentType: "application/json-patch+json", Body: salted("body", `[{"op":"replace"}]`)},
			Diff: []writ.Change{
				{Path: "spec.template.spec.containers[api].image", Before: "payments-api@sha256:91c2", After: "payments-api@sha256:40fe"},
				{Path: "metadata.annotations[writ.dev/plan]", After: id},
			},
			Inverse: writ.Inverse{Kind: writ.InverseReplace, Title: "Put revision 42 back", Preimage: salted("preimage", "the object")},
			Blast:   blast, TimeoutSeconds: 120,
		}},
	}
}

func vectorTrust(t testing.TB) trust.Trust {
	vkey, err := note.NewEd25519VerifierKey(origin, edPublic("log key"))
	must(t, err)
	pem, err := token.MarshalPublic(&ecKey(t, "grant key").PublicKey)
	must(t, err)
	return trust.Trust{
		V: 1, Version: 7, Runner: runner, Expires: madeAt.AddDate(0, 3, 0), Issuer: issuer, Presented: present,
		GrantKeys: []trust.GrantKey{{Kid: token.KeyID(&ecKey(t, "grant key").PublicKey), PEM: string(pem)}},
		Control: []trust.Author{{Principal: writ.Principal{Kind: writ.KindService, Iss: issuer, Sub: "control"}, KeyID: "control-1",
			Public: edPublic("control key")}},
		Log: trust.Log{Origin: origin, VKey: vkey},
		Approvers: approval.Roster{
			{Iss: alice.Iss, Sub: alice.Sub, Groups: []string{"payments"}, Keys: []string{sshLine(t, "alice")}},
			{Iss: bob.Iss, Sub: bob.Sub, Groups: []string{"payments", "oncall"}, Keys: []string{sshLine(t, "bob")}, Since: madeAt.AddDate(0, -1, 0)},
		},
		Services:    []trust.Service{{Name: "payments", Slots: map[string]string{"owner": "payments", "oncall": "oncall"}}},
		AgentOwners: []trust.AgentOwner{{Iss: agent.Iss, Sub: agent.Sub, Owner: bob}},
		Playbooks:   []writ.PlaybookRef{playbook()},
		Ceiling: trust.Ceiling{
			MaxTier: writ.T2, HandleMaxTier: writ.T1, Targets: []writ.Location{"kubernetes://prod-eu1/payments"},
			Operations: []writ.OperationName{"kubernetes/workload.restart", "kubernetes/workload.rollback"},
			MaxObjects: 3, MaxPermille: 300, RunsPerHour: 6,
			Quorum: map[writ.Tier]trust.Quorum{writ.T1: {}, writ.T2: {Approvals: 1, Proof: writ.ProofD}},
		},
	}
}

func planAndDigest(t testing.TB) (writ.Plan, writ.Digest) {
	b, err := vectorPlan(t).Bytes()
	must(t, err)
	p, digest, err := writ.ParsePlan(b)
	must(t, err)
	return p, digest
}

// vectorStatement is of the first form, in which the vectors were made.
func vectorStatement(t testing.TB) []byte {
	s := vectorStatementV2(t)
	s.Type, s.Tier = writ.ApprovalTypeV1, writ.T0
	b, err := s.Bytes()
	must(t, err)
	return b
}

func vectorStatementV2(t testing.TB) writ.ApprovalStatement {
	p, digest := planAndDigest(t)
	s, err := approval.New(p, digest, approval.Ask{Answer: writ.Approve, Person: alice, Slot: "owner", Now: madeAt.Add(time.Minute),
		Life: 15 * time.Minute, Nonce: nonce("approval")})
	must(t, err)
	return s
}

func vectorApproval(t testing.TB) writ.Approval {
	s := vectorStatement(t)
	sig, err := approval.Sign(s, sshSigner(t, "alice"), nil)
	must(t, err)
	return writ.Approval{ID: "apr_01JDB4ZJ4E8Q6W2N7M5T9V3XCA", Statement: s, Signature: sig}
}

func vectorClaims(t testing.TB) writ.GrantClaims {
	p, digest := planAndDigest(t)
	c, err := grant.Mint(grant.Input{
		ID: "gnt_01JDB4ZK4E8Q6W2N7M5T9V3XCA", Issuer: issuer, Plan: p, PlanDigest: digest, Source: "INC-2291",
		Decision: writ.Decision{ID: "dec_01JDB4ZH4E8Q6W2N7M5T9V3XCA", Plan: p.ID, PlanDigest: digest, Phase: writ.PhaseGrant,
			Verdict: writ.Allow, Policy: p.Policy, Tier: p.Tier},
		Approvals: []writ.Approval{vectorApproval(t)}, Now: madeAt.Add(2 * time.Minute), Life: 5 * time.Minute, Mode: writ.ModeHandle,
	})
	must(t, err)
	return c
}
