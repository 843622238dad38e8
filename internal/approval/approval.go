// Package approval makes, signs, verifies and counts the answers of people. An answer is a statement over one plan
// digest, signed with an SSH key (PROTOCOL.sshsig of OpenSSH) in Writ's own namespace, or with a passkey (Web
// Authentication) at an origin of its own. docs/spec/approval.md describes the format. The package is pure: control plane, runner and offline verifier run the same code, each against its own
// roster.
package approval

import (
	"fmt"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// Namespace separates approvals from every other use of an SSH key.
const Namespace = "approval@writ.dev"

// An Ask is what one person is about to answer.
type Ask struct {
	Answer writ.Answer
	Person writ.Person
	Slot   string        // in whose name the person answers, for example owner
	Tier   writ.Tier     // as policy decided the plan; the zero takes the plan's own
	Typed  string        // T4: the last segment of the first step's object; otherwise empty
	Now    time.Time     // when the statement begins to count
	Life   time.Duration // at most writ.MaxApprovalLife
	Nonce  string        // ident.Nonce
}

// New returns the statement that a person signs with Sign. digest must be the one of the plan's bytes.
func New(p writ.Plan, digest writ.Digest, a Ask) (writ.ApprovalStatement, error) {
	evidence, err := p.EvidenceDigest()
	if err != nil {
		return writ.ApprovalStatement{}, err
	}
	tier := p.InForce(max(p.Tier, a.Tier))
	if a.Answer == writ.Approve && tier >= writ.T4 && a.Typed != Confirmation(p) {
		return writ.ApprovalStatement{}, &writ.Refusal{
			Code: writ.ReasonApprovalMismatch, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("a plan of %s is approved by typing the name of the first object that it changes", tier),
			Hint: fmt.Sprintf("typed: %s", writ.Printable(Confirmation(p), 200)),
		}
	}
	s := writ.ApprovalStatement{
		Type: writ.ApprovalType, Answer: a.Answer, Plan: p.ID, Incident: p.Incident, PlanDigest: digest, Tier: tier,
		PolicyDigest: p.Policy, EvidenceDigest: evidence, Runner: p.Runner, Approver: a.Person, Slot: a.Slot,
		Typed: a.Typed, Nonce: a.Nonce, NotBefore: writ.Instant(a.Now), Expires: writ.Instant(a.Now.Add(a.Life)),
	}
	b, err := s.Bytes()
	if err != nil {
		return writ.ApprovalStatement{}, fmt.Errorf("%w: %w", writ.ErrInvalid, err)
	}
	return writ.ParseApprovalStatement(b)
}

// Confirmation returns what a person types to approve a plan of T4: the name of the first object that it writes.
func Confirmation(p writ.Plan) string {
	if len(p.Steps) == 0 {
		return ""
	}
	return NameOf(p.Steps[0].Object)
}

// NameOf is the last segment of an object's location.
func NameOf(o writ.Object) string {
	parts := strings.Split(string(o.Location), "/")
	return parts[len(parts)-1]
}
