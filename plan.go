package writ

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ/internal/canon"
)

// A Plan is a proposal resolved against live state by the runner that will execute it: the exact calls, each
// object's identity, the diff, the inverse and the blast radius, together with everything that the decision and the
// approvals rest on. Its canonical bytes are made once; the plan digest is the SHA-256 of those bytes.
//
// Bodies of calls and pre-images never leave the runner: the plan carries salted commitments to them, and the
// runner's journal holds the bytes. See docs/spec/plan.md.
type Plan struct {
	V              int           `json:"v"`
	ID             PlanID        `json:"id"`
	Incident       IncidentID    `json:"incident"`
	Proposal       ProposalID    `json:"proposal"`
	ProposalDigest Digest        `json:"proposal_digest"`
	Requester      Principal     `json:"requester"`
	Lineage        []Principal   `json:"lineage,omitempty"` // the agents that passed the incident on to the requester, the first first
	Runner         RunnerID      `json:"runner"`
	Target         Location      `json:"target"`
	Service        string        `json:"service"`
	Environment    string        `json:"environment"`
	Playbook       PlaybookRef   `json:"playbook"`
	Parameters     Parameters    `json:"parameters,omitempty"`
	Tier           Tier          `json:"tier"` // the highest of playbook and steps, by the runner's own catalogue
	Title          string        `json:"title"`
	Evidence       []EvidenceRef `json:"evidence,omitempty"`
	Policy         Digest        `json:"policy"` // of the bundle it was asked under
	Window         Window        `json:"window"`
	Budget         Budget        `json:"budget"`
	Holder         string        `json:"holder"`            // RFC 7638 thumbprint of the key that must present the grant
	Observe        []Condition   `json:"observe,omitempty"` // what the cited evidence must show, and must still show right before the grant
	Guards         []Condition   `json:"guards,omitempty"`
	Steps          []Step        `json:"steps"`
	Verify         []Condition   `json:"verify"`
	Undo           UndoMode      `json:"undo"`
	Reverts        RunID         `json:"reverts,omitempty"`   // the run that it puts back
	Emergency      *Emergency    `json:"emergency,omitempty"` // it is break-glass
	Blast          Blast         `json:"blast"`
	Nonce          string        `json:"nonce"` // 128 random bits, so that two plans never share a digest
	MadeAt         time.Time     `json:"made_at"`
}

// A Window bounds when a plan may start. After NotAfter it is denied.
type Window struct {
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
}

// Contains reports whether t lies within the window.
func (w Window) Contains(t time.Time) bool { return !t.Before(w.NotBefore) && t.Before(w.NotAfter) }

// A Budget is the blast radius that a plan may use at most; it is reserved before the grant.
type Budget struct {
	MaxObjects  int `json:"max_objects"`
	MaxPermille int `json:"max_permille"` // of the ready capacity of the service
}

// Blast is a blast radius computed from live inventory.
type Blast struct {
	Objects  int  `json:"objects"`  // objects written
	Replicas int  `json:"replicas"` // running units affected
	Permille int  `json:"permille"` // share of the service's ready capacity that may be unavailable at once
	Cluster  bool `json:"cluster"`  // reaches beyond one service, such as a node
}

// UndoMode says what happens when verification fails.
type UndoMode string

const (
	UndoInverse UndoMode = "inverse" // run the inverse of each applied step, last first
	UndoNone    UndoMode = "none"    // declared to have no undo; never T1
)

// A Step is one typed operation of a plan: exactly one call on one object.
type Step struct {
	Key            string        `json:"key"` // idempotency key, unique for ever: <plan id>.<number from 1>
	Operation      OperationName `json:"operation"`
	With           Parameters    `json:"with,omitempty"`
	Tier           Tier          `json:"tier"`
	Title          string        `json:"title"` // verb, object, place; made by the connector from typed fields
	Object         Object        `json:"object"`
	Call           Call          `json:"call"`
	Diff           []Change      `json:"diff,omitempty"`
	Inverse        Inverse       `json:"inverse"`
	Blast          Blast         `json:"blast"`
	Owner          Location      `json:"owner,omitempty"` // the workload that the object is a part of; one writer at a time has both
	Units          []Units       `json:"units,omitempty"` // what runs where the step acts; absent when the target does not tell
	TimeoutSeconds int           `json:"timeout_seconds"`
	Reverts        string        `json:"reverts,omitempty"` // key of the step whose pre-image it puts back
}

// Units are the running units of one workload that a step touches, counted live when the plan was made. A step may
// take Down of those that are Ready away at once, and Floor of them must be left.
type Units struct {
	Workload Location    `json:"workload"` // it need not belong to the plan's service: a node has pods of many
	Wanted   int         `json:"wanted"`
	Ready    int         `json:"ready"`
	Down     int         `json:"down"`
	Floor    int         `json:"floor"`
	By       FloorSource `json:"by"`
}

// FloorSource says what sets a floor; closed.
type FloorSource string

const (
	FloorBudget   FloorSource = "budget"   // what its owners declared: a PodDisruptionBudget, a minimum of the service
	FloorStrategy FloorSource = "strategy" // how the workload replaces its own units
	FloorDefault  FloorSource = "default"  // neither: one unit at a time
)

// An Object is what a step writes, as it was when the plan was made.
type Object struct {
	Location Location `json:"location"`
	UID      string   `json:"uid"`     // survives a rename, not a re-creation
	Version  string   `json:"version"` // resourceVersion or ETag
}

// A Call is the exact request of a step. Path and Query are as sent; the body is committed to, not shown.
type Call struct {
	Method      string     `json:"method"`
	Path        string     `json:"path"`
	Query       string     `json:"query,omitempty"`
	ContentType string     `json:"content_type,omitempty"`
	Body        Commitment `json:"body,omitzero"`
}

// A Change is one line of a diff, with secrets redacted and control characters escaped.
type Change struct {
	Path   string `json:"path"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// InverseKind says how a step is undone.
type InverseKind string

const (
	InverseReplace   InverseKind = "replace"   // put the whole pre-image back
	InverseCall      InverseKind = "call"      // one call that restores the pre-image
	InverseRecreated InverseKind = "recreated" // a controller makes the object again; proved by a conformance test
	InverseNone      InverseKind = "none"
)

// An Inverse is captured with the forward step and approved with it.
type Inverse struct {
	Kind     InverseKind `json:"kind"`
	Title    string      `json:"title"`
	Preimage Commitment  `json:"preimage,omitzero"`
}

// ParsePlan parses canonical plan bytes, checks the form and returns the plan with the digest of the bytes.
func ParsePlan(b []byte) (Plan, Digest, error) {
	var p Plan
	if err := canon.Parse(b, &p); err != nil {
		return Plan{}, Digest{}, fmt.Errorf("plan: %w", err)
	}
	if err := p.Check(); err != nil {
		return Plan{}, Digest{}, err
	}
	return p, DigestOf(b), nil
}

// Bytes returns the canonical form, checked.
func (p Plan) Bytes() ([]byte, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	return canon.Marshal(p)
}

// Limits of a plan. A repair is one change that a person can read at 3 am; a longer one is several plans.
const (
	MaxSteps      = 20
	MaxConditions = 20
	MaxChanges    = 500
	MaxUnits      = 250 // workloads with pods on one node: Kubernetes puts at most 110 pods on one unless told otherwise
	MaxPlanBytes  = 256 << 10
)

// Check refuses a plan whose form is incomplete or contradicts itself.
func (p Plan) Check() error {
	bad := func(what string) error { return fmt.Errorf("%w: plan %s: %s", ErrInvalid, p.ID, what) }
	switch {
	case p.V != FormatVersion:
		return bad("v must be 1")
	case !p.Requester.Valid():
		return bad("requester is incomplete")
	case p.Playbook.Name == "" || p.Playbook.Version < 1 || p.Playbook.Digest.IsZero():
		return bad("playbook is incomplete")
	case p.Policy.IsZero() || p.ProposalDigest.IsZero():
		return bad("policy and proposal_digest must be present")
	case p.Service == "" || p.Environment == "" || p.Title == "" || p.Holder == "" || len(p.Nonce) < 22:
		return bad("service, environment, title, holder and nonce must be present")
	case !p.Window.NotBefore.Before(p.Window.NotAfter):
		return bad("the window is empty")
	case len(p.Steps) == 0 || len(p.Steps) > MaxSteps:
		return bad(fmt.Sprintf("it has %d steps; 1 to %d are allowed", len(p.Steps), MaxSteps))
	case len(p.Observe) > MaxConditions || len(p.Guards) > MaxConditions || len(p.Verify) > MaxConditions:
		return bad(fmt.Sprintf("more than %d claims, guards or checks", MaxConditions))
	case len(p.Verify) == 0:
		return bad("nothing verifies its effect")
	case p.Undo != UndoInverse && p.Undo != UndoNone:
		return bad("undo is inverse or none")
	case p.Emergency != nil && (p.Emergency.ID == "" || p.Emergency.Ask.IsZero() != p.Emergency.Offline || p.Reverts != ""):
		return bad("emergency names its id, and the signed ask unless it is offline; an undo is none")
	case !p.Tier.Valid() || p.Tier == T0:
		return bad("a plan that writes is T1 to T4")
	}
	for i, s := range p.Steps {
		if err := p.checkStep(i, s); err != nil {
			return bad(err.Error())
		}
	}
	return nil
}

func (p Plan) checkStep(i int, s Step) error {
	switch {
	case s.Key != fmt.Sprintf("%s.%d", p.ID, i+1):
		return fmt.Errorf("step %d has the key %q", i+1, s.Key)
	case s.Tier > p.Tier:
		return fmt.Errorf("step %d is %s in a plan of %s", i+1, s.Tier, p.Tier)
	case !s.Object.Location.Within(p.Target):
		return fmt.Errorf("step %d writes outside %s", i+1, p.Target)
	case s.Object.UID == "" || s.Object.Version == "" || s.Call.Method == "" || s.Call.Path == "":
		return fmt.Errorf("step %d lacks the object's identity or the call", i+1)
	case len(s.Diff) > MaxChanges:
		return fmt.Errorf("step %d changes more than %d fields", i+1, MaxChanges)
	case (s.Reverts == "") != (p.Reverts == ""):
		return fmt.Errorf("step %d does not put back what the plan does", i+1)
	case s.TimeoutSeconds < 1:
		return fmt.Errorf("step %d has no time limit", i+1)
	case s.Owner != "" && !s.Owner.Within(p.Target):
		return fmt.Errorf("step %d writes a part of what is outside %s", i+1, p.Target)
	case len(s.Units) > MaxUnits:
		return fmt.Errorf("step %d touches more than %d workloads", i+1, MaxUnits)
	case s.Inverse.Kind == InverseNone && p.Tier == T1:
		return fmt.Errorf("step %d has no undo and so cannot be T1", i+1)
	}
	for _, u := range s.Units {
		switch {
		case !u.Workload.Within(p.Target):
			return fmt.Errorf("step %d counts units outside %s", i+1, p.Target)
		case u.Wanted < 0 || u.Ready < 0 || u.Floor < 0 || u.Down < 0 || u.Down > u.Ready:
			return fmt.Errorf("step %d counts units that cannot be", i+1)
		case u.By != FloorBudget && u.By != FloorStrategy && u.By != FloorDefault:
			return fmt.Errorf("step %d has a floor set by the unknown %q", i+1, Printable(string(u.By), 40))
		}
	}
	switch s.Inverse.Kind {
	case InverseReplace, InverseCall, InverseRecreated, InverseNone:
		return nil
	}
	return fmt.Errorf("step %d has the unknown inverse %q", i+1, s.Inverse.Kind)
}

// EvidenceDigest is the digest over the plan's evidence references, which approvals and grants name.
func (p Plan) EvidenceDigest() (Digest, error) {
	return digestOf(append([]EvidenceRef{}, p.Evidence...))
}

// PlanState is closed. A plan row exists from the proposal on.
type PlanState string

const (
	PlanPlanning  PlanState = "planning"  // a runner is resolving it
	PlanRefused   PlanState = "refused"   // it could not be resolved; the reason says why
	PlanDenied    PlanState = "denied"    // policy said no
	PlanWaiting   PlanState = "waiting"   // for approvals
	PlanReady     PlanState = "ready"     // allowed; the agent that proposed it fetches the grant with its own key
	PlanGranted   PlanState = "granted"   // a grant exists; the run has the rest of the story
	PlanRejected  PlanState = "rejected"  // a person said no
	PlanExpired   PlanState = "expired"   // nobody answered in time, which means no
	PlanWithdrawn PlanState = "withdrawn" // its requester took it back
	PlanStale     PlanState = "stale"     // the world moved, or another policy set came into force
	PlanObserved  PlanState = "observed"  // its playbook is observed only: decided and recorded, and nothing was run
	PlanDone      PlanState = "done"      // its run has ended
)

var planMoves = map[PlanState][]PlanState{
	PlanPlanning:  {PlanRefused, PlanDenied, PlanWaiting, PlanReady, PlanGranted, PlanExpired, PlanWithdrawn, PlanStale, PlanObserved},
	PlanWaiting:   {PlanReady, PlanGranted, PlanDenied, PlanRejected, PlanExpired, PlanWithdrawn, PlanStale, PlanObserved},
	PlanReady:     {PlanGranted, PlanWaiting, PlanDenied, PlanExpired, PlanWithdrawn, PlanStale, PlanObserved},
	PlanGranted:   {PlanDone, PlanStale, PlanExpired, PlanWithdrawn},
	PlanRefused:   nil,
	PlanDenied:    nil,
	PlanRejected:  nil,
	PlanExpired:   nil,
	PlanWithdrawn: nil,
	PlanStale:     nil,
	PlanDone:      nil,
	PlanObserved:  nil,
}

// Move checks that a plan may go from s to next.
func (s PlanState) Move(next PlanState) error { return move(planMoves, s, next) }

// Final reports whether nothing follows s.
func (s PlanState) Final() bool { next, ok := planMoves[s]; return ok && len(next) == 0 }

// Touches returns the first of these locations that a step's object lies within, or that lies within it: deleting a
// namespace touches what is in it. It is empty when there is none.
func (p Plan) Touches(places []Location) Location {
	for _, at := range places {
		for _, s := range p.Steps {
			if o := s.Object.Location; o.Within(at) || at.Within(o) {
				return at
			}
		}
	}
	return ""
}
