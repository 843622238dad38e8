package writ

import (
	"time"

	"github.com/writ-dev/writ/internal/canon"
)

// A PlaybookRef names one version of a playbook by content, never by name alone.
type PlaybookRef struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Digest  Digest `json:"digest"` // of the playbook's source bytes
}

// A Proposal is what an agent or a person asks for: one playbook with parameters, for one incident, citing evidence.
// The claim is free text and stays off the ledger.
type Proposal struct {
	V          int           `json:"v"`
	ID         ProposalID    `json:"id"`
	Incident   IncidentID    `json:"incident"`
	By         Principal     `json:"by"`
	Playbook   PlaybookRef   `json:"playbook"`
	Parameters Parameters    `json:"parameters,omitempty"`
	Evidence   []EvidenceRef `json:"evidence,omitempty"`
	Claim      Commitment    `json:"claim,omitzero"`
	Reverts    RunID         `json:"reverts,omitempty"`   // the run that it is to put back; made by the control plane for a person
	HandOff    HandOffID     `json:"hand_off,omitempty"`  // by which By got the incident
	Lineage    []Principal   `json:"lineage,omitempty"`   // of that hand-off
	Emergency  *Emergency    `json:"emergency,omitempty"` // it is break-glass, for a person
	Holder     string        `json:"holder,omitempty"`    // RFC 7638 thumbprint of the agent's key, for a grant in mode key
	DryRun     bool          `json:"dry_run,omitempty"`   // it is to be planned and decided only
	At         time.Time     `json:"at"`
}

// Digest is taken over the canonical form.
func (p Proposal) Digest() (Digest, error) { return digestOf(p) }

func digestOf(v any) (Digest, error) {
	b, err := canon.Marshal(v)
	if err != nil {
		return Digest{}, err
	}
	return DigestOf(b), nil
}
