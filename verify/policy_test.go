package verify_test

import (
	"crypto/rand"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/verify"
)

// A swap is a change of the policy set in a log: proposed, answered by two people, and in force.
type swap struct {
	proposed *writ.PolicyChangeBody
	answers  []*writ.PolicyApprovalBody
	force    *writ.PolicyBody
	end      *writ.PolicyEndBody // instead of or before it came into force; nil for none
	late     time.Duration       // after which it comes into force
	unasked  bool                // nothing proposes it
	again    bool                // it ends a second time

	afterwards *writ.PolicyApprovalBody // an answer after its end
}

var proposer, seconder = writ.Person{Iss: person.Iss, Sub: "u-50"}, writ.Person{Iss: person.Iss, Sub: "u-51"}

// swapped adds a set in force and a change of it, as an honest log has them but for what is done to them.
func (w *world) swapped(spoil func(*swap)) {
	w.t.Helper()
	at := start.Add(time.Hour)
	base := writ.PolicyName{Version: 1, Manifest: digest("manifest 1"), Policy: digest("policy")}
	next := writ.PolicyName{Version: 2, Manifest: digest("manifest 2"), Policy: digest("policy 2")}
	c := writ.PolicyChange{
		Type: writ.PolicyChangeType, ID: id[writ.PolicyChangeID]("pch", 1), Proposer: proposer, Base: base, Next: next,
		Needs: writ.PolicyNeeds{Group: "payments", Approvals: 2, Proof: writ.ProofD}, MadeAt: at, NotAfter: at.Add(time.Hour),
	}
	changed := digest("change")
	s := &swap{
		proposed: &writ.PolicyChangeBody{Change: c.ID, Digest: changed, Proposer: proposer, Base: base, Next: next, Signers: []string{"owner"}, Needs: c.Needs, NotAfter: c.NotAfter},
		force:    &writ.PolicyBody{Policy: next.Policy, Version: 2, Manifest: next.Manifest, Signers: []string{"owner"}, Was: base.Policy, Change: c.ID, ChangeDigest: changed},
	}
	for i, p := range []writ.Person{person, seconder} {
		st, err := approval.NewPolicy(c, changed, writ.Approve, p, at.Add(time.Second), []string{"policyanswernonce000001", "policyanswernonce000002"}[i])
		if err != nil {
			w.t.Fatal(err)
		}
		s.answers = append(s.answers, w.policyAnswer(st, []byte{4, 7}[i], i+10))
	}
	spoil(s)
	n := 0
	add := func(after time.Duration, kind writ.EntryKind, body any) {
		n++
		w.items = append(w.items, &item{kind: kind, by: w.control, log: origin, actor: controlPlane, at: at.Add(after), nonce: "swapnonce0000000000000" + string(rune('a'+n)), body: body})
	}
	add(0, writ.EntryPolicy, &writ.PolicyBody{Policy: base.Policy, Version: 1, Manifest: base.Manifest, Signers: []string{"owner"}})
	if !s.unasked {
		add(0, writ.EntryPolicyChange, s.proposed)
		for _, a := range s.answers {
			add(2*time.Second, writ.EntryPolicyApproval, a)
		}
	}
	if s.end != nil {
		add(3*time.Second, writ.EntryPolicyEnd, s.end)
	}
	if s.again {
		add(3*time.Second, writ.EntryPolicyEnd, s.end)
	}
	if s.afterwards != nil {
		add(3*time.Second, writ.EntryPolicyApproval, s.afterwards)
	}
	add(max(4*time.Second, s.late), writ.EntryPolicy, s.force)
}

// policyAnswer signs an answer with a person's key.
func (w *world) policyAnswer(st writ.PolicyApprovalStatement, k byte, n int) *writ.PolicyApprovalBody {
	w.t.Helper()
	b, err := st.Bytes()
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key(k))
	if err != nil {
		w.t.Fatal(err)
	}
	sig, err := approval.SignPolicy(b, signer, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return &writ.PolicyApprovalBody{
		Approval: id[writ.ApprovalID]("apr", n), Change: st.Change, Digest: st.Digest, Answer: st.Answer, Approver: st.Approver, Proof: writ.ProofD,
		Key: ssh.FingerprintSHA256(signer.PublicKey()), Statement: b, Signature: sig,
	}
}

// policyTrust is the auditor's, who knows the second person, and who approves sets.
func (w *world) policyTrust() verify.Trust {
	tr := w.trust()
	tr.Approvers = append(tr.Approvers, verify.Approver{Iss: seconder.Iss, Sub: seconder.Sub, Groups: []string{"payments"}, Keys: []string{authorized(w.t, key(7))}})
	tr.Policy = &verify.PolicyApprovers{Group: "payments", Approvals: 2, Proof: writ.ProofD}
	return tr
}

// TestI17AChangeOfThePolicySetIsCheckedOffline: an honest change passes, and each thing that a dishonest log says of one is
// found, however well its tree is made.
func TestI17AChangeOfThePolicySetIsCheckedOffline(t *testing.T) {
	clean := newWorld(t)
	clean.swapped(func(*swap) {})
	b := clean.bundle()
	honest := raw(t, b)
	if r := judge(t, honest, clean.policyTrust(), []byte(b.Checkpoint)); r.Verdict() != verify.OK || len(r.Findings) != 0 {
		t.Fatalf("%s", r.Text())
	}
	for name, c := range map[string]struct {
		spoil func(*swap)
		code  string
	}{
		"one person approved it":        {func(s *swap) { s.answers = s.answers[:1] }, "policy"},
		"nobody did":                    {func(s *swap) { s.answers = nil }, "policy"},
		"its proposer approved it":      {func(s *swap) { s.proposed.Proposer = person }, "policy_approval"},
		"more people were asked for":    {func(s *swap) { s.proposed.Needs.Approvals = 3 }, "policy"},
		"another set than proposed":     {func(s *swap) { s.force.Manifest = digest("planted") }, "policy"},
		"another version than proposed": {func(s *swap) { s.force.Version = 3 }, "policy"},
		"a lower version":               {func(s *swap) { s.force.Version, s.force.Change = 0, "" }, "policy"},
		"without a change":              {func(s *swap) { s.force.Change = "" }, "policy"},
		"after its time":                {func(s *swap) { s.late = 2 * time.Hour }, "policy"},
		"after it was withdrawn": {func(s *swap) {
			s.end = &writ.PolicyEndBody{Change: s.proposed.Change, State: writ.PolicyWithdrawn, Reason: writ.ReasonWithdrawn}
		}, "policy"},
		"on another set than was in force":   {func(s *swap) { s.proposed.Base.Version = 0 }, "policy"},
		"an answer's signature is another's": {func(s *swap) { s.answers[0].Signature = s.answers[1].Signature }, "policy_approval"},
		"an answer in another's name":        {func(s *swap) { s.answers[0].Approver = seconder }, "policy_approval"},
		"an answer turned around":            {func(s *swap) { s.answers[0].Answer = writ.Reject }, "policy_approval"},
		"a better proof than was given":      {func(s *swap) { s.answers[0].Proof = writ.ProofA }, "policy_approval"},
		"one answer twice":                   {func(s *swap) { s.answers[1] = s.answers[0] }, "approval_replayed"},
		"a change that nobody proposed":      {func(s *swap) { s.unasked = true }, "no_change"},
		"an answer to no change":             {func(s *swap) { s.answers[0].Change = id[writ.PolicyChangeID]("pch", 9) }, "no_change"},
		"an end of no change": {func(s *swap) {
			s.end = &writ.PolicyEndBody{Change: id[writ.PolicyChangeID]("pch", 9), State: writ.PolicyExpired, Reason: writ.ReasonExpired}
		}, "no_change"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.swapped(c.spoil)
			b := w.bundle()
			wantFinding(t, honest, raw(t, b), w.policyTrust(), c.code, []byte(b.Checkpoint))
		})
	}
}
