package ledger

import (
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// A Bundle is what an auditor gets: a signed checkpoint with all entries under it, or with some of them and the proof
// of each. Package verify judges it.
type Bundle struct {
	V          int           `json:"v"`
	Origin     string        `json:"origin"`
	Checkpoint string        `json:"checkpoint"` // signed note
	Entries    []BundleEntry `json:"entries"`    // by index
	Blobs      []BundleBlob  `json:"blobs,omitempty"`
}

// A BundleEntry is one leaf. In a partial bundle it has its inclusion proof.
type BundleEntry struct {
	Index int64         `json:"index"`
	Leaf  []byte        `json:"leaf"`
	Proof []writ.Digest `json:"proof,omitempty"`
}

// A BundleBlob discloses content that an entry commits to.
type BundleBlob struct {
	Commit  writ.Commitment `json:"commit"`
	Name    string          `json:"name"`
	Salt    []byte          `json:"salt"`
	Content []byte          `json:"content"`
}

// MaxBundle bounds what ParseBundle reads: some 100,000 entries. A larger log is exported in parts.
const MaxBundle = 256 << 20

// Export makes a complete bundle: leaves are all entries under the checkpoint, in order.
func Export(origin string, checkpoint []byte, leaves [][]byte) Bundle {
	b := Bundle{V: writ.FormatVersion, Origin: origin, Checkpoint: string(checkpoint), Entries: make([]BundleEntry, len(leaves))}
	for i, l := range leaves {
		b.Entries[i] = BundleEntry{Index: int64(i), Leaf: l}
	}
	return b
}

// ExportSome makes a partial bundle of the entries at indexes, ascending, with their proofs in the tree of the
// checkpoint, whose size is size.
func ExportSome(origin string, checkpoint []byte, size int64, indexes []int64, leaf func(int64) ([]byte, error), nodes Nodes) (Bundle, error) {
	b := Bundle{V: writ.FormatVersion, Origin: origin, Checkpoint: string(checkpoint), Entries: make([]BundleEntry, 0, len(indexes))}
	for _, i := range indexes {
		l, err := leaf(i)
		if err != nil {
			return Bundle{}, err
		}
		p, err := ProveInclusion(i, size, nodes)
		if err != nil {
			return Bundle{}, err
		}
		b.Entries = append(b.Entries, BundleEntry{i, l, p})
	}
	return b, nil
}

// Bytes returns the bundle's canonical JSON.
func (b Bundle) Bytes() ([]byte, error) {
	if b.Entries == nil {
		b.Entries = []BundleEntry{}
	}
	return canon.Marshal(b)
}

// ParseBundle takes a bundle in any white space and order of members, and nothing unknown, repeated or misspelt. It
// verifies nothing.
func ParseBundle(raw []byte) (Bundle, error) {
	var b Bundle
	if len(raw) > MaxBundle {
		return b, fmt.Errorf("%w: bundle: larger than %d bytes", writ.ErrInvalid, MaxBundle)
	}
	if err := canon.ParseLoose(raw, &b); err != nil {
		return Bundle{}, fmt.Errorf("%w: bundle: %w", writ.ErrInvalid, err)
	}
	if b.V != writ.FormatVersion {
		return Bundle{}, fmt.Errorf("%w: bundle: version %d", writ.ErrInvalid, b.V)
	}
	return b, nil
}
