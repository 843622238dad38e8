package storetest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

func testReceipts(t *testing.T, e Engine) {
	f := start(t, e)
	v := f.signer.Verifier()
	var seen ledger.Head
	for i := range 20 {
		f.append(leafName(2*i), leafName(2*i+1))
		indexes, leaves := []int64{int64(2*i + 1), 0, int64(i), int64(2 * i)}, [][]byte{}
		for _, index := range indexes {
			leaves = append(leaves, []byte(leafName(int(index))))
		}
		rs, err := f.Receipts(f.ctx(), indexes, seen.Size)
		must(t, err)
		head, n, err := ledger.CheckReceipts(rs, leaves, v, seen)
		if err != nil || n != len(indexes) || head.Size < int64(2*i+2) {
			t.Fatalf("at %d entries: %d of %d receipts under %v, %v", 2*i+2, n, len(indexes), head, err)
		}
		seen = head
	}
	if rs, err := f.Receipts(f.ctx(), nil, 0); err != nil || len(rs) != 0 {
		t.Errorf("of nothing: %v %v", rs, err)
	}
	for _, wrong := range [][]int64{{0, 40}, {-1, 0}} {
		_, err := f.Receipts(f.ctx(), wrong, 0)
		wantErr(t, "an entry that does not exist", err, writ.ErrNotFound)
	}
	if _, err := f.Receipts(f.ctx(), []int64{0, 1}, 41); writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("a reader who has seen more: %v", err)
	}
}

func testReceipt(t *testing.T, e Engine) {
	f := start(t, e)
	v := f.signer.Verifier()
	var seen ledger.Head
	for i := range 40 {
		f.append(leafName(i))
		for _, index := range []int64{0, int64(i) / 2, int64(i)} {
			r, err := f.Receipt(f.ctx(), index, seen.Size)
			must(t, err)
			head, err := ledger.CheckReceipt(r, []byte(leafName(int(index))), v, seen)
			must(t, err)
			if head.Size <= index {
				t.Errorf("a receipt for %d under size %d", index, head.Size)
			}
			if _, err := ledger.CheckReceipt(r, []byte("other"), v, seen); writ.ReasonOf(err) != writ.ReasonNotInLedger {
				t.Errorf("another leaf: %v", err)
			}
			seen = head
		}
	}
	note, err := f.Checkpoint(f.ctx())
	must(t, err)
	if c, err := v.Open(note); err != nil || c.Size != 40 {
		t.Errorf("checkpoint: %+v %v", c, err)
	}
	_, err = f.Receipt(f.ctx(), 40, 0)
	wantErr(t, "an entry that does not exist", err, writ.ErrNotFound)
	_, err = f.Receipt(f.ctx(), 0, -1)
	wantErr(t, "a reader who has seen less than nothing", err, writ.ErrInvalid)
	if _, err := f.Receipt(f.ctx(), 0, 41); writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("a reader who has seen more: %v", err)
	}
	f.reopen()
	r, err := f.Receipt(f.ctx(), 39, seen.Size)
	must(t, err)
	if _, err := ledger.CheckReceipt(r, []byte(leafName(39)), v, seen); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func testAppend(t *testing.T, e Engine) {
	f := start(t, e)
	must(t, f.update(func(tx *store.Tx) error {
		for i := range 10 {
			index, hash, err := tx.Append([]byte(leafName(i)))
			if err != nil || index != int64(i) || !hash.Equal(ledger.LeafHash([]byte(leafName(i)))) {
				t.Errorf("%d: index %d, %s, %v", i, index, hash, err)
			}
		}
		_, _, err := tx.Append([]byte(leafName(3)))
		wantErr(t, "twice in one closure", err, writ.ErrConflict)
		return nil // the conflict spoils nothing
	}))
	wantErr(t, "twice", f.update(func(tx *store.Tx) error { _, _, err := tx.Append([]byte(leafName(3))); return err }), writ.ErrConflict)
	wantErr(t, "too large", f.update(func(tx *store.Tx) error { _, _, err := tx.Append(make([]byte, writ.MaxLeaf+1)); return err }), writ.ErrInvalid)
	wantErr(t, "empty", f.update(func(tx *store.Tx) error { _, _, err := tx.Append(nil); return err }), writ.ErrInvalid)
	f.view(func(tx *store.Tx) error {
		index, err := tx.IndexOf(ledger.LeafHash([]byte(leafName(7))))
		if err != nil || index != 7 {
			t.Errorf("index of leaf 7: %d %v", index, err)
		}
		_, err = tx.IndexOf(ledger.LeafHash([]byte("none")))
		wantErr(t, "index of no leaf", err, writ.ErrNotFound)
		_, err = tx.Leaf(10)
		wantErr(t, "leaf beyond the end", err, writ.ErrNotFound)
		if leaves, err := tx.Leaves(8, 10); err != nil || len(leaves) != 2 || string(leaves[1]) != leafName(9) {
			t.Errorf("leaves from 8: %q %v", leaves, err)
		}
		return nil
	})
	must(t, f.Verify(f.ctx()))
}

// alter changes the database behind the store's back.
func (f *fixture) alter(statements ...string) {
	f.t.Helper()
	must(f.t, f.e.Alter(f.dir, statements...))
}

// alterations are what a database administrator could do to entries 0 to 39 of the suite.
func alterations(e Engine) map[string][]string {
	return map[string][]string{
		"edit a leaf":     {"UPDATE entry SET leaf = " + e.Bytes([]byte{0}) + " WHERE idx = 20"},
		"edit a hash":     {"UPDATE entry SET hash = " + e.Bytes(junk(1)) + " WHERE idx = 20"},
		"edit a node":     {"UPDATE entry SET nodes = " + e.Bytes(junk(3)) + " WHERE idx = 23"},
		"drop a node":     {"UPDATE entry SET nodes = NULL WHERE idx = 23"},
		"delete":          {"DELETE FROM entry WHERE idx = 20"},
		"delete the tail": {"DELETE FROM entry WHERE idx >= 38"},
		"delete, close":   {"DELETE FROM entry WHERE idx = 20", "UPDATE entry SET idx = idx + 1000 WHERE idx > 20", "UPDATE entry SET idx = idx - 1001 WHERE idx > 20"},
		"reorder":         {"UPDATE entry SET idx = 99 WHERE idx = 20", "UPDATE entry SET idx = 20 WHERE idx = 21", "UPDATE entry SET idx = 21 WHERE idx = 99"},
	}
}

// junk is n hashes of nothing that the suite appends.
func junk(n int) []byte { return bytes.Repeat([]byte{0x5a}, 32*n) }

func testAltered(t *testing.T, e Engine) {
	for name, statements := range alterations(e) {
		t.Run(name, func(t *testing.T) {
			f := start(t, e)
			for i := range 40 {
				f.append(leafName(i))
			}
			must(t, f.Verify(f.ctx()))
			f.alter(statements...)
			if err := f.Verify(f.ctx()); writ.ReasonOf(err) != writ.ReasonLedgerFork {
				t.Errorf("want %s, got %v", writ.ReasonLedgerFork, err)
			}
		})
	}
}

func testAlteredHead(t *testing.T, e Engine) {
	for name, statement := range map[string]string{
		"the root of the first 32 entries": "UPDATE entry SET nodes = " + e.Bytes(junk(5)) + " WHERE idx = 31",
		"an entry in the middle is gone":   "DELETE FROM entry WHERE idx = 20",
		"the last entries are gone":        "DELETE FROM entry WHERE idx >= 38",
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, e)
			for i := range 40 {
				f.append(leafName(i))
			}
			_, err := f.Receipt(f.ctx(), 39, 0)
			must(t, err)
			must(t, f.Close())
			f.alter(statement)
			f.Store, err = f.e.Open(Setup{Dir: f.dir, Signer: f.signer})
			if writ.ReasonOf(err) != writ.ReasonLedgerFork {
				t.Errorf("want %s, got %v", writ.ReasonLedgerFork, err)
			}
		})
	}
}

func testRestored(t *testing.T, e Engine) {
	f := start(t, e)
	f.append("one", "two")
	_, err := f.Receipt(f.ctx(), 1, 0)
	must(t, err)
	must(t, f.Close())
	must(t, e.Backup(f.dir))
	f.Store = nil
	f.reopen()
	f.append("three")
	_, err = f.Receipt(f.ctx(), 2, 0)
	must(t, err)
	must(t, f.Close())
	must(t, e.Restore(f.dir))
	f.Store = nil
	_, err = f.e.Open(Setup{Dir: f.dir, Signer: f.signer})
	if writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("want %s, got %v", writ.ReasonLedgerFork, err)
	}
}

func testForgetful(t *testing.T, e Engine) {
	f := start(t, e)
	f.append("one", "two")
	_, err := f.Receipt(f.ctx(), 1, 0)
	must(t, err)
	must(t, f.Close()) // stores the checkpoint
	must(t, f.signer.Close())
	must(t, os.Remove(filepath.Join(f.dir, "signer.state")))
	fresh, err := newSigner(f.dir)
	must(t, err)
	t.Cleanup(func() { fresh.Close() })
	_, err = f.e.Open(Setup{Dir: f.dir, Signer: fresh})
	if writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("want %s, got %v", writ.ReasonLedgerFork, err)
	}
}

// A gate stands before a signer and can be shut, or made to lose answers.
type gate struct {
	ledger.Signer
	down   atomic.Bool
	losing atomic.Bool
	fork   atomic.Bool
}

func (g *gate) Sign(ctx context.Context, r ledger.SignRequest) ([]byte, error) {
	if g.down.Load() {
		return nil, writ.ErrUnavailable
	}
	if g.fork.Load() {
		return nil, writ.Refuse(writ.ReasonLedgerFork, "fork: somebody else has signed")
	}
	note, err := g.Signer.Sign(ctx, r)
	if err == nil && g.losing.CompareAndSwap(true, false) {
		return nil, writ.ErrUnavailable
	}
	return note, err
}

func startGated(t *testing.T, e Engine) (*fixture, *gate) {
	f := start(t, e)
	g := &gate{Signer: f.signer}
	must(t, f.Close())
	s, err := e.Open(Setup{Dir: f.dir, Signer: g})
	must(t, err)
	f.Store = s
	return f, g
}

func testSignerDown(t *testing.T, e Engine) {
	f, g := startGated(t, e)
	g.down.Store(true)
	f.append("one")
	short, cancel := context.WithTimeout(f.ctx(), 100*time.Millisecond)
	defer cancel()
	_, err := f.Receipt(short, 0, 0)
	wantErr(t, "a receipt while the signer is down", err, context.DeadlineExceeded)
	f.append("two")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r, err := f.Receipt(f.ctx(), 1, 0)
			if err == nil {
				_, err = ledger.CheckReceipt(r, []byte("two"), f.signer.Verifier(), ledger.Head{})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	g.down.Store(false)
	all.Wait()
}

func testLostAnswer(t *testing.T, e Engine) {
	f, g := startGated(t, e)
	for i := range 5 {
		g.losing.Store(true)
		f.append(leafName(i))
		r, err := f.Receipt(f.ctx(), int64(i), 0)
		must(t, err)
		_, err = ledger.CheckReceipt(r, []byte(leafName(i)), f.signer.Verifier(), ledger.Head{})
		must(t, err)
		if g.losing.Load() {
			t.Error("no answer was lost")
		}
	}
}

func testForkAtRunTime(t *testing.T, e Engine) {
	f, g := startGated(t, e)
	f.append("one")
	_, err := f.Receipt(f.ctx(), 0, 0)
	must(t, err)
	g.fork.Store(true)
	f.append("two")
	if _, err := f.Receipt(f.ctx(), 1, 0); writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("want %s, got %v", writ.ReasonLedgerFork, err)
	}
	if _, err := f.Checkpoint(f.ctx()); writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("checkpoint: want %s, got %v", writ.ReasonLedgerFork, err)
	}
	f.append("a denial is still recorded")
	if n := f.size(); n != 3 {
		t.Errorf("want 3 entries, got %d", n)
	}
}
