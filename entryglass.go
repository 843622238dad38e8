package writ

import "time"

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
		Passkey       *Assertion   `json:"passkey,omitempty"` // instead of a signature
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
