package writ

import "time"

// What people write beside a repair, and what they ask for.
const (
	EntryNote        EntryKind = "note"         // a person wrote a note on an incident
	EntryEvidenceAsk EntryKind = "evidence.ask" // a person asked for more evidence before they answer a plan
	EntryPlaybook    EntryKind = "playbook"     // a person retired a playbook
)

// Bodies of these entries. The words stand off the ledger, behind their commitments.
type (
	NoteBody struct {
		By   Principal  `json:"by"`
		Text Commitment `json:"text"`
		Size int        `json:"size"` // bytes
	}
	EvidenceAskBody struct {
		Plan PlanID     `json:"plan"`
		By   Principal  `json:"by"`
		Text Commitment `json:"text"`
	}
	PlaybookBody struct {
		Playbook PlaybookRef `json:"playbook"` // the newest version that is retired; those before it are too
		Retired  bool        `json:"retired"`
		By       Principal   `json:"by"`
		Ended    int         `json:"ended"` // open plans that this took back
	}
)

// A Note is what a person wrote on an incident. It is nobody's evidence, and no agent sees it.
type Note struct {
	Index int64     `json:"index"` // of its entry in the ledger
	By    Principal `json:"by"`
	At    time.Time `json:"at"`
	Text  string    `json:"text"` // empty once it has been erased
}

// MaxNote bounds a note, in characters: a page that is printed.
const MaxNote = 4000

// An EvidenceAsk is a person's wish to see more before they answer a plan. It changes nothing about the plan.
type EvidenceAsk struct {
	By   Principal `json:"by,omitzero"` // people only
	At   time.Time `json:"at"`
	Text string    `json:"text,omitempty"` // in one plan's status alone, not in lists
}

// MaxEvidenceAsk bounds what is asked for, in characters: it stands in an agent's answer, beside the plan's state and next step.
const MaxEvidenceAsk = 400
