package runner

import (
	"fmt"

	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// parseHead reads the head that the journal keeps; nothing kept is the zero Head.
func parseHead(b []byte) (ledger.Head, error) {
	if len(b) == 0 {
		return ledger.Head{}, nil
	}
	var h ledger.Head
	if err := canon.Parse(b, &h); err != nil {
		return ledger.Head{}, fmt.Errorf("%w: ledger head: %v", journal.ErrDamaged, err)
	}
	return h, nil
}

// seen returns the newest head that this runner has checked.
func (r *Runner) seen() ledger.Head {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.head
}

// setSeen remembers a head that the journal already holds. The caller holds wire.
func (r *Runner) setSeen(h ledger.Head) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.head = h
}
