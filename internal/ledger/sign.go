package ledger

import (
	"context"

	"github.com/writ-dev/writ"
)

// A SignRequest asks for a signature over Next, with the proof that it extends the tree of size From.
type SignRequest struct {
	Origin string        `json:"origin"`
	Next   Head          `json:"next"`
	From   int64         `json:"from,omitempty"`
	Proof  []writ.Digest `json:"proof,omitempty"`
}

// A Signer holds a log's checkpoint key and remembers the last head that it signed. Sign makes the new head durable
// before it returns the note, and refuses (ReasonLedgerFork) whatever does not provably extend the last one; the same
// head again gives the same note. When From is not the size of the last head it returns writ.ErrStale and has done
// nothing: ask Head again. It returns writ.ErrUnavailable when it cannot be reached; the caller retries. Methods may be
// called concurrently.
type Signer interface {
	Verifier() Verifier
	Head(ctx context.Context) (Head, error) // size 0 when it has signed nothing
	Sign(ctx context.Context, r SignRequest) (note []byte, err error)
}
