package verify

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/ledger"
)

// This file follows changes of the policy set: each set but the first one, and the same one loaded anew, came into force by
// a change that enough different people approved, none of whom had proposed it, and that followed the set before.

// PolicyApprovers say who must have approved each change of the policy set. Without them the log's own word counts for the
// group and the proof, and that two people were needed.
type PolicyApprovers struct {
	Group     string          `json:"group"`     // of Approvers
	Approvals int             `json:"approvals"` // different people, 2 or more
	Proof     writ.ProofLevel `json:"proof"`     // the weakest that counts
}

func (p PolicyApprovers) ok() bool {
	return writ.IsName(p.Group) && p.Approvals >= writ.PolicyChangeApprovals && p.Proof.Strength() > 0
}

// A policyChange is one proposed change of the set.
type policyChange struct {
	seen[writ.PolicyChangeBody]
	answers  []writ.Approval
	by       map[writ.Person]int64 // who has answered, and where
	rejected bool
	over     bool
}

// policies is what the log has told of sets so far.
type policies struct {
	now      *writ.PolicyBody
	changes  map[writ.PolicyChangeID]*policyChange
	approved bool // a set came into force by a change: none comes in any other way any more
}

func (s *chain) policy(index int64, e ledger.Entry) {
	switch b := e.Body.(type) {
	case *writ.PolicyChangeBody:
		if s.policies.changes[b.Change] != nil {
			s.wrong(index, "twice", "the change %s of the policy set is proposed twice", b.Change)
			return
		}
		s.policies.changes[b.Change] = &policyChange{seen: seen[writ.PolicyChangeBody]{index: index, entry: e, body: *b}, by: map[writ.Person]int64{}}
		s.commits[b.Because] = true
	case *writ.PolicyApprovalBody:
		s.policyAnswer(index, e, *b)
	case *writ.PolicyEndBody:
		c := s.policies.changes[b.Change]
		switch {
		case c == nil:
			s.absent(index, "no_change", "entry %d ends a change of the policy set that no earlier entry proposes", index)
		case c.over:
			s.wrong(index, "policy", "the change %s of the policy set ends twice", b.Change)
		default:
			c.over = true
		}
	case *writ.PolicyBody:
		s.inForce(index, e, *b)
		s.policies.now = b
	}
}

// question is what answers to a change are judged by: the entry's own word, under what the auditor demands.
func (s *chain) policyQuestion(c *policyChange, e ledger.Entry) approval.PolicyQuestion {
	b := c.body
	needs := b.Needs
	if p := s.c.keys.policy; p != nil {
		needs.Group, needs.Approvals = p.Group, max(needs.Approvals, p.Approvals)
		if needs.Proof.Strength() < p.Proof.Strength() {
			needs.Proof = p.Proof
		}
	}
	return approval.PolicyQuestion{
		Change: writ.PolicyChange{ID: b.Change, Proposer: b.Proposer, Base: b.Base, Next: b.Next, Needs: needs, MadeAt: c.entry.Record.Time, NotAfter: b.NotAfter},
		Digest: b.Digest, Policy: b.Base.Policy, Roster: s.c.keys.roster, Now: e.Record.Time,
	}
}

func (s *chain) policyAnswer(index int64, e ledger.Entry, b writ.PolicyApprovalBody) {
	c := s.policies.changes[b.Change]
	if c == nil {
		s.absent(index, "no_change", "entry %d answers a change of the policy set that no earlier entry proposes", index)
		return
	}
	proof := writ.Approval{Statement: b.Statement, Signature: b.Signature, Passkey: b.Passkey}
	v, err := s.policyQuestion(c, e).Judge(proof)
	switch {
	case err != nil:
		s.wrong(index, "policy_approval", "the answer to change %s in entry %d does not count: %v", b.Change, index, err)
		return
	case v.Statement.Answer != b.Answer || v.Person != b.Approver || v.Key != b.Key || !b.Digest.Equal(c.body.Digest):
		s.wrong(index, "policy_approval", "entry %d says something else than the signed statement in it", index)
		return
	case b.Proof.Strength() > v.Proof.Strength():
		s.wrong(index, "policy_approval", "entry %d claims the proof %s; the signature shows %s", index, b.Proof, v.Proof)
		return
	case v.Passkey != nil && !s.asserted(index, v.Passkey, v.Counter):
		return
	}
	if before, twice := s.statement[v.Statement.Nonce]; twice {
		s.wrong(index, "approval_replayed", "the statement in entry %d was used in entry %d already", index, before)
		return
	}
	s.statement[v.Statement.Nonce] = index
	if before, twice := c.by[v.Person]; twice {
		s.wrong(index, "policy_approval", "%s answers change %s a second time in entry %d, after entry %d", v.Person.Sub, b.Change, index, before)
		return
	}
	c.by[v.Person] = index
	if c.over {
		s.wrong(index, "policy_approval", "entry %d answers change %s after it had ended", index, b.Change)
		return
	}
	if b.Answer == writ.Reject {
		c.rejected = true
		return
	}
	c.answers = append(c.answers, proof)
}

// inForce checks how a set came into force.
func (s *chain) inForce(index int64, e ledger.Entry, b writ.PolicyBody) {
	was := s.policies.now
	if was != nil && b.Version < was.Version {
		s.wrong(index, "policy", "version %d of the policy set follows version %d", b.Version, was.Version)
	}
	if b.Change == "" {
		first := was == nil || was.Version == 0
		again := was != nil && was.Version == b.Version && was.Manifest.Equal(b.Manifest)
		if !first && !again && (s.policies.approved || s.c.keys.policy != nil) {
			s.wrong(index, "policy", "version %d of the policy set came into force, and nobody approved it", b.Version)
		}
		return
	}
	s.policies.approved = true
	c := s.policies.changes[b.Change]
	if c == nil {
		s.absent(index, "no_change", "version %d of the policy set came into force by change %s, which no earlier entry proposes", b.Version, b.Change)
		return
	}
	next := writ.PolicyName{Version: b.Version, Manifest: b.Manifest, Policy: b.Policy}
	switch {
	case c.over || c.rejected:
		s.wrong(index, "policy", "change %s of the policy set came into force after it had ended", b.Change)
	case !b.ChangeDigest.Equal(c.body.Digest) || next.Version != c.body.Next.Version || !next.Manifest.Equal(c.body.Next.Manifest):
		s.wrong(index, "policy", "another set came into force than change %s proposes", b.Change)
	case was != nil && (!was.Policy.Equal(c.body.Base.Policy) || was.Version != c.body.Base.Version):
		s.wrong(index, "policy", "change %s was approved for another set in force than the one it followed", b.Change)
	case !e.Record.Time.Before(c.body.NotAfter):
		s.wrong(index, "policy", "change %s came into force after its time", b.Change)
	}
	c.over = true
	if err := s.policyQuestion(c, e).Met(c.answers); err != nil {
		s.wrong(index, "policy", "version %d of the policy set came into force without the approvals that it needed: %v", b.Version, err)
	}
}
