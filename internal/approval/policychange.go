package approval

import (
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
)

// NamespacePolicy separates answers to changes of the policy set from every other use of an SSH key, answers to plans among
// them.
const NamespacePolicy = "policy@writ.dev"

// NewPolicy returns the statement that a person signs to answer a change. digest must be the one of the change's bytes.
// It expires with the change.
func NewPolicy(c writ.PolicyChange, digest writ.Digest, answer writ.Answer, by writ.Person, now time.Time, nonce string) (writ.PolicyApprovalStatement, error) {
	s := writ.PolicyApprovalStatement{
		Type: writ.PolicyApprovalType, Answer: answer, Change: c.ID, Digest: digest, Manifest: c.Next.Manifest, Base: c.Base.Policy,
		Approver: by, Nonce: nonce, NotBefore: writ.Instant(now), Expires: writ.Instant(c.NotAfter),
	}
	b, err := s.Bytes()
	if err != nil {
		return writ.PolicyApprovalStatement{}, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return writ.ParsePolicyApprovalStatement(b)
}

// SignPolicy signs the bytes of an answer to a change, as "ssh-keygen -Y sign -n policy@writ.dev" would.
func SignPolicy(statement []byte, signer ssh.Signer, rand io.Reader) (string, error) {
	if _, err := writ.ParsePolicyApprovalStatement(statement); err != nil {
		return "", err
	}
	return sign(statement, NamespacePolicy, signer, rand)
}

// A PolicyQuestion is what answers to a change of the policy set are judged by.
type PolicyQuestion struct {
	Change writ.PolicyChange
	Digest writ.Digest // of the change's bytes
	Policy writ.Digest // in force now
	Roster Roster      // the judge's own
	Now    time.Time
}

// A PolicyVote is an answer to a change whose proof has been checked.
type PolicyVote struct {
	Verified // of whose Statement only answer, approver, nonce and times are set
}

// Judge verifies one answer completely: form, proof over its bytes, that it is about exactly this change, which follows
// the set in force, and that this human may give it: of the group, not the proposer, with a proof as strong as was asked
// for and a key that was enrolled before the change. It refuses with the reasons of Verify and Question.Judge.
func (q PolicyQuestion) Judge(a writ.Approval) (PolicyVote, error) {
	if len(a.Statement) > maxStatement {
		return PolicyVote{}, writ.Refuse(writ.ReasonApprovalForm, "the statement is too long")
	}
	s, err := writ.ParsePolicyApprovalStatement(a.Statement)
	if err != nil {
		return PolicyVote{}, writ.Refuse(writ.ReasonApprovalForm, "the statement is not of the closed canonical form")
	}
	v, err := answered(forPolicy, writ.ApprovalStatement{Answer: s.Answer, Approver: s.Approver, Nonce: s.Nonce, NotBefore: s.NotBefore, Expires: s.Expires}, a, q.Roster, q.Now)
	if err != nil {
		return PolicyVote{}, err
	}
	bad := func(what string) (PolicyVote, error) {
		return PolicyVote{}, writ.Refuse(writ.ReasonApprovalMismatch, "the answer is for another "+what)
	}
	c := q.Change
	switch {
	case s.Change != c.ID:
		return bad("change")
	case !s.Digest.Equal(q.Digest):
		return bad("version of the change")
	case !s.Manifest.Equal(c.Next.Manifest):
		return bad("set")
	case !s.Base.Equal(c.Base.Policy) || !s.Base.Equal(q.Policy):
		return bad("set in force")
	case !slices.Contains(v.Groups, c.Needs.Group):
		return PolicyVote{}, writ.Refuse(writ.ReasonApproverUnknown, fmt.Sprintf("only people of %s answer changes of the policy set", writ.Printable(c.Needs.Group, 60)))
	case slices.Contains(q.Roster[v.member].people(), c.Proposer):
		return PolicyVote{}, writ.Refuse(writ.ReasonApproverConflict, "nobody answers the change that they proposed")
	case v.Since.After(c.MadeAt):
		return PolicyVote{}, writ.Refuse(writ.ReasonApproverUnknown, "the key was enrolled after the change was proposed")
	case s.Answer == writ.Approve && v.Proof.Strength() < c.Needs.Proof.Strength():
		return PolicyVote{}, &writ.Refusal{
			Code: writ.ReasonApprovalProof, Kind: writ.ErrDenied, Detail: fmt.Sprintf("a change of the policy set takes a proof of level %s or better, and this is %s", c.Needs.Proof, v.Proof),
			Hint: "tiers.yaml of the set in force says what tier 3 demands",
		}
	}
	return PolicyVote{v}, nil
}

// Met counts distinct people who approve, and refuses with approval_quorum while there are too few. Like Count it is
// strict: an answer that does not count, or a second one of one person, is an error.
func (q PolicyQuestion) Met(answers []writ.Approval) error {
	seen, nonces := map[int]bool{}, map[string]bool{}
	for _, a := range answers {
		v, err := q.Judge(a)
		switch {
		case err != nil:
			return err
		case v.Statement.Answer != writ.Approve:
			return writ.Refuse(writ.ReasonRejected, "a person rejected the change")
		case nonces[v.Statement.Nonce]:
			return writ.Refuse(writ.ReasonApprovalReplayed, "one statement stands twice")
		case seen[v.member]:
			return writ.Refuse(writ.ReasonApproverConflict, "one person answered twice")
		}
		seen[v.member], nonces[v.Statement.Nonce] = true, true
	}
	if len(seen) < max(q.Change.Needs.Approvals, writ.PolicyChangeApprovals) {
		return writ.Refuse(writ.ReasonApprovalQuorum, fmt.Sprintf("%d of %d people have approved it", len(seen), q.Change.Needs.Approvals))
	}
	return nil
}
