package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/hiddeco/sshsig"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/verify"
)

const origin = "ledger.example/prod"

var start = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// The entries of an honest log, in order.
const (
	genesis = iota
	incident
	evidence
	proposal
	planned
	asked
	approved
	allowed
	granted
	leased
	stepped
	intent
	effect
	verified
	revoked
	probed
	ended
	length
)

// An item is one entry before it is sealed.
type item struct {
	kind   writ.EntryKind
	by     ed25519.PrivateKey
	log    string
	actor  writ.Principal
	task   writ.IncidentID
	at     time.Time
	nonce  string
	refs   []int // of other items
	extra  []writ.Ref
	body   any
	blobs  []writ.Blob
	leaf   []byte
	before func(*world, *item) // runs when the items before it are sealed
}

// A world is a log with its keys: what an honest control plane and runner would have written.
type world struct {
	t                    testing.TB
	log, control, runner ed25519.PrivateKey
	human                ssh.Signer
	items                []*item
	statement            writ.ApprovalStatement
	approval             *writ.Approval
	content              []byte
	salt                 [32]byte
}

func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func id[T ~string](prefix string, n int) T { return T(fmt.Sprintf("%s_%026d", prefix, n)) }

func digest(s string) writ.Digest { return writ.DigestOf([]byte(s)) }

var (
	controlPlane = writ.Principal{Kind: writ.KindService, Iss: "https://writ.example", Sub: "control"}
	agent        = writ.Principal{Kind: writ.KindAgent, Iss: "spiffe://example.com", Sub: "spiffe://example.com/agent/repair"}
	runnerID     = writ.RunnerID("spiffe://example.com/runner/prod-eu1")
	otherRunner  = writ.RunnerID("spiffe://example.com/runner/prod-us1")
	person       = writ.Person{Iss: "https://idp.example", Sub: "u-17"}
)

func newWorld(t testing.TB) *world {
	w := &world{t: t, log: key(1), control: key(2), runner: key(3), content: []byte("ready 1 of 3")}
	var err error
	if w.human, err = ssh.NewSignerFromKey(key(4)); err != nil {
		t.Fatal(err)
	}
	copy(w.salt[:], bytes.Repeat([]byte{9}, 32))
	inc, pln, run, gnt, lse := id[writ.IncidentID]("inc", 1), id[writ.PlanID]("pln", 1), id[writ.RunID]("run", 1), id[writ.GrantID]("gnt", 1), id[writ.LeaseID]("lse", 1)
	playbook := writ.PlaybookRef{Name: "rollback-deployment", Version: 5, Digest: digest("playbook")}
	object := writ.Object{Location: "kubernetes://prod-eu1/payments/deployment/api", UID: "u1", Version: "77"}
	call := writ.Call{Method: "PATCH", Path: "/apis/apps/v1/namespaces/payments/deployments/api", ContentType: "application/json", Body: writ.Commit(w.salt, "body", []byte("{}"))}
	step := string(pln) + ".1"
	w.statement = writ.ApprovalStatement{
		Type: writ.ApprovalType, Answer: writ.Approve, Plan: pln, Incident: inc, PlanDigest: digest("plan"), Tier: writ.T2, PolicyDigest: digest("policy"),
		EvidenceDigest: digest("evidence"), Runner: runnerID, Approver: person, Slot: "owner", Nonce: "statementnonce00000001",
		NotBefore: start, Expires: start.Add(30 * time.Minute),
	}
	decide := func(n int, phase writ.Phase, step string, v writ.Verdict, need map[string]int) *writ.DecisionBody {
		return &writ.DecisionBody{
			Decision: id[writ.DecisionID]("dec", n), Plan: pln, PlanDigest: digest("plan"), Phase: phase, Step: step, Verdict: v, Reason: writ.ReasonAllowed,
			Policies: []string{"t2-owner"}, Facts: json.RawMessage(`{"tier":2}`), Policy: digest("policy"), Engine: "cedar", Requirements: writ.Requirements{Approvals: need},
		}
	}
	add := func(kind writ.EntryKind, by ed25519.PrivateKey, body any, refs ...int) *item {
		actor, task := controlPlane, inc
		if by.Equal(w.runner) {
			actor = runnerID.Principal()
		}
		if kind == writ.EntryGenesis {
			task = ""
		}
		n := len(w.items)
		i := &item{kind: kind, by: by, log: origin, actor: actor, task: task, at: start.Add(time.Duration(n) * time.Second), nonce: fmt.Sprintf("nonce%017d", n), refs: refs, body: body}
		w.items = append(w.items, i)
		return i
	}
	add(writ.EntryGenesis, w.control, &writ.GenesisBody{Origin: origin, Policy: digest("policy")})
	add(writ.EntryIncident, w.control, &writ.IncidentBody{Incident: inc, State: writ.IncidentOpen, Service: "payments-api", Environment: "prod", Owner: "payments", Severity: 1, Alerts: 1})
	add(writ.EntryEvidence, w.control, &writ.EvidenceBody{Evidence: id[writ.EvidenceID]("ev", 1), AskedBy: agent, Runner: runnerID, Reader: "kubernetes/workload.status", Target: "kubernetes://prod-eu1", At: start, Commitment: writ.Commit(w.salt, "evidence", w.content), Size: 12})
	add(writ.EntryProposal, w.control, &writ.ProposalBody{Proposal: digest("proposal"), ID: id[writ.ProposalID]("prp", 1), Plan: pln, By: agent, Playbook: playbook}, evidence)
	add(writ.EntryPlan, w.runner, &writ.PlanBody{Plan: pln, PlanDigest: digest("plan"), ProposalDigest: digest("proposal"), Requester: agent, Runner: runnerID, Playbook: playbook, Tier: writ.T2, Objects: []writ.Object{object}, Policy: digest("policy"), EvidenceDigest: digest("evidence"), Holder: "holder", NotAfter: start.Add(time.Hour)}, proposal)
	add(writ.EntryDecision, w.control, decide(1, writ.PhasePlan, "", writ.Requires, map[string]int{"owner": 1}), planned)
	a := add(writ.EntryApproval, w.control, nil, planned)
	a.before = func(w *world, i *item) { i.body = w.approvalBody() }
	add(writ.EntryDecision, w.control, decide(2, writ.PhaseGrant, "", writ.Allow, nil), planned)
	g := add(writ.EntryGrant, w.control, &writ.GrantBody{Grant: gnt, Run: run, Plan: pln, PlanDigest: digest("plan"), Runner: runnerID, Holder: "holder", Decision: id[writ.DecisionID]("dec", 2), Policy: digest("policy"), Expires: start.Add(5 * time.Minute), TokenDigest: digest("token")}, planned, approved, allowed)
	g.before = func(w *world, i *item) {
		if body := i.body.(*writ.GrantBody); body.Approvals == nil && w.approval != nil {
			d, err := w.approval.Digest()
			if err != nil {
				w.t.Fatal(err)
			}
			body.Approvals = []writ.Digest{d}
		}
	}
	add(writ.EntryLease, w.runner, &writ.LeaseBody{Lease: lse, Run: run, Target: "kubernetes://prod-eu1", Tier: writ.T2, Name: "writ-1", Rights: []string{"patch deployments"}, Expires: start.Add(5 * time.Minute)}, granted)
	add(writ.EntryDecision, w.control, decide(3, writ.PhaseStep, step, writ.Allow, nil), planned)
	body := writ.StepBody{Run: run, Grant: gnt, Plan: pln, PlanDigest: digest("plan"), Step: step, Operation: "kubernetes/workload.rollback", Object: object, Call: call}
	add(writ.EntryStepIntent, w.runner, &body, granted)
	add(writ.EntryStepEffect, w.runner, &writ.EffectBody{Run: run, Step: step, Effect: writ.Applied, Status: 200, Version: "78", Sent: call.Body, Millis: 40}, intent)
	add(writ.EntryVerify, w.runner, &writ.VerifyBody{Run: run, Check: "ready", Fact: "ready", Value: writ.Int(3), Holds: true, Millis: 900}, effect)
	add(writ.EntryRevoke, w.runner, &writ.RevokeBody{Lease: lse, Run: run, Name: "writ-1", Done: true, Millis: 50}, leased)
	add(writ.EntryProbe, w.runner, &writ.ProbeBody{Lease: lse, Run: run, PowerGone: true, IdentityGone: true, PowerStatus: 403, IdentityStatus: 401, PowerMillis: 55, IdentityMillis: 9000, Probes: 2}, leased)
	add(writ.EntryRun, w.runner, &writ.RunBody{Run: run, Grant: gnt, Plan: pln, PlanDigest: digest("plan"), State: writ.RunSucceeded, Applied: 1}, granted)
	return w
}

// approvalBody signs the statement as it stands.
func (w *world) approvalBody() *writ.ApprovalBody {
	s := w.statement
	b, err := s.Bytes()
	if err != nil {
		w.t.Fatal(err)
	}
	sig, err := sshsig.Sign(bytes.NewReader(b), w.human, sshsig.HashSHA512, "approval@writ.dev")
	if err != nil {
		w.t.Fatal(err)
	}
	w.approval = &writ.Approval{Statement: b, Signature: string(sshsig.Armor(sig))}
	return &writ.ApprovalBody{
		Approval: id[writ.ApprovalID]("apr", 1), Plan: s.Plan, PlanDigest: s.PlanDigest, Answer: s.Answer, Approver: s.Approver, Slot: s.Slot,
		Proof: writ.ProofD, Key: ssh.FingerprintSHA256(w.human.PublicKey()), Statement: b, Signature: w.approval.Signature,
	}
}

// leaves seals the items in order.
func (w *world) leaves() [][]byte {
	w.t.Helper()
	var out [][]byte
	for _, i := range w.items {
		if i.before != nil && i.leaf == nil {
			i.before(w, i)
		}
		refs := slices.Clone(i.extra)
		for _, r := range i.refs {
			refs = append(refs, writ.Ref{Rel: string(w.items[r].kind), Leaf: ledger.LeafHash(w.items[r].leaf)})
		}
		rec, err := writ.NewRecord(i.log, i.kind, i.at, i.task, i.actor, i.nonce, i.body, refs...)
		if err != nil {
			w.t.Fatalf("%s: %v", i.kind, err)
		}
		rec.Blobs = i.blobs
		author, err := ledger.NewAuthor(i.by)
		if err != nil {
			w.t.Fatal(err)
		}
		if i.leaf, err = ledger.Seal(rec, author); err != nil {
			w.t.Fatalf("%s: %v", i.kind, err)
		}
		out = append(out, i.leaf)
	}
	return out
}

// nodes keeps stored hashes in memory.
type nodes struct {
	edge ledger.Edge
	all  [][32]byte
}

func (n *nodes) add(leaf []byte) {
	h := ledger.LeafHash(leaf)
	n.all = append(n.all, [32]byte(h.Bytes()))
	for _, c := range n.edge.Append(h) {
		n.all = append(n.all, c)
	}
}

// sign makes the checkpoint of leaves under a log key.
func sign(t testing.TB, leaves [][]byte, k ed25519.PrivateKey) []byte {
	t.Helper()
	var edge ledger.Edge
	for _, l := range leaves {
		edge.Append(ledger.LeafHash(l))
	}
	note, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: origin, Size: edge.Size(), Root: edge.Head().Root}, k)
	if err != nil {
		t.Fatal(err)
	}
	return note
}

func (w *world) bundle() ledger.Bundle {
	w.t.Helper()
	leaves := w.leaves()
	return ledger.Export(origin, sign(w.t, leaves, w.log), leaves)
}

func (w *world) trust() verify.Trust {
	w.t.Helper()
	vkey, err := ledger.VKey(origin, public(w.log))
	if err != nil {
		w.t.Fatal(err)
	}
	actor := func(p writ.Principal, k ed25519.PrivateKey, r verify.Role) verify.Actor {
		return verify.Actor{Principal: p, KeyID: ledger.KeyID(public(k)), Public: public(k), Roles: []verify.Role{r}}
	}
	return verify.Trust{
		V:      1,
		Log:    []verify.LogKey{{VKey: vkey}},
		Actors: []verify.Actor{actor(controlPlane, key(2), verify.RoleControl), actor(runnerID.Principal(), key(3), verify.RoleRunner), actor(otherRunner.Principal(), key(5), verify.RoleRunner)},
		Approvers: []verify.Approver{{
			Iss: person.Iss, Sub: person.Sub, Groups: []string{"payments", "payments-oncall"}, Keys: []string{authorized(w.t, key(4)), hardwareLine(w.t)},
		}, {
			Iss: person.Iss, Sub: "u-99", Groups: []string{"search"}, Keys: []string{authorized(w.t, key(6))},
		}},
	}
}

func authorized(t testing.TB, k ed25519.PrivateKey) string {
	t.Helper()
	pub, err := ssh.NewPublicKey(public(k))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub)))
}

func raw(t testing.TB, b ledger.Bundle) []byte {
	t.Helper()
	out, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func judge(t testing.TB, bundle []byte, trust verify.Trust, pins ...[]byte) verify.Report {
	t.Helper()
	r, err := verify.Bundle(bytes.NewReader(bundle), trust, pins...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
