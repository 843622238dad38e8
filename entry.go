package writ

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/writ-dev/writ/internal/canon"
)

// A Record is the payload of one ledger entry, in canonical JSON inside a DSSE envelope signed by its author. It
// holds names, digests, commitments and numbers; free text, personal data and anything secret stay off the ledger
// as blobs behind salted commitments. docs/spec/ledger.md describes it.
type Record struct {
	V     int             `json:"v"`
	Log   string          `json:"log"` // origin: a record of one log is void in another
	Kind  EntryKind       `json:"kind"`
	Time  time.Time       `json:"time"` // the author's clock
	Task  IncidentID      `json:"task,omitempty"`
	Actor Principal       `json:"actor"`
	Nonce string          `json:"nonce"`
	Refs  []Ref           `json:"refs,omitempty"`
	Body  json.RawMessage `json:"body"`
	Blobs []Blob          `json:"blobs,omitempty"`
}

// A Ref names an earlier entry by its leaf hash: the causal chain does not depend on position.
type Ref struct {
	Rel  string `json:"rel"`
	Leaf Digest `json:"leaf"`
}

// A Blob is off-ledger content that an entry commits to.
type Blob struct {
	Name   string     `json:"name"`
	Commit Commitment `json:"commit"`
	Size   int        `json:"size"`
	Class  string     `json:"class"` // retention class: evidence, claim, plan or text
}

// MaxLeaf is the largest ledger entry in bytes: tlog-tiles keeps lengths in 16 bits.
const MaxLeaf = 65535

// EntryKind is closed: EntryBodies is its registry.
type EntryKind string

const (
	EntryIncident   EntryKind = "incident"
	EntryEvidence   EntryKind = "evidence"
	EntryProposal   EntryKind = "proposal"
	EntryPlan       EntryKind = "plan"
	EntryDecision   EntryKind = "decision"
	EntryApproval   EntryKind = "approval"
	EntryGrant      EntryKind = "grant"
	EntryLease      EntryKind = "lease" // about to be minted
	EntryStepIntent EntryKind = "step.intent"
	EntryStepEffect EntryKind = "step.effect"
	EntryVerify     EntryKind = "verify"
	EntryUndoIntent EntryKind = "undo.intent"
	EntryUndoEffect EntryKind = "undo.effect"
	EntryRevoke     EntryKind = "revoke"
	EntryProbe      EntryKind = "probe"
	EntryRun        EntryKind = "run"  // the run has ended
	EntryPlanEnd    EntryKind = "end"  // the plan has ended without a run: expired, withdrawn, stale, refused
	EntryDeny       EntryKind = "deny" // a request that was refused before there was a plan
	EntryFreeze     EntryKind = "freeze"
	EntrySettle     EntryKind = "settle"      // a person says what a step of an uncertain run did
	EntryCell       EntryKind = "cell"        // a runner's cell changed hands
	EntryDebt       EntryKind = "debt"        // a lease could not be proven dead in time, or was at last
	EntryAgent      EntryKind = "agent"       // a person registered an agent, or changed its state or identity
	EntryHandOff    EntryKind = "handoff"     // an agent passed an incident on
	EntryHandOffEnd EntryKind = "handoff.end" // and that was revoked
	EntryOrphan     EntryKind = "orphan"      // a credential of the runner's on its target that belongs to no run it knows was ended
	EntryLogin      EntryKind = "login"       // a person logged in
	EntryLogout     EntryKind = "logout"      // a session was ended before its time
	EntryTeams      EntryKind = "teams"       // a person's issuer said that their teams are others
	EntryNotice     EntryKind = "notice"      // somebody was told, or could not be
	EntryReceipt    EntryKind = "receipt"     // the runner's signed statement about a run that ended (docs/spec/receipt.md)
	EntryRunner     EntryKind = "runner"      // a person invited or removed a runner, or a key of one was registered
	EntryPolicy     EntryKind = "policy"      // a policy set was put in force
	EntryKeyRotate  EntryKind = "key.rotate"  // another key signs the log's checkpoints
	EntryGenesis    EntryKind = "genesis"
	// EntryPin and EntryUpstreamRead stand in upstream.go.

	EntryBreakGlass        EntryKind = "breakglass"         // a person asked for it; those who own the service are told
	EntryBreakGlassUse     EntryKind = "breakglass.use"     // it was granted, or used offline: they are told again, and a review is owed
	EntryBreakGlassReview  EntryKind = "breakglass.review"  // somebody else has looked at it
	EntryBreakGlassDrill   EntryKind = "breakglass.drill"   // an exercise passed: one use and one refusal
	EntryBreakGlassOffline EntryKind = "breakglass.offline" // a runner that was cut off ran a plan that enough people had signed
)

// EntryBodies is the one registry of kinds: each kind with a maker of its empty body.
var EntryBodies = map[EntryKind]func() any{
	EntryGenesis:    func() any { return new(GenesisBody) },
	EntryIncident:   func() any { return new(IncidentBody) },
	EntryEvidence:   func() any { return new(EvidenceBody) },
	EntryProposal:   func() any { return new(ProposalBody) },
	EntryPlan:       func() any { return new(PlanBody) },
	EntryDecision:   func() any { return new(DecisionBody) },
	EntryApproval:   func() any { return new(ApprovalBody) },
	EntryGrant:      func() any { return new(GrantBody) },
	EntryLease:      func() any { return new(LeaseBody) },
	EntryStepIntent: func() any { return new(StepBody) },
	EntryStepEffect: func() any { return new(EffectBody) },
	EntryVerify:     func() any { return new(VerifyBody) },
	EntryUndoIntent: func() any { return new(StepBody) },
	EntryUndoEffect: func() any { return new(UndoEffectBody) },
	EntryRevoke:     func() any { return new(RevokeBody) },
	EntryProbe:      func() any { return new(ProbeBody) },
	EntryRun:        func() any { return new(RunBody) },
	EntryRunner:     func() any { return new(RunnerBody) },
	EntryReceipt:    func() any { return new(ReceiptBody) },
	EntryPlanEnd:    func() any { return new(PlanEndBody) },
	EntryDeny:       func() any { return new(DenyBody) },
	EntryFreeze:     func() any { return new(FreezeBody) },
	EntrySettle:     func() any { return new(SettleBody) },
	EntryPolicy:     func() any { return new(PolicyBody) },
	EntryKeyRotate:  func() any { return new(KeyRotateBody) },
	EntryCell:       func() any { return new(CellBody) },
	EntryDebt:       func() any { return new(DebtBody) },
	EntryOrphan:     func() any { return new(OrphanBody) },
	EntryHandOff:    func() any { return new(HandOffBody) },
	EntryHandOffEnd: func() any { return new(HandOffEndBody) },
	EntryAgent:      func() any { return new(AgentBody) },
	EntryLogin:      func() any { return new(LoginBody) },
	EntryLogout:     func() any { return new(LogoutBody) },
	EntryTeams:      func() any { return new(TeamsBody) },
	EntryNotice:     func() any { return new(NoticeBody) },

	EntryPin:          func() any { return new(PinBody) },
	EntryUpstreamRead: func() any { return new(UpstreamReadBody) },

	EntryBreakGlass:        func() any { return new(BreakGlassBody) },
	EntryBreakGlassUse:     func() any { return new(BreakGlassUseBody) },
	EntryBreakGlassReview:  func() any { return new(BreakGlassReviewBody) },
	EntryBreakGlassDrill:   func() any { return new(BreakGlassDrillBody) },
	EntryBreakGlassOffline: func() any { return new(OfflineBody) },
	EntryPasskey:           func() any { return new(PasskeyBody) },
	EntryRecall:            func() any { return new(RecallBody) },
	EntryOnCall:            func() any { return new(OnCallBody) },
	EntryDelegation:        func() any { return new(DelegationBody) },

	EntryPolicyChange:   func() any { return new(PolicyChangeBody) },
	EntryPolicyApproval: func() any { return new(PolicyApprovalBody) },
	EntryPolicyEnd:      func() any { return new(PolicyEndBody) },
	EntryAdvice:         func() any { return new(AdviceBody) },
	EntrySimulation:     func() any { return new(SimulationBody) },

	EntryAutonomy:       func() any { return new(AutonomyBody) },
	EntryAutonomyAnswer: func() any { return new(AutonomyAnswerBody) },
	EntryReviewDue:      func() any { return new(ReviewDueBody) },
	EntryReview:         func() any { return new(ReviewBody) },

	EntryNote:        func() any { return new(NoteBody) },
	EntryEvidenceAsk: func() any { return new(EvidenceAskBody) },
	EntryPlaybook:    func() any { return new(PlaybookBody) },
}

// NewRecord returns a record of the given kind with body in canonical form. body must be the kind's registered type
// or a pointer to it. That the record is one that ParseRecord takes is checked where it is sealed.
func NewRecord(log string, kind EntryKind, at time.Time, task IncidentID, actor Principal, nonce string, body any, refs ...Ref) (Record, error) {
	make, ok := EntryBodies[kind]
	if !ok {
		return Record{}, fmt.Errorf("%w: entry kind %q", ErrInvalid, kind)
	}
	if want := reflect.TypeOf(make()); reflect.TypeOf(body) != want && reflect.TypeOf(body) != want.Elem() {
		return Record{}, fmt.Errorf("%w: a %T is not the body of an entry of kind %s", ErrInvalid, body, kind)
	}
	b, err := canon.Marshal(body)
	if err != nil {
		return Record{}, fmt.Errorf("entry %s: %w", kind, err)
	}
	return Record{V: FormatVersion, Log: log, Kind: kind, Time: Instant(at), Task: task, Actor: actor, Nonce: nonce, Refs: refs, Body: b}, nil
}

// ParseRecord parses canonical bytes and returns the record and its body, a pointer to the kind's registered type.
func ParseRecord(b []byte) (Record, any, error) {
	var r Record
	var body any
	err := canon.ParseNested(b, &r, "body", &r.Body, func() (_ any, err error) {
		body, err = r.empty()
		return body, err
	})
	switch {
	case err == nil:
		return r, body, nil
	case errors.Is(err, ErrInvalid):
		return Record{}, nil, err
	case body == nil:
		return Record{}, nil, fmt.Errorf("record: %w", err)
	}
	return Record{}, nil, fmt.Errorf("record of kind %s: %w", r.Kind, err)
}

// empty returns what the body of the record is parsed into.
func (r Record) empty() (any, error) {
	make, ok := EntryBodies[r.Kind]
	switch {
	case r.V != FormatVersion:
		return nil, fmt.Errorf("%w: record version %d", ErrInvalid, r.V)
	case !ok:
		return nil, fmt.Errorf("%w: entry kind %q", ErrInvalid, Printable(string(r.Kind), 40))
	case !r.Actor.Valid() || r.Log == "" || len(r.Nonce) < 22:
		return nil, fmt.Errorf("%w: record of kind %s lacks log, actor or nonce", ErrInvalid, r.Kind)
	}
	return make(), nil
}
