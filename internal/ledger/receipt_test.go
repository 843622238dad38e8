package ledger_test

import (
	"crypto/ed25519"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
)

var cryptoOpts = ed25519.Options{}

func TestI01AReceiptProvesItsEntryAndMovesTheHead(t *testing.T) {
	l := grow(20)
	v := verifier(t, origin, key(1))
	for seen := range int64(21) {
		for size := max(seen, 1); size <= 20; size++ {
			r := l.receipt(t, size-1, seen, size)
			before := l.heads[seen]
			if seen == 0 {
				before = ledger.Head{} // nothing seen
			}
			head, err := ledger.CheckReceipt(r, l.leaves[size-1], v, before)
			if err != nil || !head.Equal(l.heads[size]) {
				t.Fatalf("seen %d, now %d: %v %v", seen, size, head, err)
			}
		}
	}
}

func TestI01WhatIsNoProofIsRefused(t *testing.T) {
	l, fork := grow(20), newLog()
	for i := range 20 {
		fork.append([]byte{byte(i)})
	}
	v := verifier(t, origin, key(1))
	leaf := l.leaves[7]
	good := func() ledger.Receipt { return l.receipt(t, 7, 5, 20) }
	change := func(f func(*ledger.Receipt)) ledger.Receipt { r := good(); f(&r); return r }
	for name, c := range map[string]struct {
		r    ledger.Receipt
		leaf []byte
		seen ledger.Head
		want writ.Reason
	}{
		"nothing": {ledger.Receipt{}, leaf, l.heads[5], writ.ReasonReceipt},
		"another log's key": {change(func(r *ledger.Receipt) {
			r.Checkpoint = signed(t, ledger.Checkpoint{Origin: origin, Size: 20, Root: l.heads[20].Root}, 2)
		}), leaf, l.heads[5], writ.ReasonReceipt},
		"another log": {change(func(r *ledger.Receipt) {
			r.Checkpoint = signed(t, ledger.Checkpoint{Origin: "x", Size: 20, Root: l.heads[20].Root}, 1)
		}), leaf, l.heads[5], writ.ReasonReceipt},
		"an older checkpoint":            {l.receipt(t, 7, 5, 10), leaf, l.heads[15], writ.ReasonReceipt},
		"an older checkpoint, honestly":  {change(func(r *ledger.Receipt) { *r = l.receipt(t, 7, 0, 10); r.From = 15 }), leaf, l.heads[15], writ.ReasonReceipt},
		"a proof from another head":      {l.receipt(t, 7, 4, 20), leaf, l.heads[5], writ.ReasonReceipt},
		"no proof from the seen head":    {l.receipt(t, 7, 0, 20), leaf, l.heads[5], writ.ReasonReceipt},
		"a fork at the same size":        {fork.receipt(t, 7, 20, 20), fork.leaves[7], l.heads[20], writ.ReasonLedgerFork},
		"a fork beyond":                  {fork.receipt(t, 7, 5, 20), fork.leaves[7], l.heads[5], writ.ReasonLedgerFork},
		"a consistency proof cut short":  {change(func(r *ledger.Receipt) { r.Consistency = r.Consistency[1:] }), leaf, l.heads[5], writ.ReasonLedgerFork},
		"no consistency proof":           {change(func(r *ledger.Receipt) { r.Consistency = nil }), leaf, l.heads[5], writ.ReasonLedgerFork},
		"another leaf":                   {good(), l.leaves[8], l.heads[5], writ.ReasonNotInLedger},
		"another leaf, and it says so":   {change(func(r *ledger.Receipt) { r.Leaf = ledger.LeafHash(l.leaves[8]) }), l.leaves[8], l.heads[5], writ.ReasonNotInLedger},
		"a leaf hash that is not":        {change(func(r *ledger.Receipt) { r.Leaf = writ.Digest{} }), leaf, l.heads[5], writ.ReasonNotInLedger},
		"another place":                  {change(func(r *ledger.Receipt) { r.Index = 6 }), leaf, l.heads[5], writ.ReasonNotInLedger},
		"a place beyond the end":         {change(func(r *ledger.Receipt) { r.Index = 20 }), leaf, l.heads[5], writ.ReasonNotInLedger},
		"a place before the beginning":   {change(func(r *ledger.Receipt) { r.Index = -1 }), leaf, l.heads[5], writ.ReasonNotInLedger},
		"an audit path cut short":        {change(func(r *ledger.Receipt) { r.Proof = r.Proof[1:] }), leaf, l.heads[5], writ.ReasonNotInLedger},
		"an audit path too long":         {change(func(r *ledger.Receipt) { r.Proof = append(r.Proof, r.Leaf) }), leaf, l.heads[5], writ.ReasonNotInLedger},
		"an audit path of another entry": {change(func(r *ledger.Receipt) { r.Proof = l.receipt(t, 8, 5, 20).Proof }), leaf, l.heads[5], writ.ReasonNotInLedger},
	} {
		head, err := ledger.CheckReceipt(c.r, c.leaf, v, c.seen)
		if writ.ReasonOf(err) != c.want || !head.Equal(c.seen) {
			t.Errorf("%s: want %s, got %v; head %v", name, c.want, err, head)
		}
	}
	if _, err := ledger.CheckReceipt(good(), leaf, v, l.heads[5]); err != nil {
		t.Errorf("the honest one: %v", err)
	}
}

func BenchmarkCheckReceipt(b *testing.B) {
	l := grow(5000)
	r, v := l.receipt(b, 2500, 4000, 5000), verifier(b, origin, key(1))
	for b.Loop() {
		if _, err := ledger.CheckReceipt(r, l.leaves[2500], v, l.heads[4000]); err != nil {
			b.Fatal(err)
		}
	}
}

// A receipt that shares its checkpoint with the one before is believed no more than it proves itself.
func TestI01EachReceiptOfADeliveryIsChecked(t *testing.T) {
	l := grow(20)
	v := verifier(t, origin, key(1))
	good := func() ([]ledger.Receipt, [][]byte) {
		return []ledger.Receipt{l.receipt(t, 7, 5, 20), l.receipt(t, 9, 5, 20), l.receipt(t, 3, 5, 20)}, [][]byte{l.leaves[7], l.leaves[9], l.leaves[3]}
	}
	rs, leaves := good()
	if head, n, err := ledger.CheckReceipts(rs, leaves, v, l.heads[5]); err != nil || n != 3 || !head.Equal(l.heads[20]) {
		t.Fatalf("the honest ones: %v %d %v", head, n, err)
	}
	if head, n, err := ledger.CheckReceipts(nil, leaves, v, l.heads[5]); err != nil || n != 0 || !head.Equal(l.heads[5]) {
		t.Errorf("none: %v %d %v", head, n, err)
	}
	for name, c := range map[string]struct {
		change func([]ledger.Receipt)
		taken  int
		want   writ.Reason
	}{
		"another leaf":                     {func(r []ledger.Receipt) { r[1] = l.receipt(t, 8, 5, 20) }, 0, writ.ReasonNotInLedger},
		"another leaf, and it says so":     {func(r []ledger.Receipt) { r[1].Leaf = ledger.LeafHash(l.leaves[8]) }, 0, writ.ReasonNotInLedger},
		"another place":                    {func(r []ledger.Receipt) { r[1].Index = 8 }, 0, writ.ReasonNotInLedger},
		"no audit path":                    {func(r []ledger.Receipt) { r[2].Proof = nil }, 0, writ.ReasonNotInLedger},
		"the audit path of the one before": {func(r []ledger.Receipt) { r[1].Proof = r[0].Proof }, 0, writ.ReasonNotInLedger},
		"another consistency proof":        {func(r []ledger.Receipt) { r[1].Consistency = nil }, 0, writ.ReasonLedgerFork},
		"another start":                    {func(r []ledger.Receipt) { r[1].From = 4 }, 0, writ.ReasonReceipt},
		"a checkpoint of nobody":           {func(r []ledger.Receipt) { r[1].Checkpoint = []byte("x") }, 0, writ.ReasonReceipt},
		"a later head, proved":             {func(r []ledger.Receipt) { r[0] = l.receipt(t, 7, 5, 19) }, 1, ""},
		"an earlier head, proved":          {func(r []ledger.Receipt) { r[1] = l.receipt(t, 9, 5, 19) }, 1, ""},
	} {
		rs, leaves := good()
		c.change(rs)
		if _, n, err := ledger.CheckReceipts(rs, leaves, v, l.heads[5]); n != c.taken || writ.ReasonOf(err) != c.want {
			t.Errorf("%s: %d taken, %v", name, n, err)
		}
	}
	if _, _, err := ledger.CheckReceipts(rs, leaves[:2], v, l.heads[5]); writ.ReasonOf(err) != writ.ReasonReceipt {
		t.Errorf("more receipts than entries: %v", err)
	}
}
