package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// RunShared runs what an engine promises whose store several processes have open at once.
func RunShared(t *testing.T, e Engine) {
	run(t, e, map[string]func(*testing.T, Engine){
		"D12 transactions of replicas are alone and see all earlier ones":        testReplicas,
		"a commit of one replica wakes those who wait on another":                testChangedElsewhere,
		"work whose notification is lost is found by the poll":                   testLostNotification,
		"a replica proves entries of another that cannot reach the signer":       testReceiptElsewhere,
		"a replica that stops in a transaction holds the others up for a moment": testStalled,
		"I17 a database that went back is refused at run time":                   testWentBack,
		"I17 a head that the entries do not lead to is refused at run time":      testForgedHead,
	})
}

// pair is two replicas on one store.
func pair(t *testing.T, e Engine) (a, b *fixture) {
	t.Helper()
	a = start(t, e)
	return a, a.replica(a.signer)
}

// replica opens the store once more.
func (f *fixture) replica(s ledger.Signer) *fixture {
	f.t.Helper()
	r := &fixture{t: f.t, e: f.e, dir: f.dir, signer: f.signer}
	var err error
	r.Store, err = f.e.Open(Setup{Dir: f.dir, Signer: s})
	must(f.t, err)
	f.t.Cleanup(r.end)
	return r
}

func testReplicas(t *testing.T, e Engine) {
	a, b := pair(t, e)
	type count struct{ N int }
	must(t, a.update(func(tx *store.Tx) error { return store.Create(tx, store.Leases, row("count"), count{}) }))
	each := rounds(60, 15)
	var all sync.WaitGroup
	for worker := range 8 {
		f := []*fixture{a, b}[worker%2]
		all.Go(func() {
			for i := range each {
				err := f.update(func(tx *store.Tx) error {
					c, r, err := store.Load[count](tx, store.Leases, "count")
					if err != nil {
						return err
					}
					index, _, err := tx.Append([]byte(fmt.Sprintf("%d/%d", worker, i)))
					if err != nil {
						return err
					}
					if index != int64(c.N) {
						return fmt.Errorf("entry %d goes with count %d", index, c.N)
					}
					return store.Save(tx, store.Leases, r, "s", count{c.N + 1})
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for _, f := range []*fixture{a, b} {
		if n := f.size(); n != int64(8*each) {
			t.Errorf("%d entries of %d", n, 8*each)
		}
		last, err := f.Receipt(f.ctx(), int64(8*each-1), 0)
		must(t, err)
		var leaf []byte
		f.view(func(tx *store.Tx) (err error) { leaf, err = tx.Leaf(last.Index); return err })
		_, err = ledger.CheckReceipt(last, leaf, f.signer.Verifier(), ledger.Head{})
		must(t, err)
		must(t, f.Verify(f.ctx()))
	}
}

func testChangedElsewhere(t *testing.T, e Engine) {
	a, b := pair(t, e)
	n := int64(rounds(100, 20))
	ctx := b.ctx()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			next := b.Changed()
			var size int64
			if err := b.View(ctx, func(tx *store.Tx) error { size = tx.Head(); return nil }); err != nil {
				t.Error(err)
				return
			}
			if size == n {
				return
			}
			select {
			case <-next:
			case <-ctx.Done():
				t.Errorf("a wake-up was lost at size %d", size)
				return
			}
		}
	}()
	for i := range n {
		a.append(leafName(int(i)))
	}
	<-done
}

func testLostNotification(t *testing.T, e Engine) {
	f := start(t, e)
	f.append("one")
	for range 3 {
		next := f.Changed()
		f.alter("UPDATE tree_head SET commits = commits + 1") // a commit that nobody notifies of
		select {
		case <-next:
		case <-f.ctx().Done():
			t.Fatal("nobody looked")
		}
	}
}

func testReceiptElsewhere(t *testing.T, e Engine) {
	a := start(t, e)
	g := &gate{Signer: a.signer}
	b := a.replica(g)
	g.down.Store(true)
	var seen ledger.Head
	for i := range 10 {
		b.append(leafName(i))
		r, err := a.Receipt(a.ctx(), int64(i), seen.Size)
		must(t, err)
		seen, err = ledger.CheckReceipt(r, []byte(leafName(i)), a.signer.Verifier(), seen)
		must(t, err)
		// The one without a signer hears of the checkpoint, and gives the same proof.
		r, err = b.Receipt(b.ctx(), int64(i), seen.Size)
		must(t, err)
		_, err = ledger.CheckReceipt(r, []byte(leafName(i)), a.signer.Verifier(), seen)
		must(t, err)
	}
}

// testStalled holds a transaction of one replica open, as a process that was stopped would.
func testStalled(t *testing.T, e Engine) {
	a, b := pair(t, e)
	held, release := make(chan struct{}), make(chan struct{})
	stalled := make(chan error, 1)
	go func() {
		stalled <- a.Update(t.Context(), func(tx *store.Tx) error {
			if _, _, err := tx.Append([]byte("stalled")); err != nil {
				return err
			}
			close(held)
			<-release
			return tx.Insert(store.Leases, row("stalled"))
		})
	}()
	<-held
	b.append("goes on") // after the server has ended the transaction
	close(release)
	wantErr(t, "the transaction that stood still", <-stalled, writ.ErrUnavailable)
	b.view(func(tx *store.Tx) error {
		_, err := tx.Get(store.Leases, "stalled")
		wantErr(t, "its row", err, writ.ErrNotFound)
		leaf, err := tx.Leaf(0)
		if err != nil || string(leaf) != "goes on" {
			t.Errorf("entry 0 is %q, %v", leaf, err)
		}
		return nil
	})
	a.append("and so does the other, by itself")
	must(t, a.Verify(a.ctx()))
}

func testWentBack(t *testing.T, e Engine) {
	f := start(t, e)
	for i := range 8 {
		f.append(leafName(i))
	}
	_, err := f.Receipt(f.ctx(), 7, 0)
	must(t, err)
	f.alter("DELETE FROM entry WHERE idx >= 4", "UPDATE tree_head SET size = 4, commits = commits - 4, root = "+e.Bytes(rootOf(4)))
	err = f.update(func(tx *store.Tx) error { _, _, err := tx.Append([]byte("another history")); return err })
	if writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("want %s, got %v", writ.ReasonLedgerFork, err)
	}
	if n := f.size(); n != 4 {
		t.Errorf("%d entries", n)
	}
}

// rootOf is the root of the suite's first n leaves.
func rootOf(n int) []byte {
	var edge ledger.Edge
	for i := range n {
		edge.Append(ledger.LeafHash([]byte(leafName(i))))
	}
	return edge.Head().Root.Bytes()
}

func testForgedHead(t *testing.T, e Engine) {
	f := start(t, e)
	f.append("one", "two")
	f.alter("UPDATE tree_head SET root = " + e.Bytes(junk(1)))
	err := f.update(func(tx *store.Tx) error { _, _, err := tx.Append([]byte("three")); return err })
	if writ.ReasonOf(err) != writ.ReasonLedgerFork || errors.Is(err, writ.ErrNotFound) {
		t.Errorf("want %s, got %v", writ.ReasonLedgerFork, err)
	}
}
