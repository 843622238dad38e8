package runner_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/ledger"
)

// TestI12AGrantRestsOnItsOwnEntryOfItsOwnLog gives the runner, instead of the grant's entry, another one that is in the
// log, with a genuine receipt and under the control plane's own key.
func TestI12AGrantRestsOnItsOwnEntryOfItsOwnLog(t *testing.T) {
	for name, entry := range map[string]func(b writ.GrantBody, nonce string) (writ.Record, error){
		"of another kind": func(b writ.GrantBody, nonce string) (writ.Record, error) {
			return writ.NewRecord(origin, writ.EntryDeny, time.Now(), "", controlSelf, nonce, writ.DenyBody{What: "present", By: controlSelf, Reason: writ.ReasonSpent})
		},
		"made for another log": func(b writ.GrantBody, nonce string) (writ.Record, error) {
			return writ.NewRecord("ledger.writ.test/other", writ.EntryGrant, time.Now(), "", controlSelf, nonce, b)
		},
		"in another's name": func(b writ.GrantBody, nonce string) (writ.Record, error) {
			return writ.NewRecord(origin, writ.EntryGrant, time.Now(), "", agent, nonce, b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := w.grant(w.planned("one"))
				var leaf []byte
				var at int64
				g.body = func(b *writ.GrantBody) {
					nonce, err := ident.Nonce(rand.Reader)
					must(t, err)
					rec, err := entry(*b, nonce)
					must(t, err)
					leaf, err = ledger.Seal(rec, w.control.entry)
					must(t, err)
					w.control.mu.Lock()
					defer w.control.mu.Unlock()
					at = w.control.append(leaf)
				}
				g.bundle = func(b *assignment.Bundle) { b.GrantLeaf = leaf }
				w.control.TamperFor = func(a *assignment.Assignment) {
					if a.Run != nil {
						a.Run.Receipt = w.control.receipt(at, a.Run.Receipt.From)
					}
				}
				if a := w.await(w.send(g)); a.Refused == nil || a.Refused.Code != writ.ReasonNotInLedger {
					t.Errorf("answered %+v, want %s", a, writ.ReasonNotInLedger)
				}
				if calls, _ := w.target.calls(); calls != 0 || w.target.mints != 0 {
					t.Errorf("%d calls and %d leases", calls, w.target.mints)
				}
			})
		})
	}
}
