package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// glanceTables are some of those whose rows are remembered.
var glanceTables = []store.Table{store.Agents, store.Freezes, store.Pins}

// testGlance changes rows at random, also in closures that fail, and asks after each change whether a glance sees what a view sees.
func testGlance(t *testing.T, e Engine) {
	f := start(t, e)
	r := rand.New(rand.NewPCG(1, 2))
	failed := errors.New("failed")
	see := func(tx *store.Tx) (seen []string, err error) {
		for _, table := range glanceTables {
			for id := range 4 {
				row, err := tx.Get(table, fmt.Sprint(id))
				if err != nil && !errors.Is(err, writ.ErrNotFound) {
					return nil, err
				}
				n, _ := store.Decode[int](row)
				seen = append(seen, fmt.Sprint(table, id, row.State, n, row.Seq))
			}
			for _, filter := range []store.Filter{{}, {State: "on"}, {Incident: "inc_1"}, {State: "on", Limit: 1}, {Newest: true}} {
				rows, err := tx.Find(table, filter)
				if err != nil {
					return nil, err
				}
				for _, row := range rows {
					seen = append(seen, fmt.Sprint(filter, row.ID, row.State, string(row.Doc)))
				}
			}
		}
		for most := range 6 {
			fewer, err := tx.Fewer(store.Freezes, store.Filter{Incident: "inc_1"}, most+1)
			if err != nil {
				return nil, err
			}
			seen = append(seen, fmt.Sprint(most, fewer))
		}
		return seen, nil
	}
	for i := range rounds(400, 60) {
		err := f.update(func(tx *store.Tx) error {
			for range r.IntN(3) {
				table := glanceTables[r.IntN(len(glanceTables))]
				row := store.Row{ID: fmt.Sprint(r.IntN(4)), Incident: fmt.Sprint("inc_", r.IntN(2)), State: []string{"on", "off"}[r.IntN(2)]}
				was, err := tx.Get(table, row.ID)
				if errors.Is(err, writ.ErrNotFound) {
					err = store.Create(tx, table, row, i)
				} else if err == nil {
					err = store.Save(tx, table, row, was.State, i)
				}
				if err != nil {
					return err
				}
			}
			if r.IntN(4) == 0 {
				return failed
			}
			return nil
		})
		if err != nil && !errors.Is(err, failed) {
			t.Fatal(err)
		}
		var viewed, glanced []string
		f.view(func(tx *store.Tx) (err error) { viewed, err = see(tx); return err })
		for range 2 { // the second time it is remembered
			must(t, f.Glance(f.ctx(), func(tx *store.Tx) (err error) { glanced, err = see(tx); return err }))
			if !slices.Equal(viewed, glanced) {
				t.Fatalf("after change %d a glance sees\n%v\nand a view\n%v", i, glanced, viewed)
			}
		}
	}
}

// testGlanceOfOneState: each transaction writes one number to two tables, some fail in between. No glance sees two numbers, and none an
// older one than the last that was reported as kept.
func testGlanceOfOneState(t *testing.T, e Engine) {
	f := start(t, e)
	must(t, f.update(func(tx *store.Tx) error {
		return errors.Join(store.Create(tx, store.Agents, row("a"), int64(0)), store.Create(tx, store.Freezes, row("b"), int64(0)))
	}))
	ctx := f.ctx()
	var kept atomic.Int64
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	failed := errors.New("failed")
	writing.Go(func() {
		for i := int64(1); i <= int64(rounds(300, 60)); i++ {
			for _, fails := range []bool{true, false} {
				n := i
				if fails {
					n = -i
				}
				err := f.Update(ctx, func(tx *store.Tx) error {
					if err := errors.Join(store.Save(tx, store.Agents, row("a"), "s", n), store.Save(tx, store.Freezes, row("b"), "s", n)); err != nil {
						return err
					}
					if fails {
						return failed
					}
					return nil
				})
				if fails != errors.Is(err, failed) || !fails && err != nil {
					t.Error(err)
					return
				}
			}
			kept.Store(i)
		}
	})
	writing.Go(func() { // others' transactions share commits with those
		for i := range rounds(300, 60) {
			if err := f.Update(ctx, func(tx *store.Tx) error { return tx.Insert(store.Leases, row(fmt.Sprint(i))) }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 3 {
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				atLeast := kept.Load()
				var a, b int64
				err := f.Glance(ctx, func(tx *store.Tx) (err error) {
					if a, _, err = store.Load[int64](tx, store.Agents, "a"); err == nil {
						b, _, err = store.Load[int64](tx, store.Freezes, "b")
					}
					return err
				})
				if err != nil || a != b || a < atLeast {
					t.Errorf("a glance sees %d and %d, after %d was kept: %v", a, b, atLeast, err)
					return
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
}
