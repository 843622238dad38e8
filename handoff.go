package writ

import "time"

// A HandOff is one agent passing an incident on to another: context, never power. What the recipient asks for under it
// is still decided on the recipient's own registration and policy, and must lie within the hand-off besides. Hops form
// Writ's own tree: Lineage, not anything a token says, is what depth, loops and approvers' conflicts are judged by
// (RFC 8693 section 4.1 makes nested actors informational).
type HandOff struct {
	V         int           `json:"v"`
	ID        HandOffID     `json:"id"`
	Incident  IncidentID    `json:"incident"`
	From      Principal     `json:"from"`
	To        Principal     `json:"to"`
	Parent    HandOffID     `json:"parent,omitempty"` // the hop by which From got the incident; empty for the first
	Lineage   []Principal   `json:"lineage"`          // everybody who passed it on so far, the first first, From last
	Playbooks []string      `json:"playbooks"`        // exact names that may be asked for under it; sorted, never none
	MaxTier   Tier          `json:"max_tier"`         // of plans under it
	Evidence  []EvidenceRef `json:"evidence,omitempty"`
	Note      Commitment    `json:"note,omitzero"` // to the agent's words, which stay off the ledger
	At        time.Time     `json:"at"`
	Expires   time.Time     `json:"expires"` // until when plans may be asked for under it; those asked for live on
}

// Depth is the number of hops, from 1.
func (h HandOff) Depth() int { return len(h.Lineage) }

// A HandOffAsk asks for one.
type HandOffAsk struct {
	Incident  IncidentID   `json:"incident"`
	To        string       `json:"to"` // the recipient's registered name
	Parent    HandOffID    `json:"parent,omitempty"`
	Playbooks []string     `json:"playbooks"`
	MaxTier   Tier         `json:"max_tier"`
	Evidence  []EvidenceID `json:"evidence,omitempty"`
	Because   string       `json:"because,omitempty"` // the claim
	Seconds   int          `json:"seconds,omitempty"` // how long it can be taken up; 0 means the longest
}

// A HandOffStatus is a hand-off as a caller may see it.
type HandOffStatus struct {
	HandOff
	State    HandOffState `json:"state"`
	FromName string       `json:"from_name"` // registered names
	ToName   string       `json:"to_name"`
	Claim    string       `json:"claim,omitempty"` // the giver's words, not verified
}

// HandOffState is closed.
type HandOffState string

const (
	HandOffOpen    HandOffState = "open"
	HandOffRevoked HandOffState = "revoked" // with everything that was passed on from it
	HandOffExpired HandOffState = "expired" // shown, never stored: Expires says so
)
