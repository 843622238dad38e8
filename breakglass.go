package writ

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ/internal/canon"
)

// Break-glass is a request for one of the emergency playbooks, by a person, for one incident and one plan. It is a flag of
// a request and no role: it holds no right before its grant, and nothing after its run but a review that is owed.

// Types of the two statements of break-glass, which are signed in namespaces of their own: neither can pass for an
// approval, nor for the other.
const (
	BreakGlassType = "https://writ.dev/breakglass/v1"
	OfflineType    = "https://writ.dev/breakglass-offline/v1"
)

// Bounds of break-glass. A quarter of an hour covers asking, one answer and one run; an hour lets people be woken and find
// their keys while the control plane is down; a review that waits for more than a day is not made any more.
const (
	MaxBreakGlassLife = 15 * time.Minute
	MaxOfflineLife    = time.Hour
	ReviewLife        = 24 * time.Hour
	DrillEvery        = 31 * 24 * time.Hour // what nobody has used for a month does not work when it is needed
)

// An Emergency marks a proposal and its plan as break-glass. It is part of both digests.
type Emergency struct {
	ID      BreakGlassID `json:"id"`
	Ask     Digest       `json:"ask,omitzero"`      // of the signed ask, statement and signature together; none offline
	Drill   bool         `json:"drill,omitempty"`   // an exercise
	Offline bool         `json:"offline,omitempty"` // made and run by a runner that was cut off from its control plane
}

// A BreakGlassStatement is what a person signs to ask for break-glass. It is canonical JSON; the signature covers its
// bytes. docs/spec/breakglass.md describes it.
type BreakGlassStatement struct {
	Type       string      `json:"_type"`
	Incident   IncidentID  `json:"txn,omitempty"` // none for a drill, which gets an incident of its own
	Service    string      `json:"service"`
	Playbook   PlaybookRef `json:"playbook"`
	Parameters Digest      `json:"parameters"` // of their canonical form
	Asker      Person      `json:"asker"`
	Drill      bool        `json:"drill"`
	Nonce      string      `json:"nonce"` // 128 random bits; a statement counts once
	NotBefore  time.Time   `json:"nbf"`
	Expires    time.Time   `json:"exp"`
}

// ParseBreakGlassStatement parses canonical bytes and checks the form.
func ParseBreakGlassStatement(b []byte) (BreakGlassStatement, error) {
	var s BreakGlassStatement
	if err := canon.Parse(b, &s); err != nil {
		return s, fmt.Errorf("break-glass statement: %w", err)
	}
	bad := func(what string) (BreakGlassStatement, error) {
		return BreakGlassStatement{}, fmt.Errorf("%w: break-glass statement: %s", ErrInvalid, what)
	}
	switch {
	case s.Type != BreakGlassType:
		return bad("_type must be " + BreakGlassType)
	case s.Drill != (s.Incident == ""):
		return bad("txn must name the incident, and is empty for a drill alone")
	case !IsName(s.Service):
		return bad("service must be a plain name")
	case !IsName(s.Playbook.Name) || s.Playbook.Version < 1 || s.Playbook.Digest.IsZero() || s.Parameters.IsZero():
		return bad("playbook and parameters must be present")
	case !s.Asker.Principal().Valid() || len(s.Nonce) < 22:
		return bad("asker and nonce must be present")
	case !s.NotBefore.Before(s.Expires) || s.Expires.Sub(s.NotBefore) > MaxBreakGlassLife:
		return bad("it must live longer than nothing and at most a quarter of an hour")
	}
	return s, nil
}

// Bytes returns the canonical form.
func (s BreakGlassStatement) Bytes() ([]byte, error) { return canon.Marshal(s) }

// Digest of parameters is taken over their canonical form; none are the empty object.
func (p Parameters) Digest() (Digest, error) {
	if p == nil {
		p = Parameters{}
	}
	return digestOf(p)
}

// A Signed is a statement with one proof over its bytes: an SSH signature (PROTOCOL.sshsig), or a passkey's assertion.
type Signed struct {
	Statement []byte     `json:"statement"`
	Signature string     `json:"signature"` // armored; empty when a passkey signed
	Passkey   *Assertion `json:"passkey,omitempty"`
}

// Digest is taken over statement and proof together.
func (s Signed) Digest() (Digest, error) { return digestOf(s) }

// An OfflineStatement is what each of k rostered people signs, the same bytes for all, so that a runner which is cut off
// runs one plan. The nonce is the plan's own: it names one plan in the journal of one runner.
type OfflineStatement struct {
	Type       string    `json:"_type"`
	Runner     RunnerID  `json:"runner"`
	Plan       PlanID    `json:"plan"`
	Nonce      string    `json:"nonce"`
	PlanDigest Digest    `json:"plan_digest"`
	Expires    time.Time `json:"exp"`
}

// ParseOfflineStatement parses canonical bytes and checks the form.
func ParseOfflineStatement(b []byte) (OfflineStatement, error) {
	var s OfflineStatement
	if err := canon.Parse(b, &s); err != nil {
		return s, fmt.Errorf("offline statement: %w", err)
	}
	switch {
	case s.Type != OfflineType:
		return OfflineStatement{}, fmt.Errorf("%w: offline statement: _type must be %s", ErrInvalid, OfflineType)
	case s.Runner == "" || s.Plan == "" || len(s.Nonce) < 22 || s.PlanDigest.IsZero() || s.Expires.IsZero():
		return OfflineStatement{}, fmt.Errorf("%w: offline statement: runner, plan, nonce, plan_digest and exp must be present", ErrInvalid)
	}
	return s, nil
}

// Bytes returns the canonical form.
func (s OfflineStatement) Bytes() ([]byte, error) { return canon.Marshal(s) }

// OfflineOf returns the statement that is signed for an offline plan. digest must be the one of the plan's bytes.
func OfflineOf(p Plan, digest Digest) OfflineStatement {
	return OfflineStatement{Type: OfflineType, Runner: p.Runner, Plan: p.ID, Nonce: p.Nonce, PlanDigest: digest, Expires: p.Window.NotAfter}
}

// BreakGlassState is closed.
type BreakGlassState string

const (
	BreakGlassAsked    BreakGlassState = "asked"    // its plan is being made, or waits for an answer
	BreakGlassUsed     BreakGlassState = "used"     // its grant was issued: a review is owed
	BreakGlassReviewed BreakGlassState = "reviewed" // somebody else has looked at it
	BreakGlassOver     BreakGlassState = "over"     // it ended without a grant, and nothing is owed
)

var breakGlassMoves = map[BreakGlassState][]BreakGlassState{
	BreakGlassAsked:    {BreakGlassUsed, BreakGlassOver},
	BreakGlassUsed:     {BreakGlassReviewed},
	BreakGlassReviewed: nil,
	BreakGlassOver:     nil,
}

// Move checks that a break-glass may go from s to next.
func (s BreakGlassState) Move(next BreakGlassState) error { return move(breakGlassMoves, s, next) }

// ReviewVerdict is closed.
type ReviewVerdict string

const (
	ReviewJustified    ReviewVerdict = "justified"
	ReviewNotJustified ReviewVerdict = "not_justified"
)

// A BreakGlass is one use of it, or one ask that came to nothing, as people see it.
type BreakGlass struct {
	ID            BreakGlassID      `json:"id"`
	State         BreakGlassState   `json:"state"`
	Incident      IncidentID        `json:"incident"`
	Service       string            `json:"service"`
	Team          string            `json:"team"`
	Playbook      PlaybookRef       `json:"playbook"`
	Asker         Principal         `json:"asker"` // the runner, when it was used offline: see Signers
	Signers       []Person          `json:"signers,omitempty"`
	Proof         ProofLevel        `json:"proof,omitempty"` // of the ask
	Justification string            `json:"justification,omitempty"`
	Drill         bool              `json:"drill,omitempty"`
	Offline       bool              `json:"offline,omitempty"`
	Plan          PlanID            `json:"plan"`
	PlanState     PlanState         `json:"plan_state,omitempty"`
	Run           RunID             `json:"run,omitempty"`
	RunState      RunState          `json:"run_state,omitempty"`
	AskedAt       time.Time         `json:"asked_at"`
	Expires       time.Time         `json:"expires"`
	ReviewDue     *time.Time        `json:"review_due,omitempty"`
	Overdue       bool              `json:"overdue,omitempty"` // the team's next ask is refused until it is reviewed
	Refusal       Reason            `json:"refusal,omitempty"` // the code with which a drill's second use was refused
	Passed        bool              `json:"passed,omitempty"`  // of a drill: one use, and one refusal
	Review        *BreakGlassReview `json:"review,omitempty"`
}

// A BreakGlassReview is a person's look back at one use.
type BreakGlassReview struct {
	By      Principal     `json:"by"`
	At      time.Time     `json:"at"`
	Verdict ReviewVerdict `json:"verdict"`
	Note    string        `json:"note,omitempty"`
}

// A BreakGlassAsk is an ask as it comes in.
type BreakGlassAsk struct {
	Statement     []byte       `json:"statement"`
	Signature     string       `json:"signature,omitempty"` // this or Passkey
	Passkey       *Assertion   `json:"passkey,omitempty"`
	Parameters    Parameters   `json:"parameters,omitempty"`
	Evidence      []EvidenceID `json:"evidence,omitempty"`
	Justification string       `json:"justification"` // stays off the ledger
}

// A BreakGlassGlance is what the status says of it.
type BreakGlassGlance struct {
	Open      int            `json:"open"`                // asked for, and not answered
	Owed      []BreakGlassID `json:"reviews_owed"`        // the first due first, at most 100
	Overdue   int            `json:"reviews_overdue"`     // of those
	LastDrill *time.Time     `json:"last_drill"`          // that passed; null for none
	DrillDue  *time.Time     `json:"drill_due"`           // null: there is no emergency playbook
	Late      bool           `json:"drill_late"`          // it is due already
	AskProof  ProofLevel     `json:"ask_proof,omitempty"` // what an ask needs: below B it was lowered by configuration
}
