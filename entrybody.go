package writ

import (
	"encoding/json"
	"time"
)

// Bodies of the entries about an incident and its repairs. All fields are names, digests, numbers or codes.
type (
	IncidentBody struct {
		Incident    IncidentID    `json:"incident"`
		State       IncidentState `json:"state"`
		Service     string        `json:"service"`
		Environment string        `json:"environment"`
		Owner       string        `json:"owner"`
		Severity    int           `json:"severity"`
		Alerts      int           `json:"alerts"`
		Source      string        `json:"source,omitempty"` // configured source of the event
		Event       Digest        `json:"event,omitzero"`   // of the event's body, as it came
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
		DryRun     bool         `json:"dry_run,omitempty"`    // as in the proposal: no grant follows
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
		Duties       Duties          `json:"duties,omitzero"`      // that a grant on it carries
		Playbook     string          `json:"playbook,omitempty"`   // asked for; with the operations and the facts it is what a replay needs
		Operations   []string        `json:"operations,omitempty"` // in the order of the steps
		Observed     bool            `json:"observed,omitempty"`   // what would have been: nothing rests on it
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
		Signature  string     `json:"signature"`                   // empty when a passkey signed
		Passkey    *Assertion `json:"passkey,omitempty"`           // raw
		Shift      int        `json:"answered_in_shift,omitempty"` // answers that the approver had given in the shift before this one
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
		Tier        Tier       `json:"tier,omitzero"` // in force: what policy made of the plan's own; the grant names it too
		Duties      Duties     `json:"duties,omitzero"`
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
)
