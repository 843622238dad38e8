// Package ledger is the form of Writ's log and its arithmetic: entries sealed by their authors, the Merkle tree of
// RFC 6962, signed checkpoints (C2SP tlog-checkpoint), receipts that a runner checks before it acts, and the bundle
// that an auditor verifies offline. docs/spec/ledger.md gives the formats.
//
// Everything here is pure: no clock, no randomness, no I/O. Functions are safe for concurrent use; an Edge is not.
package ledger

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// A Head is the size of a tree and its root hash. The zero Head is no tree at all; the empty tree has size 0 and the
// root SHA-256("").
type Head struct {
	Size int64       `json:"size"`
	Root writ.Digest `json:"root"`
}

// IsZero reports whether h names no tree.
func (h Head) IsZero() bool { return h.Size == 0 && h.Root.IsZero() }

// Equal compares size and root.
func (h Head) Equal(o Head) bool { return h.Size == o.Size && h.Root.Equal(o.Root) }

// String renders the head for errors.
func (h Head) String() string { return fmt.Sprintf("size %d, root %s", h.Size, h.Root) }
