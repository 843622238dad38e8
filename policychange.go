package writ

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ/internal/canon"
)

// A change of the policy set is itself a change of tier 3: its owners sign the set, and two people who did not propose it
// approve the exact bytes of a PolicyChange, which say what is put in force and what that was found to do.

// Types of the change and of the statement that answers it. A statement of this type is signed in a namespace of its own
// and can pass for no approval of a plan.
const (
	PolicyChangeType   = "https://writ.dev/policy-change/v1"
	PolicyApprovalType = "https://writ.dev/policy-approval/v1"
)

// Bounds of a change. A day lets people of two time zones read it; two people, since one could be the one who wrote it.
const (
	PolicyChangeLife      = 24 * time.Hour
	PolicyChangeApprovals = 2
	MaxPolicyRows         = 20 // examples of each kind that a change names: what a person reads before they answer
)

// PolicyChangeID names one proposed change of the policy set: "pch_" and a ULID.
type PolicyChangeID string

// ParsePolicyChangeID is the only way in from text.
func ParsePolicyChangeID(s string) (PolicyChangeID, error) {
	return parseID[PolicyChangeID](s, "pch")
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *PolicyChangeID) UnmarshalText(b []byte) error { return unmarshalID(id, b, "pch") }

// A PolicyName names one set: the version and manifest that its owners signed, and the digest that decisions name. A
// Version of 0 is a set that nobody signed.
type PolicyName struct {
	Version  int64  `json:"version"`
	Manifest Digest `json:"manifest,omitzero"`
	Policy   Digest `json:"policy"`
}

// A PolicyChange is what people approve: its canonical bytes have the digest that their statements name.
type PolicyChange struct {
	Type       string           `json:"_type"`
	ID         PolicyChangeID   `json:"change"`
	Proposer   Person           `json:"proposer"`
	Base       PolicyName       `json:"base"` // in force when it was proposed; once another is, the change is stale
	Next       PolicyName       `json:"next"`
	Restores   int64            `json:"restores,omitempty"` // the version whose files it puts back, byte for byte
	Signers    []string         `json:"signers"`            // key ids of the owners who signed it
	Files      []PolicyFile     `json:"files"`              // that differ, by path
	Rules      []PolicyRule     `json:"rules"`              // that differ, by id
	Tests      PolicyTests      `json:"tests"`
	Search     PolicySearch     `json:"search"`
	Simulation PolicySimulation `json:"simulation"`
	Needs      PolicyNeeds      `json:"needs"`
	MadeAt     time.Time        `json:"made_at"`
	NotAfter   time.Time        `json:"not_after"` // unanswered until then means no
}

// PolicyEdit is closed: what becomes of a file or rule.
type PolicyEdit string

const (
	PolicyAdded   PolicyEdit = "added"
	PolicyRemoved PolicyEdit = "removed"
	PolicyChanged PolicyEdit = "changed"
)

// A PolicyFile is one source that differs.
type PolicyFile struct {
	Path string     `json:"path"`
	Edit PolicyEdit `json:"edit"`
	Was  Digest     `json:"was,omitzero"`
	Is   Digest     `json:"is,omitzero"`
}

// A PolicyRule is one rule that differs.
type PolicyRule struct {
	ID   string     `json:"id"`
	Edit PolicyEdit `json:"edit"`
}

// PolicyTests are the set's own, all of which came out as wanted: a set of which one did not, or of which a limit or
// requirement decides in none alone, is not proposed.
type PolicyTests struct {
	Cases int `json:"cases"`
	Rules int `json:"rules"` // each of them covered
}

// A PolicySearch is what a search around the values of both sets found. It found examples and proves nothing.
type PolicySearch struct {
	Tried int              `json:"tried"`
	Found []PolicyDiffered `json:"found,omitempty"` // the dangerous first, at most MaxPolicyRows
	Left  int              `json:"left,omitempty"`  // kinds beyond those
}

// PolicyDiffered is one kind of difference, with an example.
type PolicyDiffered struct {
	Kind   string   `json:"kind"`
	Wider  bool     `json:"wider,omitempty"` // it permits more
	Count  int      `json:"count"`
	Rules  []string `json:"rules,omitempty"`
	Before string   `json:"before"`
	After  string   `json:"after"`
}

// A PolicySimulation is what the next set would have said to recorded decisions, each by itself.
type PolicySimulation struct {
	Decisions int             `json:"decisions"`
	Skipped   int             `json:"skipped,omitempty"`
	Counts    map[string]int  `json:"counts,omitempty"` // by kind
	Wider     bool            `json:"wider,omitempty"`  // a recorded decision would have permitted more
	Rows      []PolicyReplays `json:"rows,omitempty"`   // the dangerous first, at most MaxPolicyRows
	Left      int             `json:"left,omitempty"`   // that changed beyond those
	Entries   int64           `json:"entries"`          // of the ledger, when it was made
}

// PolicyReplays is one recorded decision that comes out differently.
type PolicyReplays struct {
	Kind     string     `json:"kind"`
	Decision DecisionID `json:"decision"`
	Playbook string     `json:"playbook"`
	Service  string     `json:"service"`
	Before   string     `json:"before"`
	After    string     `json:"after"`
}

// PolicyNeeds is who must approve: distinct people of the group, none of them the proposer, each with this proof or better.
type PolicyNeeds struct {
	Group     string     `json:"group"`
	Approvals int        `json:"approvals"`
	Proof     ProofLevel `json:"proof"`
}

// Bytes returns the canonical form.
func (c PolicyChange) Bytes() ([]byte, error) { return canon.Marshal(c) }

// ParsePolicyChange parses canonical bytes, checks the form, and returns their digest.
func ParsePolicyChange(b []byte) (PolicyChange, Digest, error) {
	var c PolicyChange
	if err := canon.Parse(b, &c); err != nil {
		return c, Digest{}, fmt.Errorf("policy change: %w", err)
	}
	bad := func(what string) (PolicyChange, Digest, error) {
		return PolicyChange{}, Digest{}, fmt.Errorf("%w: policy change: %s", ErrInvalid, what)
	}
	switch {
	case c.Type != PolicyChangeType:
		return bad("_type must be " + PolicyChangeType)
	case c.ID == "" || !c.Proposer.Principal().Valid():
		return bad("change and proposer must be present")
	case c.Next.Version < 1 || c.Next.Manifest.IsZero() || c.Next.Policy.IsZero() || c.Next.Version <= c.Base.Version:
		return bad("next must be a signed set of a version above base")
	case c.Needs.Approvals < PolicyChangeApprovals || !IsName(c.Needs.Group) || c.Needs.Proof.Strength() == 0:
		return bad("needs must name a group, a proof and two people or more")
	case !c.MadeAt.Before(c.NotAfter) || c.NotAfter.Sub(c.MadeAt) > PolicyChangeLife:
		return bad("it must wait longer than nothing and at most a day")
	}
	return c, DigestOf(b), nil
}

// A PolicyApprovalStatement is what a person signs to answer a change: its exact bytes, the set that it puts in force and
// the one that it follows. It is canonical JSON; the proof covers its bytes.
type PolicyApprovalStatement struct {
	Type      string         `json:"_type"`
	Answer    Answer         `json:"decision"`
	Change    PolicyChangeID `json:"plan"`
	Digest    Digest         `json:"plan_digest"` // of the change's bytes
	Manifest  Digest         `json:"manifest"`    // of the set that it puts in force
	Base      Digest         `json:"policy_digest"`
	Approver  Person         `json:"approver"`
	Nonce     string         `json:"nonce"` // 128 random bits; a statement counts once
	NotBefore time.Time      `json:"nbf"`
	Expires   time.Time      `json:"exp"`
}

// ParsePolicyApprovalStatement parses canonical bytes and checks the form.
func ParsePolicyApprovalStatement(b []byte) (PolicyApprovalStatement, error) {
	var s PolicyApprovalStatement
	if err := canon.Parse(b, &s); err != nil {
		return s, fmt.Errorf("policy approval: %w", err)
	}
	bad := func(what string) (PolicyApprovalStatement, error) {
		return PolicyApprovalStatement{}, fmt.Errorf("%w: policy approval: %s", ErrInvalid, what)
	}
	switch {
	case s.Type != PolicyApprovalType:
		return bad("_type must be " + PolicyApprovalType)
	case s.Answer != Approve && s.Answer != Reject:
		return bad("decision is approve or reject")
	case s.Change == "" || s.Digest.IsZero() || s.Manifest.IsZero() || s.Base.IsZero():
		return bad("plan and the three digests must be present")
	case !s.Approver.Principal().Valid() || len(s.Nonce) < 22:
		return bad("approver and nonce must be present")
	case !s.NotBefore.Before(s.Expires) || s.Expires.Sub(s.NotBefore) > PolicyChangeLife:
		return bad("it must live longer than nothing and at most a day")
	}
	return s, nil
}

// Bytes returns the canonical form.
func (s PolicyApprovalStatement) Bytes() ([]byte, error) { return canon.Marshal(s) }

// PolicyChangeState is closed.
type PolicyChangeState string

const (
	PolicyWaiting   PolicyChangeState = "waiting"   // for people
	PolicyInForce   PolicyChangeState = "in_force"  // the last approval put the set in force; a later one may have followed
	PolicyRejected  PolicyChangeState = "rejected"  // a person said no
	PolicyWithdrawn PolicyChangeState = "withdrawn" // taken back
	PolicyExpired   PolicyChangeState = "expired"   // nobody answered in time, which means no
	PolicyStale     PolicyChangeState = "stale"     // another set came into force meanwhile
)

var policyMoves = map[PolicyChangeState][]PolicyChangeState{
	PolicyWaiting:   {PolicyInForce, PolicyRejected, PolicyWithdrawn, PolicyExpired, PolicyStale},
	PolicyInForce:   nil,
	PolicyRejected:  nil,
	PolicyWithdrawn: nil,
	PolicyExpired:   nil,
	PolicyStale:     nil,
}

// Move checks that a change may go from s to next.
func (s PolicyChangeState) Move(next PolicyChangeState) error { return move(policyMoves, s, next) }

// PolicyFiles are the sources of a set by path, and its owners' signatures on them.
type PolicyFiles struct {
	Files     map[string][]byte `json:"files"`
	Signature []byte            `json:"signature"`
}

// A PolicyChangeStatus is a change as people see it.
type PolicyChangeStatus struct {
	ID      PolicyChangeID    `json:"id"`
	State   PolicyChangeState `json:"state"`
	Reason  Reason            `json:"reason,omitempty"`
	Detail  string            `json:"detail,omitempty"`
	Digest  Digest            `json:"digest"` // of Bytes
	Bytes   []byte            `json:"bytes"`  // canonical; what statements are about
	Change  PolicyChange      `json:"content"`
	Because string            `json:"because,omitempty"` // the proposer's words; stay off the ledger
	Answers []PolicyAnswer    `json:"answers,omitempty"`
	Ended   *time.Time        `json:"ended,omitempty"`
}

// A PolicyAnswer is one person's word on a change.
type PolicyAnswer struct {
	Approver Person     `json:"approver"`
	Answer   Answer     `json:"answer"`
	Proof    ProofLevel `json:"proof"`
	Key      string     `json:"key"`
	At       time.Time  `json:"at"`
}

// A PolicySet is one set that was in force, or is.
type PolicySet struct {
	PolicyName
	PolicyFiles
	Change PolicyChangeID `json:"change,omitempty"` // that put it in force; none for the first one
	Since  time.Time      `json:"since"`
}
