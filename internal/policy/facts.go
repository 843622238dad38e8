package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// Facts are all that policy may know of one ask. Every one of them is computed by Writ: nothing that an agent sends
// becomes a fact, except the names that it asks about. The JSON form names each fact as the policies do, and is what
// a decision records and a replay reads.
//
// A pointer is nil when the fact could not be computed; it is then absent, and policies are written so that absence
// denies. The one exception is ChangeFreezeUntil, where nil means that the calendar declares no freeze: a caller that
// cannot read the calendar must not decide at all.
type Facts struct {
	// Who asks: the authenticated token and the registration.
	Principal  writ.Principal `json:"principal"`
	Registered bool           `json:"registered"` // an agent with a registration, a person on the roster
	Team       string         `json:"team,omitempty"`
	Roles      []string       `json:"roles,omitempty"` // agents only; sorted
	Suspended  bool           `json:"suspended"`
	Oncall     bool           `json:"oncall"`         // people only: the roster's group of those on call
	Owner      writ.Person    `json:"owner,omitzero"` // the human who answers for the agent; recorded, not seen by rules

	// About what: the alert source and the service catalogue.
	Incident     writ.IncidentID `json:"incident"`
	IncidentOpen bool            `json:"incidentOpen"`
	Severity     *int            `json:"severity,omitempty"` // 1, the worst, to 4
	Service      string          `json:"service"`
	OwningTeam   string          `json:"owningTeam"`
	Env          string          `json:"env"` // dev, staging or prod
	Stateful     bool            `json:"stateful"`

	// What it would do: the runner's plan against live inventory, the signed catalogue and the published playbooks.
	Tier      int      `json:"tier"`   // the highest of playbook and steps; tiers.yaml may raise it, nothing lowers it
	Planes    []string `json:"planes"` // kinds of control plane that the plan writes to; sorted
	Undo      bool     `json:"undo"`   // every step has an inverse
	Certified bool     `json:"certified"`
	Targets   *int     `json:"targets,omitempty"`  // objects written
	Permille  *int     `json:"permille,omitempty"` // of the service's ready capacity that may be unavailable at once
	Cluster   bool     `json:"cluster"`            // it reaches beyond one service

	// What else is going on: counted from the ledger inside the transaction that decides, keyed by Writ's own incident
	// and service ids, never by a session of the caller. The plan that is decided does not count itself.
	Concurrent      *int `json:"concurrent,omitempty"`      // runs in flight on the service
	PreviousRuns    *int `json:"previousRuns,omitempty"`    // in this incident
	Failures        *int `json:"failures,omitempty"`        // of those, how many did not succeed
	Unsettled       *int `json:"unsettled,omitempty"`       // runs on an object of this plan that ended uncertain, and nobody has settled
	Hops            *int `json:"hops,omitempty"`            // hand-offs between the first agent and this one; 0 for none
	SameFixRepeated *int `json:"sameFixRepeated,omitempty"` // how often this playbook already ran in this incident
	PlanesAfter     *int `json:"planesAfter,omitempty"`     // kinds of control plane touched in this incident, this plan included
	Emergency       bool `json:"emergency,omitempty"`       // a person asked for it as break-glass, with a signed proof
	NewPlane        bool `json:"newPlane"`                  // this plan touches one that the incident has not touched

	// What the incident has put together, and what it still can: counted likewise before the first step, and kept from then
	// on for the steps of a run. Rules see what they raise: the tier.
	Chain   []string `json:"chain,omitempty"`   // operations that ran, or may have run, before this plan; sorted
	Reach   int      `json:"reach,omitempty"`   // the highest tier that the incident's lineage can still reach without a further person; 0 when that is not above T1
	ReachBy string   `json:"reachBy,omitempty"` // who, with what

	// What the records say. Rules see principal.autonomy, 0 once it is lost and 1 before, and the tier.
	AutonomyTier int  `json:"autonomyTier,omitempty"` // where the playbook stands on this service, when that is above its own tier
	AutonomyLost bool `json:"autonomyLost,omitempty"` // the agent makes no change alone until a person restores it

	// What it rests on: Writ's own readings.
	EvidenceCount      int  `json:"evidenceCount"`
	EvidenceFresh      bool `json:"evidenceFresh"`                // all cited readings are younger than the limit
	EvidenceAgeSeconds *int `json:"evidenceAgeSeconds,omitempty"` // of the oldest cited reading
	Tainted            bool `json:"tainted"`                      // nothing vouches for a parameter, and text of others was read
	SelfDiagnosed      bool `json:"selfDiagnosed"`                // the requester, or its lineage, asked for the evidence

	// Who has agreed: verified approvals of this plan digest under this policy digest, each human once, in one group.
	// At T4 an approval without the typed confirmation is not counted.
	ApprovalsOwner  int `json:"approvalsOwner"`
	ApprovalsOncall int `json:"approvalsOncall"`
	Proof           int `json:"proof"` // the weakest that counted, by writ.ProofLevel.Strength; 0 when nobody did

	// When, and how much: the server's clock, the change calendar, and the request after clamping.
	Now               int64  `json:"now"` // seconds since the Unix epoch
	ChangeFreezeUntil *int64 `json:"changeFreezeUntil,omitempty"`
	InWindow          *bool  `json:"inWindow,omitempty"`  // a change window is open; nil when no calendar declares one for the service
	Calendars         string `json:"calendars,omitempty"` // digest of the calendars that said so; recorded, not seen by rules
	TTL               *int   `json:"ttl,omitempty"`       // seconds of grant asked for
	MaxObjects        *int   `json:"maxObjects,omitempty"`
	MaxPermille       *int   `json:"maxPermille,omitempty"`

	// Arguments are those that the configuration of an upstream's tool names, as name=value; nil when no such tool is asked for.
	Arguments []string `json:"arguments,omitzero"`

	// Veto is what the external decision point said: permit, deny or unanswered; empty when none was asked. It is recorded and
	// not seen by rules: it can only turn an allow into a deny, and the control plane does that.
	Veto string `json:"veto,omitempty"`

	// Claims is how many conditions of the plan Writ read before the grant, ClaimsTrue how many of them held, ClaimsAge the
	// seconds since, and ClaimFailed the name of the first that did not hold. They are recorded and not seen by rules: one
	// that does not hold denies, whatever a rule says.
	Claims      int    `json:"claims,omitempty"`
	ClaimsTrue  int    `json:"claimsTrue,omitempty"`
	ClaimsAge   int    `json:"claimsAge,omitempty"`
	ClaimFailed string `json:"claimFailed,omitempty"`

	// TierProof is the proof that tiers.yaml demands at Tier. Decide sets it; what a caller puts there is ignored.
	TierProof int `json:"tierProof"`
	// TierBecause says why Tier is what it is, beyond the playbook's and the operations' own. Likewise.
	TierBecause []string `json:"tierBecause,omitempty"`
}

// maxNames bounds lists of roles and planes: both are closed vocabularies of a handful.
const maxNames = 16

// maxArguments bounds the named arguments of one call: sixteen lists of sixteen.
const maxArguments = 256

// check refuses facts that no schema could describe. Vocabularies are checked with the entities.
func (f *Facts) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: facts: %s", writ.ErrInvalid, what) }
	switch {
	case !f.Principal.Valid() || strings.ContainsRune(f.Principal.Iss, '|'):
		return bad("principal is incomplete")
	case f.Principal.Kind != writ.KindAgent && f.Principal.Kind != writ.KindHuman:
		return bad("only agents and people ask")
	case f.Service == "" || f.OwningTeam == "":
		return bad("service or owning team is missing")
	case !writ.Tier(f.Tier).Valid():
		return bad("tier is 0 to 4")
	case f.Severity != nil && (*f.Severity < writ.SeverityMin || *f.Severity > writ.SeverityMax):
		return bad("severity is 1 to 4")
	case f.Proof < 0 || f.Proof > writ.ProofA.Strength():
		return bad("proof is 0 to 4")
	case len(f.Roles) > maxNames || len(f.Planes) > maxNames || !slices.IsSorted(f.Roles) || !slices.IsSorted(f.Planes):
		return bad("roles and planes are short sorted lists")
	case len(f.Arguments) > maxArguments || !slices.IsSorted(f.Arguments):
		return bad("arguments are a short sorted list")
	case f.Now <= 0:
		return bad("now is missing")
	case len(f.Chain) > maxChain || !slices.IsSorted(f.Chain):
		return bad("chain is a sorted list of operations")
	case f.Reach != 0 && !writ.Tier(f.Reach).Valid() || f.AutonomyTier != 0 && !writ.Tier(f.AutonomyTier).Valid():
		return bad("reach and autonomyTier are tiers")
	case len(f.ReachBy) > maxReason || writ.Printable(f.ReachBy, maxReason) != f.ReachBy:
		return bad("reachBy is one short line")
	}
	for _, o := range f.Chain {
		if _, err := writ.ParseOperationName(o); err != nil {
			return bad("chain is a sorted list of operations")
		}
	}
	if !f.numbersFit() {
		return bad("a number is negative or too large")
	}
	return nil
}

// numbersFit reports whether every number that is there is one that JSON keeps exact, and not negative.
func (f *Facts) numbersFit() bool {
	fits := func(n int64) bool { return n >= 0 && n <= canon.MaxInt }
	for _, n := range [...]int64{f.Now, int64(f.EvidenceCount), int64(f.ApprovalsOwner), int64(f.ApprovalsOncall)} {
		if !fits(n) {
			return false
		}
	}
	for _, p := range [...]*int{
		f.Targets, f.Permille, f.Concurrent, f.PreviousRuns, f.Failures, f.Unsettled, f.Hops, f.SameFixRepeated, f.PlanesAfter,
		f.EvidenceAgeSeconds, f.TTL, f.MaxObjects, f.MaxPermille,
	} {
		if p != nil && !fits(int64(*p)) {
			return false
		}
	}
	return f.ChangeFreezeUntil == nil || fits(*f.ChangeFreezeUntil)
}
