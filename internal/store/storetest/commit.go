package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

func testFailedClosure(t *testing.T, e Engine) {
	f := start(t, e)
	f.append("before")
	stop := errors.New("stop")
	err := f.update(func(tx *store.Tx) error {
		if index, _, err := tx.Append([]byte("half")); err != nil || index != 1 || tx.Head() != 2 {
			t.Errorf("index %d, head %d, %v", index, tx.Head(), err)
		}
		if err := tx.Insert(store.Leases, row("a")); err != nil {
			t.Error(err)
		}
		return stop
	})
	wantErr(t, "failed closure", err, stop)
	f.append("after")
	f.view(func(tx *store.Tx) error {
		_, err := tx.Get(store.Leases, "a")
		wantErr(t, "its row", err, writ.ErrNotFound)
		leaf, err := tx.Leaf(1)
		if err != nil || string(leaf) != "after" {
			t.Errorf("entry 1 is %q, %v", leaf, err)
		}
		return nil
	})
	must(t, f.Verify(f.ctx()))
	f.reopen()
	must(t, f.Verify(f.ctx()))
}

func testSharedCommit(t *testing.T, e Engine) {
	f := start(t, e)
	const n = 400
	stop := errors.New("stop")
	held, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { // holds the writer until the others wait, so that they share commits
		must(t, f.update(func(*store.Tx) error { close(held); <-release; return nil }))
	})
	<-held
	for i := range n {
		all.Go(func() {
			err := f.update(func(tx *store.Tx) error {
				if _, _, err := tx.Append([]byte(leafName(i))); err != nil {
					return err
				}
				if err := tx.Insert(store.Leases, row(fmt.Sprint(i))); err != nil {
					return err
				}
				if i%3 == 0 {
					return stop
				}
				return nil
			})
			if failed := errors.Is(err, stop); failed != (i%3 == 0) || (!failed && err != nil) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	close(release)
	all.Wait()
	f.view(func(tx *store.Tx) error {
		rows, err := tx.Find(store.Leases, store.Filter{})
		must(t, err)
		leaves, err := tx.Leaves(0, n)
		must(t, err)
		want := n - (n+2)/3
		if len(rows) != want || len(leaves) != want {
			t.Errorf("want %d rows and entries, got %d and %d", want, len(rows), len(leaves))
		}
		return nil
	})
	must(t, f.Verify(f.ctx()))
}

func testPanic(t *testing.T, e Engine) {
	f := start(t, e)
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("the caller saw the panic %v", p)
			}
		}()
		f.update(func(tx *store.Tx) error {
			must(t, tx.Insert(store.Leases, row("a")))
			panic("boom")
		})
	}()
	f.view(func(tx *store.Tx) error {
		_, err := tx.Get(store.Leases, "a")
		wantErr(t, "its row", err, writ.ErrNotFound)
		return nil
	})
	f.append("after")
}

func testExit(t *testing.T, e Engine) {
	f := start(t, e)
	err := f.update(func(tx *store.Tx) error {
		if _, _, err := tx.Append([]byte("half")); err != nil {
			t.Error(err)
		}
		runtime.Goexit()
		return nil
	})
	wantErr(t, "a closure that left", err, writ.ErrUnavailable)
	f.append("after")
	for range 2 { // nobody else writes: it runs on its caller's goroutine
		left := make(chan struct{})
		go func() {
			defer close(left)
			f.update(func(tx *store.Tx) error {
				if _, _, err := tx.Append([]byte("half")); err != nil {
					t.Error(err)
				}
				runtime.Goexit()
				return nil
			})
		}()
		<-left
	}
	f.append("after that")
	if n := f.size(); n != 2 {
		t.Errorf("want 2 entries, got %d", n)
	}
	must(t, f.Verify(f.ctx()))
}

func testRace(t *testing.T, e Engine) {
	f := start(t, e)
	for i := range rounds(50, 10) {
		id := fmt.Sprint(i)
		must(t, f.update(func(tx *store.Tx) error { return tx.Insert(store.Leases, row(id)) }))
		var won atomic.Int64
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				r := row(id)
				r.State = "taken"
				switch err := f.update(func(tx *store.Tx) error { return tx.Update(store.Leases, r, "s") }); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, writ.ErrConflict):
					t.Error(err)
				}
			})
		}
		both.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of two updates won", won.Load())
		}
	}
}

func testChanged(t *testing.T, e Engine) {
	f := start(t, e)
	n := int64(rounds(300, 40))
	ctx := f.ctx()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { // sees every commit, or hangs until ctx ends
			for {
				next := f.Changed()
				var size int64
				if err := f.View(ctx, func(tx *store.Tx) error { size = tx.Head(); return nil }); err != nil {
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
		})
	}
	for i := range n {
		f.append(leafName(int(i)))
	}
	all.Wait()
}

func testSecondOpen(t *testing.T, e Engine) {
	f := start(t, e)
	_, err := e.Open(Setup{Dir: f.dir, Signer: f.signer})
	wantErr(t, "second open", err, writ.ErrConflict)
	f.append("still works")
	f.reopen()
}

func testClosed(t *testing.T, e Engine) {
	f := start(t, e)
	f.append("one")
	must(t, f.Close())
	must(t, f.Close())
	wantErr(t, "update", f.update(func(*store.Tx) error { return nil }), writ.ErrUnavailable)
	wantErr(t, "view", f.View(f.ctx(), func(*store.Tx) error { return nil }), writ.ErrUnavailable)
	wantErr(t, "glance", f.Glance(f.ctx(), func(*store.Tx) error { return nil }), writ.ErrUnavailable)
	_, err := f.Receipt(f.ctx(), 0, 0)
	if err == nil {
		t.Error("a closed store gave a receipt")
	}
	f.Store = nil
	f.reopen()
	ctx, cancel := context.WithCancel(f.ctx())
	cancel()
	wantErr(t, "a caller who has left", f.Update(ctx, func(*store.Tx) error { t.Error("it ran"); return nil }), context.Canceled)
}
