package writ

import "time"

// Bodies of the entries about changes of the policy set, and about questions that change nothing.
type (
	PolicyChangeBody struct {
		Change   PolicyChangeID `json:"change"`
		Digest   Digest         `json:"change_digest"`
		Proposer Person         `json:"proposer"`
		Base     PolicyName     `json:"base"`
		Next     PolicyName     `json:"next"`
		Restores int64          `json:"restores,omitempty"`
		Signers  []string       `json:"signers"`
		Needs    PolicyNeeds    `json:"needs"`
		NotAfter time.Time      `json:"not_after"`
		Because  Commitment     `json:"because,omitzero"`
	}
	PolicyApprovalBody struct {
		Approval  ApprovalID     `json:"approval"`
		Change    PolicyChangeID `json:"change"`
		Digest    Digest         `json:"change_digest"`
		Answer    Answer         `json:"answer"`
		Approver  Person         `json:"approver"`
		Proof     ProofLevel     `json:"proof"`
		Key       string         `json:"key"`
		Statement []byte         `json:"statement"`
		Signature string         `json:"signature,omitempty"`
		Passkey   *Assertion     `json:"passkey,omitempty"`
	}
	PolicyEndBody struct {
		Change PolicyChangeID    `json:"change"`
		State  PolicyChangeState `json:"state"`
		Reason Reason            `json:"reason"`
		By     Principal         `json:"by,omitzero"` // who withdrew it
	}
	// AdviceBody is a question what policy would say, which grants nothing.
	AdviceBody struct {
		By       Principal  `json:"by"`
		Subject  Principal  `json:"subject"`
		Action   string     `json:"action"`
		Service  string     `json:"service"`
		Incident IncidentID `json:"incident,omitempty"`
		Plan     PlanID     `json:"plan,omitempty"`
		Verdict  Verdict    `json:"verdict"`
		Reason   Reason     `json:"reason"`
		Policy   Digest     `json:"policy,omitzero"`
	}
	// SimulationBody is a replay of recorded decisions under another set, which puts nothing in force.
	SimulationBody struct {
		By        Principal      `json:"by"`
		Policy    Digest         `json:"policy"` // of the set that was tried
		Decisions int            `json:"decisions"`
		Counts    map[string]int `json:"counts,omitempty"`
		Entries   int64          `json:"entries"` // of the ledger, when it was made
	}
)

// Kinds of those entries.
const (
	EntryPolicyChange   EntryKind = "policy.change"   // somebody proposed to put another set in force
	EntryPolicyApproval EntryKind = "policy.approval" // a person's signed answer to that
	EntryPolicyEnd      EntryKind = "policy.end"      // it ended without being put in force
	EntryAdvice         EntryKind = "advice"          // somebody asked what policy would say
	EntrySimulation     EntryKind = "simulation"      // recorded decisions were decided again under another set
)
