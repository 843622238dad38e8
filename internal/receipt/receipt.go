// Package receipt is what a runner says about a run once it has ended: an in-toto Statement (v1) about the plan that was
// carried out, in a DSSE envelope signed with the runner's own key. Whoever has that key's public half can check a receipt
// with any implementation of the two formats; nothing of Writ is needed. docs/spec/receipt.md describes it. The package is
// pure.
package receipt

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
)

// The types of the formats that a receipt is made of.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://writ.dev/receipt/v1"
	PayloadType   = "application/vnd.in-toto+json"
)

// BlobAfter is the name under which a step's After commits to the object as the call left it.
const BlobAfter = "after"

// A Statement is the payload of a receipt's envelope.
type Statement struct {
	Type          string    `json:"_type"`
	Subject       []Subject `json:"subject"` // exactly one: the plan
	PredicateType string    `json:"predicateType"`
	Predicate     Receipt   `json:"predicate"`
}

// A Subject names an artifact by its digest, in in-toto's form: hexadecimal, without a prefix.
type Subject struct {
	Name   string    `json:"name"`
	Digest DigestSet `json:"digest"`
}

// A DigestSet is in-toto's DigestSet with the one algorithm that Writ uses.
type DigestSet struct {
	SHA256 string `json:"sha256"`
}

// A Receipt tells what was authorised and what became of it. Everything in it is a name, a number, a digest or a code.
type Receipt struct {
	Runner    writ.RunnerID   `json:"runner"`
	Instance  string          `json:"instance"` // of the runner's journal: receipts of one instance are one chain
	Seq       int64           `json:"seq"`      // place in it, from 1
	Previous  writ.Digest     `json:"previous,omitzero"`
	Log       string          `json:"log"` // origin of the ledger
	Incident  writ.IncidentID `json:"incident"`
	Run       writ.RunID      `json:"run"`
	Plan      writ.PlanID     `json:"plan"`
	Authority Authority       `json:"authority"`
	Started   time.Time       `json:"started"` // by the runner's clock
	Ended     time.Time       `json:"ended"`
	State     writ.RunState   `json:"state"`
	Reason    writ.Reason     `json:"reason,omitempty"`
	Outcome   writ.Effect     `json:"outcome"` // of the whole run: what it may have changed stands, does not, or that is not known
	Agrees    Agreement       `json:"agrees"`  // whether what was done is what was authorised
	Undo      writ.RunID      `json:"undo,omitempty"`
	Steps     []Step          `json:"steps,omitempty"`
}

// Authority is what the run rested on.
type Authority struct {
	Grant     writ.GrantID    `json:"grant"` // jti
	Entry     writ.Digest     `json:"entry"` // leaf of the grant in the ledger
	Decision  writ.DecisionID `json:"decision"`
	Policy    writ.Digest     `json:"policy"`
	Approvals []writ.Digest   `json:"approvals,omitempty"`
	Duties    writ.Duties     `json:"duties,omitzero"`
}

// A Step is one call of the plan.
type Step struct {
	Step      string             `json:"step"`
	Operation writ.OperationName `json:"operation"`
	Object    writ.Location      `json:"object"`
	Call      writ.Digest        `json:"call"`            // of the canonical form of the plan's call
	Before    writ.Commitment    `json:"before,omitzero"` // to the object as it was; the plan's own
	After     writ.Commitment    `json:"after,omitzero"`  // to the object as the call left it, under the same salt
	Sent      writ.Commitment    `json:"sent,omitzero"`   // to the bytes that were sent; equals the call's body
	Begun     bool               `json:"begun"`           // its intent was in the ledger
	Outcome   writ.Effect        `json:"outcome"`
	Reason    writ.Reason        `json:"reason,omitempty"`
	Undone    *Undone            `json:"undone,omitempty"` // nil when no undo was begun
}

// Undone is what the undo of a step did.
type Undone struct {
	Outcome  writ.Effect `json:"outcome"`
	Restored bool        `json:"restored"`
}

// Agreement compares what was done with what was authorised. The zero Agreement is none.
type Agreement string

// The agreements.
const (
	Agrees    Agreement = "yes"
	Differs   Agreement = "no"
	CannotSay Agreement = "unknown" // the outcome of a call is not known
)

// New returns the statement about a plan with that digest.
func New(plan writ.Digest, r Receipt) Statement {
	return Statement{
		Type: StatementType, PredicateType: PredicateType, Predicate: r,
		Subject: []Subject{{string(r.Plan), DigestSet{hex.EncodeToString(plan.Bytes())}}},
	}
}

// CallDigest is the digest of a call's canonical form, by which a receipt names it.
func CallDigest(c writ.Call) (writ.Digest, error) {
	b, err := canon.Marshal(c)
	if err != nil {
		return writ.Digest{}, fmt.Errorf("call: %w", err)
	}
	return writ.DigestOf(b), nil
}

// Seal signs a statement. The digest of the result is what the next receipt names as Previous.
func Seal(s Statement, by ledger.Author) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	b, err := canon.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("receipt: %w", err)
	}
	return ledger.SealEnvelope(PayloadType, b, by)
}

// Open verifies an envelope under the key that lookup returns for its key id, and parses it strictly. Errors wrap
// writ.ErrInvalid.
func Open(envelope []byte, lookup ledger.Lookup) (Statement, error) {
	e, err := ledger.OpenEnvelope(envelope, PayloadType)
	if err != nil {
		return Statement{}, err
	}
	if err := e.Verify(lookup); err != nil {
		return Statement{}, err
	}
	return parse(e.Payload)
}

// Read parses an envelope without verifying who signed it: to show it, never to rest anything on it.
func Read(envelope []byte) (Statement, error) {
	e, err := ledger.OpenEnvelope(envelope, PayloadType)
	if err != nil {
		return Statement{}, err
	}
	return parse(e.Payload)
}

func parse(payload []byte) (Statement, error) {
	var s Statement
	if err := canon.Parse(payload, &s); err != nil {
		return Statement{}, fmt.Errorf("%w: receipt: %w", writ.ErrInvalid, err)
	}
	return s, s.check()
}

// PlanDigest returns the digest of the plan that the statement is about.
func (s Statement) PlanDigest() writ.Digest {
	if len(s.Subject) != 1 {
		return writ.Digest{}
	}
	d, err := writ.ParseDigest("sha256:" + s.Subject[0].Digest.SHA256)
	if err != nil {
		return writ.Digest{}
	}
	return d
}

func (s Statement) check() error {
	r := s.Predicate
	switch {
	case s.Type != StatementType || s.PredicateType != PredicateType:
		return bad("it must be a %s with a %s", StatementType, PredicateType)
	case s.PlanDigest().IsZero() || s.Subject[0].Name != string(r.Plan) || r.Plan == "":
		return bad("its subject must be the one plan, by id and digest")
	case r.Runner == "" || r.Instance == "" || r.Seq < 1 || r.Previous.IsZero() != (r.Seq == 1):
		return bad("it must name its runner and its place in the chain, and the receipt before it")
	case r.Run == "" || r.Incident == "" || r.Log == "" || r.Authority.Grant == "" || r.Authority.Entry.IsZero():
		return bad("it must name log, incident, run and grant")
	case !r.State.Final():
		return bad("the run must have ended")
	case r.Agrees != Agrees && r.Agrees != Differs && r.Agrees != CannotSay:
		return bad("agrees must be yes, no or unknown")
	case len(r.Steps) > writ.MaxSteps:
		return bad("more than %d steps", writ.MaxSteps)
	case r.Outcome != r.outcome():
		return bad("its outcome must be what its steps add up to")
	}
	return nil
}

// outcome is what the steps add up to: unknown before applied before not applied.
func (r Receipt) outcome() writ.Effect {
	out := writ.NotApplied
	for _, s := range r.Steps {
		switch {
		case s.Begun && s.Outcome == writ.Unknown, s.Undone != nil && s.Undone.Outcome == writ.Unknown:
			return writ.Unknown
		case s.Outcome == writ.Applied && !(s.Undone != nil && s.Undone.Restored):
			out = writ.Applied
		}
	}
	return out
}

// Conclude fills in what follows from the steps: the outcome, whether it agrees with what was authorised, and by which
// run's id it can be put back. sent must be the commitments of the plan's calls, step by step; reversible says that the
// plan has an undo.
func (r *Receipt) Conclude(sent []writ.Commitment, reversible bool) {
	r.Outcome, r.Agrees, r.Undo = r.outcome(), Agrees, ""
	for i, s := range r.Steps {
		if s.Outcome == writ.Applied && !s.Sent.IsZero() && (i >= len(sent) || !s.Sent.Equal(sent[i])) {
			r.Agrees = Differs
			break
		}
		if s.Begun && s.Outcome == writ.Unknown {
			r.Agrees = CannotSay
		}
	}
	if r.Outcome == writ.Applied && reversible {
		r.Undo = r.Run
	}
}

// Key is a lookup of one key.
func Key(pub ed25519.PublicKey) ledger.Lookup {
	return func(id string) ed25519.PublicKey {
		if id == ledger.KeyID(pub) {
			return pub
		}
		return nil
	}
}

func bad(format string, a ...any) error {
	return fmt.Errorf("%w: receipt: %s", writ.ErrInvalid, fmt.Sprintf(format, a...))
}
