package control

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// aheadFor is how long an entry that was sealed ahead may wait for its transaction; then it is made anew. The verifier lets an
// author's times be out of order by ten seconds.
const aheadFor = time.Second

// An ahead is an entry that is being sealed before the transaction that appends it: the writer, which is everybody's, has other
// things to do meanwhile.
type ahead struct {
	task   writ.IncidentID
	at     time.Time
	sealed chan struct{} // closed when the rest is there
	leaf   []byte
	read   func() error
	err    error
}

// ahead begins to seal a record of the control plane's own.
func (c *Control) ahead(kind writ.EntryKind, task writ.IncidentID, body any, refs ...writ.Ref) *ahead {
	a := &ahead{task: task, at: c.Now(), sealed: make(chan struct{})}
	go func() {
		defer close(a.sealed)
		var rec writ.Record
		if rec, a.err = c.record(kind, a.at, task, body, refs...); a.err == nil {
			a.leaf, a.read, a.err = ledger.SealAhead(rec, c.Author)
		}
	}()
	return a
}

// fresh reports whether the entry may still be appended.
func (a *ahead) fresh(now time.Time) bool {
	age := now.Sub(a.at)
	return age >= 0 && age < aheadFor
}

// append appends the entry in tx, and lists it under its incident. The transaction may be kept only when read returns nil.
func (a *ahead) append(tx *store.Tx) (e entry, read func() error, err error) {
	index := tx.Head()
	if err := tx.Insert(store.Timeline, TimelineRow(index, a.task)); err != nil {
		return entry{}, nil, err
	}
	<-a.sealed
	if a.err != nil {
		return entry{}, nil, a.err
	}
	i, h, err := tx.Append(a.leaf)
	if err == nil && i != index {
		err = fmt.Errorf("%w: entry %d is at %d", writ.ErrUnavailable, index, i)
	}
	return entry{i, h, a.leaf}, a.read, err
}

// record makes a record of the control plane's own.
func (c *Control) record(kind writ.EntryKind, at time.Time, task writ.IncidentID, body any, refs ...writ.Ref) (writ.Record, error) {
	nonce, err := ident.Nonce(c.Rand)
	if err != nil {
		return writ.Record{}, err
	}
	return writ.NewRecord(c.Origin, kind, at, task, c.self, nonce, body, refs...)
}
