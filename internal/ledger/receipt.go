package ledger

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
)

// A Receipt proves that an entry is in the log under a signed checkpoint, and that this checkpoint extends one that
// the reader has seen before. Without one nothing acts (invariant I01).
type Receipt struct {
	Index       int64         `json:"index"`
	Leaf        writ.Digest   `json:"leaf"` // leaf hash
	Proof       []writ.Digest `json:"proof,omitempty"`
	Checkpoint  []byte        `json:"checkpoint"` // signed note
	From        int64         `json:"from,omitempty"`
	Consistency []writ.Digest `json:"consistency,omitempty"` // from size From to the checkpoint
}

// CheckReceipt checks that r proves leaf to be in the log of v, in a tree that extends seen, and returns the new head
// to remember. The zero Head means that nothing has been seen. On error the head is seen, unchanged, and the error
// is a writ.Refusal: ReasonReceipt when the receipt is malformed, not signed by the log, or older than or not made for
// what was seen (ask again with seen.Size); ReasonNotInLedger when it does not prove the leaf; ReasonLedgerFork when
// the log has been rewritten.
func CheckReceipt(r Receipt, leaf []byte, v Verifier, seen Head) (Head, error) {
	c, err := v.Open(r.Checkpoint)
	if err != nil {
		return seen, refuse(writ.ReasonReceipt, err)
	}
	head := c.Head()
	switch {
	case head.Size < seen.Size:
		return seen, writ.Refuse(writ.ReasonReceipt, fmt.Sprintf("the checkpoint of size %d is older than the one seen, of size %d", head.Size, seen.Size))
	case r.From != seen.Size:
		return seen, writ.Refuse(writ.ReasonReceipt, fmt.Sprintf("the consistency proof starts at size %d, seen is %d", r.From, seen.Size))
	}
	if err := CheckConsistency(seen, head, r.Consistency); err != nil {
		return seen, refuse(writ.ReasonLedgerFork, err)
	}
	if err := r.proves(leaf, head); err != nil {
		return seen, err
	}
	return head, nil
}

// proves checks that r proves leaf to be in the tree of head.
func (r Receipt) proves(leaf []byte, head Head) error {
	hash := LeafHash(leaf)
	if !r.Leaf.Equal(hash) {
		return writ.Refuse(writ.ReasonNotInLedger, "the receipt is for another entry")
	}
	if err := CheckInclusion(hash, r.Index, head, r.Proof); err != nil {
		return refuse(writ.ReasonNotInLedger, err)
	}
	return nil
}

// CheckReceipts is CheckReceipt for several entries that were answered together. It takes them from the first one on, as
// long as they prove one and the same head, and returns it with their number: no two heads are believed without proof
// that one extends the other. What proves another head is not an error; it is to be asked for again, from this head. On
// error none is taken.
func CheckReceipts(rs []Receipt, leaves [][]byte, v Verifier, seen Head) (head Head, taken int, err error) {
	if len(rs) > len(leaves) {
		return seen, 0, writ.Refuse(writ.ReasonReceipt, "more receipts than entries")
	}
	head = seen
	for i, r := range rs {
		next := head
		if i > 0 && r.under(rs[0]) {
			err = r.proves(leaves[i], head)
		} else {
			next, err = CheckReceipt(r, leaves[i], v, seen)
		}
		if err != nil {
			return seen, 0, err
		}
		if i > 0 && !next.Equal(head) {
			return head, i, nil
		}
		head = next
	}
	return head, len(rs), nil
}

// under reports whether r says the same as first about checkpoint and consistency: then they are checked once.
func (r Receipt) under(first Receipt) bool {
	return r.From == first.From && bytes.Equal(r.Checkpoint, first.Checkpoint) && slices.Equal(r.Consistency, first.Consistency)
}

func refuse(code writ.Reason, err error) error {
	return writ.Refuse(code, writ.Printable(err.Error(), maxDetail))
}

// maxDetail keeps a refusal to a sentence or two, whatever it quotes.
const maxDetail = 400
