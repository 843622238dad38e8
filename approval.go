package writ

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ/internal/canon"
)

// ApprovalType is the _type of approval statements. ApprovalTypeV1 is that of the first form, which says no tier; it is read
// still.
const (
	ApprovalType   = "https://writ.dev/approval/v2"
	ApprovalTypeV1 = "https://writ.dev/approval/v1"
)

// An ApprovalStatement is what a person signs: one verdict over one plan digest, as of one tier, under one policy, for one
// slot. It is canonical JSON; the signature covers its bytes. docs/spec/approval.md describes it.
type ApprovalStatement struct {
	Type           string     `json:"_type"`
	Answer         Answer     `json:"decision"`
	Plan           PlanID     `json:"plan"`
	Incident       IncidentID `json:"txn"`
	PlanDigest     Digest     `json:"plan_digest"`
	Tier           Tier       `json:"tier,omitzero"` // in force when the person answered; of the first form T0, absent
	PolicyDigest   Digest     `json:"policy_digest"`
	EvidenceDigest Digest     `json:"evidence_digest"`
	Runner         RunnerID   `json:"runner"`
	Approver       Person     `json:"approver"`
	Slot           string     `json:"slot"`  // the group in whose name the person answers
	Typed          string     `json:"typed"` // T4: the object's name as the person typed it; otherwise empty
	Nonce          string     `json:"nonce"` // 128 random bits; a statement counts once
	NotBefore      time.Time  `json:"nbf"`
	Expires        time.Time  `json:"exp"`
}

// A Person is a human identity.
type Person struct {
	Iss string `json:"iss"`
	Sub string `json:"sub"`
}

// Principal returns the person as a principal.
func (p Person) Principal() Principal { return Principal{Kind: KindHuman, Iss: p.Iss, Sub: p.Sub} }

// Answer is closed.
type Answer string

const (
	Approve Answer = "approve"
	Reject  Answer = "reject"
)

// MaxApprovalLife bounds a statement: an hour covers an incident call; older answers were given to another world.
const MaxApprovalLife = time.Hour

// ParseApprovalStatement parses canonical bytes and checks the form.
func ParseApprovalStatement(b []byte) (ApprovalStatement, error) {
	var s ApprovalStatement
	if err := canon.Parse(b, &s); err != nil {
		return s, fmt.Errorf("approval statement: %w", err)
	}
	bad := func(what string) (ApprovalStatement, error) {
		return ApprovalStatement{}, fmt.Errorf("%w: approval statement: %s", ErrInvalid, what)
	}
	switch {
	case s.Type != ApprovalType && s.Type != ApprovalTypeV1:
		return bad("_type must be " + ApprovalType)
	case (s.Type == ApprovalTypeV1) != (s.Tier == T0):
		return bad("tier is T1 to T4, and only the first form has none")
	case s.Answer != Approve && s.Answer != Reject:
		return bad("decision is approve or reject")
	case s.PlanDigest.IsZero() || s.PolicyDigest.IsZero() || s.EvidenceDigest.IsZero():
		return bad("a digest is missing")
	case !s.Approver.Principal().Valid() || s.Slot == "" || len(s.Nonce) < 22:
		return bad("approver, slot and nonce must be present")
	case !s.NotBefore.Before(s.Expires) || s.Expires.Sub(s.NotBefore) > MaxApprovalLife:
		return bad("it must live longer than nothing and at most an hour")
	}
	return s, nil
}

// SpeaksOf returns the tier that the person answered a plan as of: the plan's own where the statement says none. An approval
// counts for no higher one.
func (s ApprovalStatement) SpeaksOf(own Tier) Tier {
	if s.Tier == T0 {
		return own
	}
	return s.Tier
}

// Bytes returns the canonical form.
func (s ApprovalStatement) Bytes() ([]byte, error) { return canon.Marshal(s) }

// An Approval is a statement with the proof that a person made it.
type Approval struct {
	ID        ApprovalID `json:"id"`
	Statement []byte     `json:"statement"` // the signed bytes
	Signature string     `json:"signature"` // armored SSH signature (PROTOCOL.sshsig); empty when a passkey signed
	Passkey   *Assertion `json:"passkey,omitempty"`
	Proof     ProofLevel `json:"proof"`
	Key       string     `json:"key"` // SHA256 fingerprint of the SSH key, or of the passkey's COSE_Key
	At        time.Time  `json:"at"`
}

// Digest is taken over statement and proof together, so that a grant names exactly this proof.
func (a Approval) Digest() (Digest, error) {
	return digestOf(struct {
		Statement []byte     `json:"statement"`
		Signature string     `json:"signature"`
		Passkey   *Assertion `json:"passkey,omitempty"`
	}{a.Statement, a.Signature, a.Passkey})
}

// ProofLevel says how strongly an approval is bound to a person, from A, the strongest, to D.
type ProofLevel string

const (
	ProofA ProofLevel = "A" // WebAuthn, user verified, device-bound, attested
	ProofB ProofLevel = "B" // WebAuthn, user verified
	ProofC ProofLevel = "C" // SSH signature by a hardware key, touch and PIN
	ProofD ProofLevel = "D" // plain SSH key: demo and --dev only
)

// Strength orders levels: A is 4, D is 1, anything else 0.
func (p ProofLevel) Strength() int {
	switch p {
	case ProofA:
		return 4
	case ProofB:
		return 3
	case ProofC:
		return 2
	case ProofD:
		return 1
	}
	return 0
}
