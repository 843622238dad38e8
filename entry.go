package writ

import (
	"encoding/json"
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
	EntryGenesis    EntryKind = "genesis"

	EntryBreakGlass        EntryKind = "breakglass"         // a person asked for it; those who own the service are told
	EntryBreakGlassUse     EntryKind = "breakglass.use"     // it was granted, or used offline: they are told again, and a review is owed
	EntryBreakGlassReview  EntryKind = "breakglass.review"  // somebody else has looked at it
	EntryBreakGlassDrill   EntryKind = "breakglass.drill"   // an exercise passed: one use and one refusal
	EntryBreakGlassOffline EntryKind = "breakglass.offline" // a runner that was cut off ran a plan that enough people had signed
)

// Bodies of the entries. All fields are names, digests, numbers or codes.
type (
	GenesisBody struct {
		Origin string `json:"origin"`
		Policy Digest `json:"policy"`
	}
	IncidentBody struct {
		Incident    IncidentID    `json:"incident"`
		State       IncidentState `json:"state"`
		Service     string        `json:"service"`
		Environment string        `json:"environment"`
		Owner       string        `json:"owner"`
		Severity    int           `json:"severity"`
		Alerts      int           `json:"alerts"`
	}
	EvidenceBody struct {
		Evidence   EvidenceID    `json:"evidence"`
		AskedBy    Principal     `json:"asked_by"`
		Runner     RunnerID      `json:"runner"`
		Reader     OperationName `json:"reader"`
		Target     Location      `json:"target"`
		At         time.Time     `json:"at"`
		Commitment Commitment    `json:"commitment"`
		Size       int           `json:"size"`
		Writable   bool          `json:"writable"`
		Redacted   int           `json:"redacted"`
	}
	ProposalBody struct {
		Proposal Digest        `json:"proposal_digest"`
		ID       ProposalID    `json:"proposal"`
		Plan     PlanID        `json:"plan"`
		By       Principal     `json:"by"`
		Playbook PlaybookRef   `json:"playbook"`
		Evidence []EvidenceRef `json:"evidence,omitempty"`
		HandOff  HandOffID     `json:"hand_off,omitempty"`

		BreakGlass BreakGlassID `json:"breakglass,omitempty"` // as which it is asked for
		Holder     string       `json:"holder,omitempty"`     // as in the proposal
	}
	PlanBody struct {
		Plan           PlanID      `json:"plan"`
		PlanDigest     Digest      `json:"plan_digest"`
		ProposalDigest Digest      `json:"proposal_digest"`
		Requester      Principal   `json:"requester"`
		Runner         RunnerID    `json:"runner"`
		Playbook       PlaybookRef `json:"playbook"`
		Tier           Tier        `json:"tier"`
		Objects        []Object    `json:"objects"`
		Blast          Blast       `json:"blast"`
		Policy         Digest      `json:"policy"`
		EvidenceDigest Digest      `json:"evidence_digest"`
		Holder         string      `json:"holder"`
		NotAfter       time.Time   `json:"not_after"`
	}
	DecisionBody struct {
		Decision     DecisionID      `json:"decision"`
		Plan         PlanID          `json:"plan"`
		PlanDigest   Digest          `json:"plan_digest"`
		Phase        Phase           `json:"phase"`
		Step         string          `json:"step,omitempty"`
		Verdict      Verdict         `json:"verdict"`
		Reason       Reason          `json:"reason"`
		Policies     []string        `json:"policies,omitempty"`
		Requirements Requirements    `json:"requirements,omitzero"`
		Facts        json.RawMessage `json:"facts"`
		Policy       Digest          `json:"policy"`
		Engine       string          `json:"engine"`
		Playbook     string          `json:"playbook,omitempty"`   // asked for; with the operations and the facts it is what a replay needs
		Operations   []string        `json:"operations,omitempty"` // in the order of the steps
	}
	ApprovalBody struct {
		Approval   ApprovalID `json:"approval"`
		Plan       PlanID     `json:"plan"`
		PlanDigest Digest     `json:"plan_digest"`
		Answer     Answer     `json:"answer"`
		Approver   Person     `json:"approver"`
		Slot       string     `json:"slot"`
		Proof      ProofLevel `json:"proof"`
		Key        string     `json:"key"`
		Statement  []byte     `json:"statement"`
		Signature  string     `json:"signature"`         // empty when a passkey signed
		Passkey    *Assertion `json:"passkey,omitempty"` // raw
	}
	GrantBody struct {
		Grant       GrantID    `json:"grant"`
		Run         RunID      `json:"run"`
		Plan        PlanID     `json:"plan"`
		PlanDigest  Digest     `json:"plan_digest"`
		Runner      RunnerID   `json:"runner"`
		Holder      string     `json:"holder"`
		Decision    DecisionID `json:"decision"`
		Approvals   []Digest   `json:"approvals,omitempty"`
		Policy      Digest     `json:"policy"`
		Expires     time.Time  `json:"expires"`
		TokenDigest Digest     `json:"token_digest"`
	}
	LeaseBody struct {
		Lease   LeaseID   `json:"lease"`
		Run     RunID     `json:"run"`
		Target  Location  `json:"target"`
		Tier    Tier      `json:"tier"`
		Name    string    `json:"name"`
		Rights  []string  `json:"rights"`
		Expires time.Time `json:"expires"`
	}
	StepBody struct {
		Run        RunID         `json:"run"`
		Grant      GrantID       `json:"grant"`
		Plan       PlanID        `json:"plan"`
		PlanDigest Digest        `json:"plan_digest"`
		Step       string        `json:"step"`
		Operation  OperationName `json:"operation"`
		Object     Object        `json:"object"`
		Call       Call          `json:"call"`
	}
	EffectBody struct {
		Run     RunID      `json:"run"`
		Step    string     `json:"step"`
		Effect  Effect     `json:"effect"`
		Status  int        `json:"status,omitempty"`  // HTTP status, if there was one
		Version string     `json:"version,omitempty"` // the object's version afterwards
		Sent    Commitment `json:"sent,omitzero"`     // commitment recomputed over the bytes sent; equals call.body
		Reason  Reason     `json:"reason,omitempty"`
		Millis  int        `json:"ms"`
	}
	VerifyBody struct {
		Run    RunID  `json:"run"`
		Check  string `json:"check"`
		Fact   string `json:"fact"`
		Value  Value  `json:"value,omitzero"`
		Holds  bool   `json:"holds"`
		Millis int    `json:"ms"`
	}
	UndoEffectBody struct {
		Run      RunID    `json:"run"`
		Step     string   `json:"step"`
		Effect   Effect   `json:"effect"`
		Restored bool     `json:"restored"`       // read back equal to the pre-image
		Left     []string `json:"left,omitempty"` // field paths that could not be restored
		Reason   Reason   `json:"reason,omitempty"`
		Millis   int      `json:"ms"`
	}
	RevokeBody struct {
		Lease  LeaseID `json:"lease"`
		Run    RunID   `json:"run"`
		Name   string  `json:"name"`
		Done   bool    `json:"done"`
		Millis int     `json:"ms"`
	}
	ProbeBody struct {
		Lease          LeaseID `json:"lease"`
		Run            RunID   `json:"run"`
		PowerGone      bool    `json:"power_gone"`
		IdentityGone   bool    `json:"identity_gone"`
		PowerStatus    int     `json:"power_status,omitempty"`    // the target's answer, 403 on Kubernetes
		IdentityStatus int     `json:"identity_status,omitempty"` // 401
		PowerMillis    int     `json:"power_ms,omitempty"`        // from the start of the revocation
		IdentityMillis int     `json:"identity_ms,omitempty"`
		Probes         int     `json:"probes"`
		Expired        bool    `json:"expired,omitempty"`      // nobody holds the credential, and the target has no name for it: its issuer's limit on its life is over
		NeverMinted    bool    `json:"never_minted,omitempty"` // minting was never begun: nothing stands under the name, and no credential answered
	}
	RunBody struct {
		Run        RunID    `json:"run"`
		Grant      GrantID  `json:"grant"`
		Plan       PlanID   `json:"plan"`
		PlanDigest Digest   `json:"plan_digest"`
		State      RunState `json:"state"`
		Reason     Reason   `json:"reason,omitempty"`
		Applied    int      `json:"applied"`
		Undone     int      `json:"undone"`
		Unknown    int      `json:"unknown"`
	}
	ReceiptBody struct {
		Run      RunID  `json:"run"`
		Envelope []byte `json:"envelope"` // DSSE
	}
	RunnerBody struct {
		Runner RunnerID       `json:"runner"`
		State  RunnerKeyState `json:"state"`            // of the key from now on; invited: a code was made
		Public []byte         `json:"public,omitempty"` // the key, 32 bytes
		By     Principal      `json:"by"`
		Way    string         `json:"way,omitempty"` // how it was let in: code, spiffe or key
	}
	PlanEndBody struct {
		Plan   PlanID    `json:"plan"`
		State  PlanState `json:"state"`
		Reason Reason    `json:"reason"`
	}
	DenyBody struct {
		What   string    `json:"what"` // the call: propose, approve, observe, present
		By     Principal `json:"by"`
		Reason Reason    `json:"reason"`
		Plan   PlanID    `json:"plan,omitempty"`
	}
	SettleBody struct {
		Run    RunID      `json:"run"`
		Plan   PlanID     `json:"plan"`
		Step   string     `json:"step"`
		As     Effect     `json:"as"` // applied or not_applied
		By     Principal  `json:"by"`
		Reason Commitment `json:"reason"` // to the person's words
	}
	PolicyBody struct {
		Policy   Digest   `json:"policy"`            // of the set: what decisions name
		Version  int64    `json:"version,omitempty"` // that its owners gave it
		Manifest Digest   `json:"manifest,omitzero"` // of what they signed
		Signers  []string `json:"signers,omitempty"` // key ids of those who did
		Was      Digest   `json:"was,omitzero"`      // the set before, where this ledger knows it
	}
	CellBody struct {
		Runner   RunnerID `json:"runner"`
		Instance string   `json:"instance"` // of the journal that holds it now
		Epoch    int64    `json:"epoch"`
		Was      string   `json:"was,omitempty"` // the instance that held it before, when that is another
	}
	DebtBody struct {
		Runner RunnerID  `json:"runner"`
		Lease  LeaseID   `json:"lease"`
		Run    RunID     `json:"run"`
		Target Location  `json:"target"`
		Name   string    `json:"name"`
		On     bool      `json:"on"` // false: it was proven dead at last
		Since  time.Time `json:"since"`
	}
	OrphanBody struct {
		Runner         RunnerID `json:"runner"`
		Target         Location `json:"target"`
		Name           string   `json:"name"`
		Run            string   `json:"run,omitempty"` // as its mark on the target says
		Revoked        bool     `json:"revoked"`
		PowerGone      bool     `json:"power_gone"` // nothing that gives it power exists on the target
		IdentityGone   bool     `json:"identity_gone"`
		PowerMillis    int      `json:"power_ms,omitempty"`
		IdentityMillis int      `json:"identity_ms,omitempty"`
	}
	FreezeBody struct {
		Freeze FreezeID    `json:"freeze"`
		Scope  FreezeScope `json:"scope"`
		Value  string      `json:"value,omitempty"`
		On     bool        `json:"on"`
	}
	HandOffBody struct {
		HandOff   HandOffID   `json:"hand_off"`
		From      Principal   `json:"from"`
		To        Principal   `json:"to"`
		Parent    HandOffID   `json:"parent,omitempty"`
		Lineage   []Principal `json:"lineage"`
		Playbooks []string    `json:"playbooks"`
		MaxTier   Tier        `json:"max_tier"`
		Evidence  Digest      `json:"evidence_digest,omitzero"`
		Note      Commitment  `json:"note,omitzero"`
		Expires   time.Time   `json:"expires"`
	}
	LoginBody struct {
		Session SessionID `json:"session"`
		Person  Person    `json:"person"`
		Way     string    `json:"way"`
		Expires time.Time `json:"expires"`
	}
	LogoutBody struct {
		Session SessionID `json:"session"`
		Person  Person    `json:"person"` // whose session it was
		By      Principal `json:"by"`
	}
	TeamsBody struct {
		Person Person    `json:"person"`
		Teams  []string  `json:"teams,omitempty"`
		AsOf   time.Time `json:"as_of"` // iat of the token that said so
	}
	HandOffEndBody struct {
		HandOff HandOffID `json:"hand_off"`
		By      Principal `json:"by"`
	}
	NoticeBody struct {
		Notice   NoticeID      `json:"notice"`
		Event    NoticeEvent   `json:"event"`
		Events   int           `json:"events"`       // how many it tells of
		Channel  string        `json:"channel"`      // as the configuration names it; empty when there was nobody to tell
		To       *Person       `json:"to,omitempty"` // absent: the channel's own recipients
		Outcome  NoticeOutcome `json:"outcome"`      // delivered, failed or undelivered
		Failure  NoticeFailure `json:"failure,omitempty"`
		Status   int           `json:"status,omitempty"` // the channel's answer, HTTP or SMTP
		Attempts int           `json:"attempts"`
	}
	AgentBody struct {
		Name    string      `json:"name"`
		Agent   Principal   `json:"agent"`
		Team    string      `json:"team"`
		Owner   Person      `json:"owner"`
		Roles   []AgentRole `json:"roles"`
		Classes []string    `json:"classes,omitempty"`
		State   AgentState  `json:"state"` // from now on
		By      Principal   `json:"by"`
		Was     *Principal  `json:"was,omitempty"` // the identity whose place it takes
	}
)

// Bodies of the entries about break-glass.
type (
	BreakGlassBody struct {
		ID            BreakGlassID `json:"breakglass"`
		Plan          PlanID       `json:"plan"`
		Service       string       `json:"service"`
		Team          string       `json:"team"` // who is told
		Asker         Person       `json:"asker"`
		Playbook      PlaybookRef  `json:"playbook"`
		Drill         bool         `json:"drill,omitempty"`
		Proof         ProofLevel   `json:"proof"`
		Key           string       `json:"key"`
		Justification Commitment   `json:"justification"`
		Statement     []byte       `json:"statement"`
		Signature     string       `json:"signature"`
	}
	BreakGlassUseBody struct {
		ID         BreakGlassID `json:"breakglass"`
		Plan       PlanID       `json:"plan"`
		PlanDigest Digest       `json:"plan_digest"`
		Run        RunID        `json:"run"`
		Team       string       `json:"team"`
		Drill      bool         `json:"drill,omitempty"`
		Offline    bool         `json:"offline,omitempty"`
		ReviewDue  time.Time    `json:"review_due"`
	}
	BreakGlassReviewBody struct {
		ID      BreakGlassID  `json:"breakglass"`
		By      Principal     `json:"by"`
		Verdict ReviewVerdict `json:"verdict"`
		Note    Commitment    `json:"note"`
	}
	BreakGlassDrillBody struct {
		ID      BreakGlassID `json:"breakglass"`
		Run     RunID        `json:"run"`
		By      Principal    `json:"by"`
		Refusal Reason       `json:"refusal"` // the code with which its second use was refused
	}
	// An OfflineBody stands for proposal, plan, approvals and grant of a run that a runner made while it was cut off. Its
	// author is the runner. Statement is what each of Signatures was made over.
	OfflineBody struct {
		ID          BreakGlassID `json:"breakglass"`
		Run         RunID        `json:"run"`
		Grant       GrantID      `json:"grant"`
		Plan        PlanID       `json:"plan"`
		PlanDigest  Digest       `json:"plan_digest"`
		Runner      RunnerID     `json:"runner"`
		Service     string       `json:"service"`
		Environment string       `json:"environment"`
		Playbook    PlaybookRef  `json:"playbook"`
		Tier        Tier         `json:"tier"`
		Objects     []Object     `json:"objects"`
		Blast       Blast        `json:"blast"`
		Quorum      int          `json:"quorum"` // people that the runner's trust file asks for
		Trust       Digest       `json:"trust"`  // of that file
		Statement   []byte       `json:"statement"`
		Signatures  []string     `json:"signatures"` // armored, sorted
	}
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

	EntryBreakGlass:        func() any { return new(BreakGlassBody) },
	EntryBreakGlassUse:     func() any { return new(BreakGlassUseBody) },
	EntryBreakGlassReview:  func() any { return new(BreakGlassReviewBody) },
	EntryBreakGlassDrill:   func() any { return new(BreakGlassDrillBody) },
	EntryBreakGlassOffline: func() any { return new(OfflineBody) },
	EntryPasskey:           func() any { return new(PasskeyBody) },
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
	if err := canon.Parse(b, &r); err != nil {
		return Record{}, nil, fmt.Errorf("record: %w", err)
	}
	make, ok := EntryBodies[r.Kind]
	switch {
	case r.V != FormatVersion:
		return Record{}, nil, fmt.Errorf("%w: record version %d", ErrInvalid, r.V)
	case !ok:
		return Record{}, nil, fmt.Errorf("%w: entry kind %q", ErrInvalid, Printable(string(r.Kind), 40))
	case !r.Actor.Valid() || r.Log == "" || len(r.Nonce) < 22:
		return Record{}, nil, fmt.Errorf("%w: record of kind %s lacks log, actor or nonce", ErrInvalid, r.Kind)
	}
	body := make()
	if err := canon.Parse(r.Body, body); err != nil {
		return Record{}, nil, fmt.Errorf("record of kind %s: %w", r.Kind, err)
	}
	return r, body, nil
}
