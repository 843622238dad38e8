package writ

import (
	"fmt"
	"time"
)

// An Observation is one fact of a reading: a number or a word, computed by the connector from what it read.
// Numbers that are shares are permille.
type Observation map[string]Value

// A Query asks a connector's reader for one observation of one target. It can write nothing.
type Query struct {
	Reader OperationName `json:"reader"`         // for example kubernetes/workload.status
	Target Location      `json:"target"`         // plane and target, without a path
	With   Parameters    `json:"with,omitempty"` // typed by the reader's own schema
}

// Evidence is an observation that Writ itself read. Its bytes are off the ledger, redacted, behind a salted
// commitment.
type Evidence struct {
	ID         EvidenceID  `json:"id"`
	Incident   IncidentID  `json:"incident"`
	AskedBy    Principal   `json:"asked_by"`
	Reader     RunnerID    `json:"reader,omitempty"` // the runner that read it; none when it came through an upstream
	Query      Query       `json:"query"`
	Source     string      `json:"source"` // what answered, as the connector names it
	At         time.Time   `json:"at"`
	Commitment Commitment  `json:"commitment,omitzero"`
	Size       int         `json:"size"`                      // bytes after redaction
	Truncated  bool        `json:"truncated"`                 // the reader's limit cut it
	Writable   bool        `json:"writable"`                  // parts of it can be written by those who use or attack the service
	Fields     []string    `json:"writable_fields,omitempty"` // only these can be, with all below them; none means any part of it
	Facts      Observation `json:"facts,omitempty"`
	Redacted   int         `json:"redacted"`            // how many secrets were removed
	KeptUntil  time.Time   `json:"kept_until,omitzero"` // then its bytes and salt are erased, unless its incident is still open
	Erased     time.Time   `json:"erased,omitzero"`     // its bytes are gone; what it commits to, its facts and its entry stay
}

// EvidenceRef is how a plan cites evidence.
type EvidenceRef struct {
	ID         EvidenceID `json:"id"`
	Commitment Commitment `json:"commitment"`
	At         time.Time  `json:"at"`
}

// MaxClaimLife is how old the reading of a plan's claims and guards may be when its grant is issued: as long as a runner may
// take to resolve a plan, so that a plan nobody has to approve rests on the readings that it was made from. Owners can want it
// shorter, but not than MinClaimLife, below which a reading would be too old when its answer is there.
const (
	MaxClaimLife = 60 * time.Second
	MinClaimLife = 2 * time.Second
)

// Condition is a typed predicate over one observation: a guard before a run, a post-check after it, or a claim.
type Condition struct {
	Name          string        `json:"name"` // unique in its playbook
	Reader        OperationName `json:"reader"`
	With          Parameters    `json:"with,omitempty"`
	Fact          string        `json:"fact"`
	Op            Comparison    `json:"op"`
	Value         Value         `json:"value"`
	WithinSeconds int           `json:"within_seconds,omitempty"` // post-checks poll this long; 0 reads once
}

// Comparison is a closed set of predicates.
type Comparison string

const (
	Equals    Comparison = "equals"
	NotEquals Comparison = "not_equals"
	AtLeast   Comparison = "at_least"
	AtMost    Comparison = "at_most"
)

// Holds reports whether the observation satisfies the condition. A missing fact, or a type that the comparison does
// not fit, does not hold.
func (c Condition) Holds(o Observation) bool {
	got, ok := o[c.Fact]
	if !ok || got.IsZero() || got.kind != c.Value.kind {
		return false
	}
	switch c.Op {
	case Equals:
		return got == c.Value
	case NotEquals:
		return got != c.Value
	case AtLeast:
		return got.kind == 'i' && got.i >= c.Value.i
	case AtMost:
		return got.kind == 'i' && got.i <= c.Value.i
	}
	return false
}

// Contradicted says in one sentence what a reading shows instead of what the condition claims.
func (c Condition) Contradicted(o Observation) string {
	return fmt.Sprintf("claim %s: %s is %s; %s %s is demanded", Printable(c.Name, 60), Printable(c.Fact, 60), o[c.Fact], c.Op, c.Value)
}
