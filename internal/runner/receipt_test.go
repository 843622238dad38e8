package runner_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/receipt"
)

// receipts returns the receipts in the ledger, in the order of their entries, each verified under the runner's key.
func (w *world) receipts() (out []receipt.Receipt, digests []writ.Digest) {
	w.t.Helper()
	for _, e := range w.control.entries() {
		if b, ok := e.Body.(*writ.ReceiptBody); ok {
			s, err := receipt.Open(b.Envelope, receipt.Key(w.author.Key.Public().(ed25519.PublicKey)))
			must(w.t, err)
			out, digests = append(out, s.Predicate), append(digests, writ.DigestOf(b.Envelope))
		}
	}
	return out, digests
}

func TestR33EveryRunEndsWithAReceiptThatFollowsTheOneBefore(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("two"))
		w.execute(g)
		w.stop()
		w.start() // the chain goes on in the next process
		w.target.reset()
		w.target.Unhelpful = true
		w.execute(w.grant(w.planned("one")))
		w.stop()
		all, digests := w.receipts()
		if len(all) != 2 {
			t.Fatalf("%d receipts, want 2: %s", len(all), w.kinds())
		}
		first, second := all[0], all[1]
		if first.Run != g.run || first.State != writ.RunSucceeded || first.Outcome != writ.Applied || first.Agrees != receipt.Agrees || first.Undo != g.run ||
			first.Authority.Grant != g.claims.ID || first.Authority.Decision != g.claims.Writ.Decision || len(first.Steps) != 2 {
			t.Errorf("%+v", first)
		}
		for i, s := range first.Steps {
			call, err := receipt.CallDigest(g.plan.Steps[i].Call)
			must(t, err)
			if !s.Call.Equal(call) || !s.Before.Equal(g.plan.Steps[i].Inverse.Preimage) || s.After.IsZero() || !s.Begun || s.Outcome != writ.Applied {
				t.Errorf("step %d: %+v", i+1, s)
			}
		}
		if second.State != writ.RunUndone || second.Outcome != writ.NotApplied || second.Undo != "" || second.Steps[0].Undone == nil || !second.Steps[0].Undone.Restored {
			t.Errorf("of a run that was put back: %+v", second)
		}
		if first.Seq != 1 || !first.Previous.IsZero() || second.Seq != 2 || !second.Previous.Equal(digests[0]) || first.Instance != second.Instance {
			t.Errorf("the chain: %d after %s, then %d after %s", first.Seq, first.Previous, second.Seq, second.Previous)
		}
	})
}

func TestR33ARunWhoseOutcomeIsUnknownSaysSoInItsReceipt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		w.target.LoseAnswer["1"], w.target.Blind = true, true
		w.execute(w.grant(w.planned("one")))
		w.stop()
		all, _ := w.receipts()
		if len(all) != 1 || all[0].State != writ.RunUncertain || all[0].Outcome != writ.Unknown || all[0].Agrees != receipt.CannotSay || all[0].Undo != "" {
			t.Errorf("%+v", all)
		}
	})
}
