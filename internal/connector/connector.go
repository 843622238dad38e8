// Package connector is the contract between a runner and one kind of control plane. A connector describes its typed
// operations and evidence readers, resolves drafts into exact calls without writing anything, and mints the lease
// under which one run executes them.
//
// The package holds the contract only and does no I/O. internal/connector/connectortest is the conformance suite that
// every connector passes on the real thing.
package connector

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
)

// A Connector serves one target of one kind of control plane. Observe and Plan run under a read-only credential of its
// own and cannot write. All methods may be called concurrently and return soon after ctx ends.
type Connector interface {
	// Target is the one target that this connector serves: plane and name, without a path.
	Target() writ.Location

	// Catalogue is what it can do. It never changes while the process lives.
	Catalogue() Catalogue

	// Observe reads one observation. Its bytes are bounded and redacted already. Refusals (writ.Refusal) say
	// unknown_reader, parameter…, out_of_scope, no_object, forbidden or unreachable.
	Observe(ctx context.Context, q Query) (Reading, error)

	// Plan resolves one draft from live state into the exact call, or refuses (out_of_scope, no_object, no_change,
	// no_inverse, parameter…, unreachable). It writes nothing, not even with a dry run.
	Plan(ctx context.Context, d Draft) (Prepared, error)

	// Revert resolves the exact call that puts back what an earlier step changed, as a step of its own that can be undone
	// in turn. It writes nothing. It refuses with no_change when, and only when, the pre-image stands field by field; with
	// undo_conflict, saying who changed what, when the object is not as the step left it; and with no_inverse, saying what
	// cannot be put back. Other refusals are those of Plan.
	Revert(ctx context.Context, r Reversal) (Prepared, error)

	// Lease mints the credential of one run: good for these calls on these objects and nothing else. It must call
	// keep with a handle that is enough to revoke and probe the credential before the credential gains any power, and
	// again whenever the handle changes; if keep fails, it removes what it made and fails. After an error the caller
	// still calls Reopen and Revoke.
	Lease(ctx context.Context, r LeaseRequest, keep func(handle []byte) error) (Lease, error)

	// Reopen returns a lease for Revoke and Probe after a restart, from the last handle kept, or from the request
	// alone when none was. It contacts nobody.
	Reopen(r LeaseRequest, handle []byte) (Lease, error)
}

// A Lease is the credential of one run on the target. Methods are called one at a time, except Revoke, which may
// interrupt the others.
type Lease interface {
	// Rights describes in plain words what the credential may do, one right a line, sorted.
	Rights() []string

	// Do sends exactly the prepared call. It refuses to send (NotApplied, world_moved) unless the object still has the
	// planned identity and version, and makes the target check the same where the target can.
	Do(ctx context.Context, p Prepared) Outcome

	// Undo puts the pre-image back, after checking that the object is as Do left it (after, from Do's Outcome or from
	// Settle). If it is not, it changes nothing and reports undo_conflict with who changed what. Idempotent: when the
	// pre-image is already in place it reports Applied with Restored.
	Undo(ctx context.Context, p Prepared, after []byte) Undone

	// Settle finds out, by reading only, what an interrupted Do of p did.
	Settle(ctx context.Context, p Prepared) Outcome

	// Revoke takes the power away first and the identity next, closes open connections, and is idempotent. An error
	// means: call again.
	Revoke(ctx context.Context) error

	// Probe uses the revoked credential on a new connection, once for power and once for identity, and reports the
	// target's answers. It reports a flag only when the target itself refused.
	Probe(ctx context.Context) (Probe, error)
}

// A Catalogue is data: it is what the control plane lints playbooks and builds the policy schema with.
type Catalogue struct {
	Plane      string      `json:"plane"`
	Operations []Operation `json:"operations"`
	Readers    []Reader    `json:"readers"`
}

// An Operation is one typed action. It has an owner in its playbook, a tier, an inverse or its declared absence, and
// limits; without them it cannot be registered (Check).
type Operation struct {
	Name       writ.OperationName `json:"name"`
	Title      string             `json:"title"`
	Parameters []Parameter        `json:"parameters"`
	Tier       writ.Tier          `json:"tier"` // the least tier this operation may run at
	Inverse    writ.InverseKind   `json:"inverse"`
	Rights     []string           `json:"rights"` // what a lease for it needs, for people; {parameter} stands for a value
}

// A Reader is one typed observation.
type Reader struct {
	Name       writ.OperationName `json:"name"`
	Title      string             `json:"title"`
	Parameters []Parameter        `json:"parameters"`
	Facts      []Fact             `json:"facts,omitempty"`
	Writable   bool               `json:"writable"`         // its bytes contain text that users of the service, or attackers, write
	Fields     []string           `json:"fields,omitempty"` // the fields that they write, names with dots between, * for any; none means all of its bytes
}

// A Fact is one value that a reader computes.
type Fact struct {
	Name  string `json:"name"`
	Type  Type   `json:"type"`
	Title string `json:"title"`
}

// Type of a parameter or fact; closed.
type Type string

const (
	TypeName     Type = "name" // writ.IsName: an object's, namespace's or container's name
	TypeInteger  Type = "integer"
	TypeBool     Type = "bool"
	TypeEnum     Type = "enum"     // one of Values
	TypeQuantity Type = "quantity" // a Kubernetes quantity such as 250m or 512Mi
)

// A Parameter is typed and bounded. There is no free text.
type Parameter struct {
	Name     string   `json:"name"`
	Type     Type     `json:"type"`
	Title    string   `json:"title"`
	Optional bool     `json:"optional,omitempty"`
	Min      int64    `json:"min,omitempty"` // integers: both bounds are always checked
	Max      int64    `json:"max,omitempty"`
	Values   []string `json:"values,omitempty"`
}

// A Query is one observation asked for, with the scope that it must stay in.
type Query struct {
	Reader writ.OperationName
	With   writ.Parameters
	Scope  []writ.Location // the incident's service; an object outside is refused
	Limit  int             // bytes at most
}

// A Reading is what an observation saw.
type Reading struct {
	Source    string // what answered, for people: "GET /api/v1/namespaces/shop/pods"
	At        time.Time
	Bytes     []byte // redacted, at most Limit
	Facts     writ.Observation
	Truncated bool
	Redacted  int  // secrets removed
	Writable  bool // contains text that users of the service, or attackers, write
}

// A Draft is one operation to resolve.
type Draft struct {
	Key       string // the step's idempotency key
	Operation writ.OperationName
	With      writ.Parameters
	Scope     []writ.Location
}

// A Reversal is one step to put back.
type Reversal struct {
	Key   string   // the idempotency key of the step that puts it back
	Of    Prepared // the step, as it was carried out
	After []byte   // what it left, from its Outcome; empty when nobody saw it, and then what it was to leave counts
	Scope []writ.Location
}

// Prepared is a resolved step with the bytes that stay on the runner. The step commits to them.
type Prepared struct {
	Step     writ.Step
	Salt     [writ.SaltSize]byte
	Body     []byte // the exact request body; Step.Call.Body commits to it under the name "body"
	Preimage []byte // what undo restores; Step.Inverse.Preimage commits to it under the name "preimage"
}

// LeaseRequest says whom a lease is for and what it must be able to do. Name is unique for ever and safe in object
// names; it is journalled before anything is made, so that everything made can be found by it.
type LeaseRequest struct {
	Name  string
	Run   writ.RunID
	Tier  writ.Tier
	Steps []Prepared
	Undo  bool // the lease is for undoing Steps
	TTL   time.Duration
}

// An Outcome is what happened to production, apart from errors.
type Outcome struct {
	Effect  writ.Effect
	Status  int    // HTTP status, if the target answered
	Version string // the object's version afterwards
	After   []byte // the object as Do left it, for Undo; stays on the runner
	Sent    writ.Commitment
	Reason  writ.Reason // set unless Applied
	Detail  string      // one sentence without secrets
}

// Undone is what an undo did.
type Undone struct {
	Effect   writ.Effect
	Restored bool     // read back equal to the pre-image
	Left     []string // paths of fields that are not restored
	Reason   writ.Reason
	Detail   string
}

// A Probe is what a revoked credential still gets. Status are the target's own answers; Power and Identity are true
// when the target refused.
type Probe struct {
	PowerGone      bool
	PowerStatus    int
	IdentityGone   bool
	IdentityStatus int
}
