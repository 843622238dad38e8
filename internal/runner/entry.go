package runner

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// What an entry's refs mean.
const (
	relProposal = "proposal"
	relGrant    = "grant"
	relIntent   = "intent"
	relLease    = "lease"
)

// seal makes one entry of this runner. Each nonce is fresh, so that no two entries have the same leaf.
func (r *Runner) seal(log string, kind writ.EntryKind, task writ.IncidentID, body any, refs ...writ.Ref) (journal.Entry, writ.Digest, error) {
	nonce, err := ident.Nonce(r.Rand)
	if err != nil {
		return journal.Entry{}, writ.Digest{}, err
	}
	rec, err := writ.NewRecord(log, kind, r.Now(), task, r.ID.Principal(), nonce, body, refs...)
	if err != nil {
		return journal.Entry{}, writ.Digest{}, err
	}
	leaf, err := ledger.Seal(rec, r.Author)
	if err != nil {
		return journal.Entry{}, writ.Digest{}, err
	}
	return journal.Entry{Leaf: leaf}, ledger.LeafHash(leaf), nil
}

// ref names an earlier entry; a zero leaf names none.
func ref(rel string, leaf writ.Digest) []writ.Ref {
	if leaf.IsZero() {
		return nil
	}
	return []writ.Ref{{Rel: rel, Leaf: leaf}}
}
