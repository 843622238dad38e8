package writ

// EntryRecall is the kind of RecallBody: an approver took their own approval back before anything was changed.
const EntryRecall EntryKind = "approval.recall"

// A RecallBody names the approval that no longer counts. It needs no signature: it only ever takes power away.
type RecallBody struct {
	Approval   ApprovalID `json:"approval"`
	Digest     Digest     `json:"approval_digest"` // of statement and proof, as grants name it
	Plan       PlanID     `json:"plan"`
	PlanDigest Digest     `json:"plan_digest"`
	Approver   Person     `json:"approver"`      // whose approval it was, and who took it back
	Run        RunID      `json:"run,omitempty"` // that was granted on it, had not begun, and never will
}

// Codes of taking an approval back.
const (
	ReasonRecalled        Reason = "approval_recalled"  // its author took an approval that it rests on back
	ReasonNothingToRecall Reason = "nothing_to_recall"  // the caller has no approval on this plan that counts
	ReasonTooLateToRecall Reason = "too_late_to_recall" // the run has begun: stop it instead
)
