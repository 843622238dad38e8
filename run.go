package writ

import "time"

// Effect says what a call did to production. It is a value, not an error. Unknown is the zero value; it is never
// retried blindly and never called a success.
type Effect int

const (
	Unknown Effect = iota
	NotApplied
	Applied
)

// String returns unknown, not_applied or applied.
func (e Effect) String() string {
	switch e {
	case NotApplied:
		return "not_applied"
	case Applied:
		return "applied"
	}
	return "unknown"
}

// MarshalText writes the same word as String.
func (e Effect) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads any word but not_applied and applied as Unknown's own word, and refuses others.
func (e *Effect) UnmarshalText(b []byte) error {
	for _, v := range []Effect{Unknown, NotApplied, Applied} {
		if v.String() == string(b) {
			*e = v
			return nil
		}
	}
	return &Refusal{Code: ReasonForm, Detail: "an effect is unknown, not_applied or applied", Kind: ErrInvalid}
}

// A Run is the execution of one granted plan.
type Run struct {
	ID       RunID      `json:"id"`
	Plan     PlanID     `json:"plan"`
	Incident IncidentID `json:"incident"`
	Grant    GrantID    `json:"grant"`
	Runner   RunnerID   `json:"runner"`
	State    RunState   `json:"state"`
	Reason   Reason     `json:"reason,omitempty"`
	Detail   string     `json:"detail,omitempty"`
	Started  *time.Time `json:"started,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	Leases   []Lease    `json:"leases,omitempty"`
	Stop     bool       `json:"stop,omitempty"` // somebody asked it to stop at the next step boundary

	Settled []Settlement `json:"settled,omitempty"` // of an uncertain run: what people found out
}

// A Settlement is a person's word on what a step of an uncertain run did. The run stays uncertain: that it did not know
// is how it ended.
type Settlement struct {
	Step   string    `json:"step"` // key
	As     Effect    `json:"as"`   // applied: what the step was to change stands; not_applied: it does not
	By     Principal `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason,omitempty"` // people only
}

// RunState is closed.
type RunState string

const (
	RunGranted   RunState = "granted"   // waiting for its runner
	RunRunning   RunState = "running"   // the runner has spent the grant
	RunSucceeded RunState = "succeeded" // applied and verified
	RunUndone    RunState = "undone"    // did not help or was stopped; every applied step was undone
	RunFailed    RunState = "failed"    // ended with nothing applied
	RunRefused   RunState = "refused"   // the runner would not start it
	RunUncertain RunState = "uncertain" // what happened is not known, or could not be undone: a person must look
	RunExpired   RunState = "expired"   // the grant ran out before a runner took it
)

var runMoves = map[RunState][]RunState{
	RunGranted:   {RunRunning, RunRefused, RunExpired, RunFailed},
	RunRunning:   {RunSucceeded, RunUndone, RunFailed, RunUncertain, RunRefused},
	RunSucceeded: nil,
	RunUndone:    nil,
	RunFailed:    nil,
	RunRefused:   nil,
	RunUncertain: nil,
	RunExpired:   nil,
}

// Move checks that a run may go from s to next.
func (s RunState) Move(next RunState) error { return move(runMoves, s, next) }

// Final reports whether nothing follows s.
func (s RunState) Final() bool { next, ok := runMoves[s]; return ok && len(next) == 0 }

// A Lease is the credential on the target that exists for one run.
type Lease struct {
	ID           LeaseID    `json:"id"`
	Run          RunID      `json:"run"`
	Target       Location   `json:"target"`
	Tier         Tier       `json:"tier"`
	Name         string     `json:"name"` // on the target; never used again
	Rights       []string   `json:"rights"`
	MintedAt     time.Time  `json:"minted_at"`
	Expires      time.Time  `json:"expires"`
	RevokedAt    *time.Time `json:"revoked_at,omitempty"`
	PowerGone    *time.Time `json:"power_gone,omitempty"`    // first refusal for want of rights
	IdentityGone *time.Time `json:"identity_gone,omitempty"` // first refusal for want of an identity: dead
	NeverMinted  bool       `json:"never_minted,omitempty"`  // announced only: nothing was ever made under its name
}

// Dead reports whether the lease has been proven dead.
func (l Lease) Dead() bool { return l.PowerGone != nil && l.IdentityGone != nil }

// A Freeze stops new grants and steps for its scope, in flight too, until a person lifts it.
type Freeze struct {
	ID     FreezeID    `json:"id"`
	Scope  FreezeScope `json:"scope"`
	Value  string      `json:"value,omitempty"` // what is frozen; empty for all
	Named  string      `json:"named,omitempty"` // the name it was asked for by, when that is another: an agent's
	Reason string      `json:"reason"`
	By     Principal   `json:"by"`
	At     time.Time   `json:"at"`
}

// FreezeScope is closed.
type FreezeScope string

const (
	FreezeAll      FreezeScope = "all"
	FreezeAgent    FreezeScope = "agent"
	FreezeService  FreezeScope = "service"
	FreezePlaybook FreezeScope = "playbook"
	FreezeTarget   FreezeScope = "target"
)
