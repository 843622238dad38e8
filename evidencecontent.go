package writ

import (
	"fmt"

	"github.com/writ-dev/writ/internal/canon"
)

// EvidenceBlob is the name under which the bytes of a reading are committed to.
const EvidenceBlob = "evidence"

// maxEvidenceContent bounds the file of one reading: its bytes in base64, and what describes it.
const maxEvidenceContent = 1 << 20

// An EvidenceContent is a reading with its redacted bytes and the salt that opens its commitment. Whoever may read the
// bytes gets the salt with them, and can then prove to anybody who holds the ledger what was read, without asking Writ.
// Both are erased together; the commitment alone says nothing.
type EvidenceContent struct {
	Evidence Evidence `json:"evidence"`
	Bytes    []byte   `json:"bytes"`
	Salt     []byte   `json:"salt"` // SaltSize bytes
}

// ParseEvidenceContent takes the JSON of one reading in any white space and order of members, and nothing unknown,
// repeated or misspelt. It verifies nothing.
func ParseEvidenceContent(b []byte) (EvidenceContent, error) {
	var c EvidenceContent
	if len(b) > maxEvidenceContent {
		return c, fmt.Errorf("%w: evidence: larger than %d bytes", ErrInvalid, maxEvidenceContent)
	}
	if err := canon.ParseLoose(b, &c); err != nil {
		return EvidenceContent{}, fmt.Errorf("%w: evidence: %w", ErrInvalid, err)
	}
	if _, err := ParseEvidenceID(string(c.Evidence.ID)); err != nil {
		return EvidenceContent{}, err
	}
	return c, nil
}

// Opens reports whether bytes and salt are what the commitment was made of, by computing it anew.
func (c EvidenceContent) Opens(to Commitment) bool {
	if len(c.Salt) != SaltSize {
		return false
	}
	return Commit([SaltSize]byte(c.Salt), EvidenceBlob, c.Bytes).Equal(to)
}
