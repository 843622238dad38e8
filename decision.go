package writ

import (
	"encoding/json"
	"time"
)

// A Decision is the policy's answer on a plan, or on one step of it, with the rules that decided and the facts they
// saw. A caller that looks only at Allowed takes "requires" for a no. Advice, which is about no plan, has no id, plan or phase.
type Decision struct {
	ID           DecisionID      `json:"id,omitempty"`
	Plan         PlanID          `json:"plan,omitempty"`
	PlanDigest   Digest          `json:"plan_digest,omitzero"`
	Phase        Phase           `json:"phase,omitempty"`
	Step         string          `json:"step,omitempty"` // the step's key, when Phase is step
	Verdict      Verdict         `json:"verdict"`
	Reason       Reason          `json:"reason"`             // a stable code
	Policies     []string        `json:"policies,omitempty"` // ids of the rules that decided, sorted
	Because      []string        `json:"because,omitempty"`  // their sentences for people
	Requirements Requirements    `json:"requirements,omitzero"`
	Tier         Tier            `json:"tier,omitzero"`          // that the rules saw
	TierBecause  []string        `json:"tier_because,omitempty"` // why it is not lower, beyond the playbook's own and its operations'
	Duties       Duties          `json:"duties,omitzero"`        // that the grant carries
	Errors       []string        `json:"errors,omitempty"`       // ids of rules that failed; never empty when Reason is policy_error
	Facts        json.RawMessage `json:"facts"`                  // canonical JSON of what the rules saw
	Policy       Digest          `json:"policy"`                 // of the bundle
	Engine       string          `json:"engine"`
	At           time.Time       `json:"at"`
	Observed     bool            `json:"observed,omitempty"` // the playbook is observed only: this is what would have been, and nothing runs
}

// Allowed reports a plain allow. What is observed only is never allowed.
func (d Decision) Allowed() bool { return d.Verdict == Allow && !d.Observed }

// Verdict is closed; the zero Verdict is no verdict and allows nothing.
type Verdict string

const (
	Deny     Verdict = "deny"
	Allow    Verdict = "allow"
	Requires Verdict = "requires" // allowed once the requirements are met; executes nothing by itself
)

// Rank orders verdicts from allow (0) to deny (2). What is no verdict counts as deny.
func (v Verdict) Rank() int {
	switch v {
	case Allow:
		return 0
	case Requires:
		return 1
	}
	return 2
}

// Phase says when a decision was taken. Each is taken anew on the facts of its moment.
type Phase string

const (
	PhasePlan  Phase = "plan"  // when the plan was made
	PhaseGrant Phase = "grant" // inside the transaction that issues the grant
	PhaseStep  Phase = "step"  // when the runner asks to start one step
)

// Requirements say what must be true before a plan may run. They are joined over all rules that ask: the highest
// count per group, every group, the strongest proof, the smallest caps.
type Requirements struct {
	Approvals   map[string]int `json:"approvals,omitempty"` // group -> distinct people
	Proof       ProofLevel     `json:"proof,omitempty"`
	MaxTTL      int            `json:"max_ttl_seconds,omitempty"`
	MaxPermille int            `json:"max_permille,omitempty"`
	MaxObjects  int            `json:"max_objects,omitempty"`
}

// IsZero reports whether nothing is required.
func (r Requirements) IsZero() bool {
	return len(r.Approvals) == 0 && r.Proof == "" && r.MaxTTL == 0 && r.MaxPermille == 0 && r.MaxObjects == 0
}
