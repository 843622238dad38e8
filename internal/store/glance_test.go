package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// TestWhatWasSeenStillStandsUntilItIsWritten: what a glance found stands as long as no row of it, nor one that its queries could find,
// was written, in the transaction that asks, in an earlier one, or in one that failed. Other rows do not matter.
func TestWhatWasSeenStillStandsUntilItIsWritten(t *testing.T) {
	s := opened(t)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(insert(tx, store.Agents, "a"), insert(tx, store.Agents, "b"), insert(tx, store.Freezes, "f"))
	}))
	see := func() (v store.Seen) {
		t.Helper()
		must(t, s.Glance(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.Get(store.Agents, "a"); err != nil {
				return err
			}
			if _, err := tx.Get(store.Agents, "none"); !errors.Is(err, writ.ErrNotFound) {
				return fmt.Errorf("a row that is not there: %w", err)
			}
			if _, err := tx.Find(store.Freezes, store.Filter{State: "on"}); err != nil {
				return err
			}
			_, err := tx.Fewer(store.Evidence, store.Filter{Incident: "inc_1"}, 10)
			v = tx.Seen()
			return err
		}))
		return v
	}
	stop := errors.New("stop")
	for _, c := range []struct {
		name   string
		stands bool
		change func(*store.Tx) error
	}{
		{"nothing", true, func(*store.Tx) error { return nil }},
		{"an entry", true, func(tx *store.Tx) error { _, _, err := tx.Append([]byte("leaf")); return err }},
		{"another row of the table", true, func(tx *store.Tx) error { return change(tx, store.Agents, "b") }},
		{"another table", true, func(tx *store.Tx) error { return insert(tx, store.Leases, "l") }},
		{"few counted rows", true, func(tx *store.Tx) error { return insert(tx, store.Evidence, "e0") }},
		{"the row", false, func(tx *store.Tx) error { return change(tx, store.Agents, "a") }},
		{"the row, in vain", false, func(tx *store.Tx) error { return errors.Join(change(tx, store.Agents, "a"), stop) }},
		{"the row that was not there", false, func(tx *store.Tx) error { return insert(tx, store.Agents, "none") }},
		{"a row of a query", false, func(tx *store.Tx) error { return change(tx, store.Freezes, "f") }},
		{"one more row of a query", false, func(tx *store.Tx) error { return insert(tx, store.Freezes, "g") }},
		{"many rows at once", false, func(tx *store.Tx) error {
			var rows []store.Row
			for i := range 70 {
				rows = append(rows, store.Row{ID: fmt.Sprint("many", i), State: "on", Doc: []byte("1")})
			}
			return tx.InsertAll(store.Freezes, rows)
		}},
		{"as many counted rows as there may be", false, func(tx *store.Tx) error {
			for i := range 9 {
				must(t, insert(tx, store.Evidence, fmt.Sprint("e", 1+i)))
			}
			return nil
		}},
	} {
		for _, before := range []store.Seen{see(), see()} { // read, and remembered
			err := s.Update(t.Context(), func(tx *store.Tx) error {
				if !tx.Still(before) {
					t.Errorf("%s: it does not stand before anything has changed", c.name)
				}
				if tx.Still(store.Seen{}) {
					t.Errorf("%s: nothing seen stands", c.name)
				}
				err := c.change(tx)
				if !errors.Is(err, stop) {
					must(t, err)
				}
				if tx.Still(before) != c.stands {
					t.Errorf("%s: it stands in the transaction that has written: %v", c.name, !c.stands)
				}
				return errors.Join(err, stop) // the next round begins as this one did
			})
			if !errors.Is(err, stop) {
				t.Fatal(err)
			}
			must(t, s.Update(t.Context(), func(tx *store.Tx) error {
				if tx.Still(before) != c.stands {
					t.Errorf("%s: it stands in the transaction after the one that has written: %v", c.name, !c.stands)
				}
				return nil
			}))
			if !c.stands {
				break // the second was seen before the change as well
			}
		}
	}
	must(t, s.View(t.Context(), func(tx *store.Tx) error {
		if tx.Still(see()) || tx.Still(tx.Seen()) {
			t.Error("a view cannot tell what comes after it")
		}
		return nil
	}))
}

// TestWhatIsNotRememberedIsNotRelied: a glance that asks for what is not remembered sees it, and nothing follows from that for later.
func TestWhatIsNotRememberedIsNotRelied(t *testing.T) {
	s := opened(t)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		_, _, err := tx.Append([]byte("leaf"))
		return errors.Join(err, insert(tx, store.Leases, "l"), insert(tx, store.Evidence, "e"))
	}))
	for name, ask := range map[string]func(*store.Tx) error{
		"another table": func(tx *store.Tx) error { _, err := tx.Get(store.Leases, "l"); return err },
		"too many": func(tx *store.Tx) error {
			if fewer, err := tx.Fewer(store.Evidence, store.Filter{Incident: "inc_1"}, 1); err != nil || fewer {
				return fmt.Errorf("one is fewer than one, %w", err)
			}
			return nil
		},
		"the head": func(tx *store.Tx) error { return wrongSize(tx.Head()) },
		"an entry": func(tx *store.Tx) error { _, err := tx.Leaf(0); return err },
		"an index": func(tx *store.Tx) error {
			_, err := tx.IndexOf(ledger.LeafHash([]byte("leaf")))
			return err
		},
		"a count": func(tx *store.Tx) error { _, err := tx.Count(store.Freezes, store.Filter{}, 9); return err },
		"what it took no error for": func(tx *store.Tx) error {
			if _, err := tx.Get(store.Leases, "l"); err == nil {
				return wrongSize(tx.Head())
			}
			return nil
		},
	} {
		for range 2 {
			var seen store.Seen
			must(t, s.Glance(t.Context(), func(tx *store.Tx) error { err := ask(tx); seen = tx.Seen(); return err }))
			must(t, s.Update(t.Context(), func(tx *store.Tx) error {
				if tx.Still(seen) {
					t.Errorf("%s: it still stands", name)
				}
				return nil
			}))
		}
	}
}

// TestMoreThanCanBeRememberedIsReadAgain: the memory has a bound, and what does not fit is asked for.
func TestMoreThanCanBeRememberedIsReadAgain(t *testing.T) {
	s := opened(t)
	large := strings.Repeat("x", 3<<20)
	must(t, s.Update(t.Context(), func(tx *store.Tx) error {
		for i := range 4 {
			must(t, store.Create(tx, store.Pins, store.Row{ID: fmt.Sprint("large", i)}, large))
		}
		return insert(tx, store.Agents, "a")
	}))
	see := func(table store.Table, id string) (v store.Seen, err error) {
		err = s.Glance(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Get(table, id)
			v = tx.Seen()
			return err
		})
		return v, err
	}
	stands := func(v store.Seen) (yes bool) {
		must(t, s.Update(t.Context(), func(tx *store.Tx) error { yes = tx.Still(v); return nil }))
		return yes
	}
	first, err := see(store.Agents, "a")
	must(t, err)
	for i := range 5000 {
		if _, err := see(store.Incidents, fmt.Sprint(i)); !errors.Is(err, writ.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if stands(first) {
		t.Error("more answers are remembered than there may be")
	}
	first, err = see(store.Agents, "a")
	must(t, err)
	for i := range 4 {
		_, err := see(store.Pins, fmt.Sprint("large", i))
		must(t, err)
	}
	if stands(first) {
		t.Error("more bytes are remembered than there may be")
	}
}

func wrongSize(n int64) error {
	if n != 1 {
		return fmt.Errorf("the ledger has %d entries, want 1", n)
	}
	return nil
}

func opened(t *testing.T) *store.Store {
	s, err := open(storetest.Setup{Dir: t.TempDir(), Signer: newSigner(t, t.TempDir())})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func insert(tx *store.Tx, table store.Table, id string) error {
	return store.Create(tx, table, store.Row{ID: id, Incident: "inc_1", State: "on"}, 1)
}

func change(tx *store.Tx, table store.Table, id string) error {
	return store.Save(tx, table, store.Row{ID: id, Incident: "inc_1", State: "on"}, "on", 2)
}

// TestI05NothingOldIsRemembered: what is read while it is written, or was read before something else was, is not taken for what is
// there now. Both rows always have the same number.
func TestI05NothingOldIsRemembered(t *testing.T) {
	number := func(s *store.Store, n int) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			row := store.Row{ID: "x", State: "on"}
			return errors.Join(store.Save(tx, store.Agents, row, "on", n), store.Save(tx, store.Freezes, row, "on", n))
		}
	}
	look := func(s *store.Store, between func(*store.Tx) error) (a, b int) {
		t.Helper()
		must(t, s.Glance(t.Context(), func(tx *store.Tx) (err error) {
			if a, _, err = store.Load[int](tx, store.Agents, "x"); err != nil {
				return err
			}
			if err := between(tx); err != nil {
				return err
			}
			b, _, err = store.Load[int](tx, store.Freezes, "x")
			return err
		}))
		return a, b
	}
	nothing := func(*store.Tx) error { return nil }
	for name, disturb := range map[string]func(*store.Store){
		"written after the snapshot was taken": func(s *store.Store) {
			once := true
			if a, b := look(s, func(tx *store.Tx) error {
				if _, err := tx.Get(store.Leases, "none"); !errors.Is(err, writ.ErrNotFound) {
					return err // it is not remembered, so this is asked of a snapshot
				}
				if once {
					once = false
					return s.Update(t.Context(), number(s, 2))
				}
				return nil
			}); a != b {
				t.Errorf("one glance sees %d and %d", a, b)
			}
		},
		"read while it is written": func(s *store.Store) {
			must(t, s.Update(t.Context(), func(tx *store.Tx) error {
				must(t, number(s, 2)(tx))
				seen := make(chan int)
				go func() { a, _ := look(s, nothing); seen <- a }()
				if n := <-seen; n != 1 {
					t.Errorf("%d is seen before it is committed", n)
				}
				return nil
			}))
		},
		"written between two questions": func(s *store.Store) {
			look(s, nothing)
			once := true
			if a, b := look(s, func(*store.Tx) error {
				if !once {
					return nil
				}
				once = false
				must(t, s.Update(t.Context(), number(s, 2)))
				look(s, nothing) // remembers the new ones
				return nil
			}); a != b {
				t.Errorf("one glance sees %d and %d", a, b)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := opened(t)
			must(t, s.Update(t.Context(), func(tx *store.Tx) error {
				row := store.Row{ID: "x", State: "on"}
				return errors.Join(store.Create(tx, store.Agents, row, 1), store.Create(tx, store.Freezes, row, 1))
			}))
			disturb(s)
			if a, b := look(s, nothing); a != 2 || b != 2 {
				t.Errorf("afterwards %d and %d are seen, want 2", a, b)
			}
		})
	}
}
