package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

func testFind(t *testing.T, e Engine) {
	f := start(t, e)
	must(t, f.update(func(tx *store.Tx) error {
		for i, r := range []store.Row{
			{ID: "a", Incident: "inc_1", State: "open", Key: "x", Due: 100},
			{ID: "b", Incident: "inc_1", State: "dead", Key: "y", Due: 200},
			{ID: "c", Incident: "inc_2", State: "open", Key: "x"},
			{ID: "d", State: "open", Due: 50},
		} {
			if err := store.Create(tx, store.Leases, r, i); err != nil {
				return err
			}
		}
		return nil
	}))
	f.view(func(tx *store.Tx) error {
		all, err := tx.Find(store.Leases, store.Filter{})
		must(t, err)
		for name, c := range map[string]struct {
			f    store.Filter
			want string
		}{
			"all":                {store.Filter{}, "a b c d"},
			"newest":             {store.Filter{Newest: true}, "d c b a"},
			"incident":           {store.Filter{Incident: "inc_1"}, "a b"},
			"state":              {store.Filter{State: "open"}, "a c d"},
			"key":                {store.Filter{Key: "x"}, "a c"},
			"key and incident":   {store.Filter{Key: "x", Incident: "inc_2"}, "c"},
			"due, not none":      {store.Filter{DueBefore: 200}, "a d"},
			"limit":              {store.Filter{Limit: 2}, "a b"},
			"after":              {store.Filter{AfterSeq: all[1].Seq}, "c d"},
			"after, newest":      {store.Filter{AfterSeq: all[1].Seq, Newest: true}, "a"},
			"nothing of that":    {store.Filter{State: "gone"}, ""},
			"a quote is a quote": {store.Filter{Key: "x' OR '1'='1"}, ""},
		} {
			rows, err := tx.Find(store.Leases, c.f)
			must(t, err)
			var ids []string
			for _, r := range rows {
				ids = append(ids, r.ID)
			}
			if got := strings.Join(ids, " "); got != c.want {
				t.Errorf("%s: want %q, got %q", name, c.want, got)
			}
		}
		n, r, err := store.Load[int](tx, store.Leases, "b")
		if err != nil || n != 1 || r.State != "dead" || r.Key != "y" || r.Due != 200 || r.Incident != "inc_1" {
			t.Errorf("load: %d %+v %v", n, r, err)
		}
		_, err = tx.Get(store.Leases, "z")
		wantErr(t, "a missing row", err, writ.ErrNotFound)
		return nil
	})
}

func testUnique(t *testing.T, e Engine) {
	f := start(t, e)
	insert := func(table store.Table, id, key, state string) error {
		return f.update(func(tx *store.Tx) error {
			return tx.Insert(table, store.Row{ID: id, Key: key, State: state, Doc: []byte("{}")})
		})
	}
	for _, table := range store.Tables() {
		state := map[store.Table]string{store.Incidents: "open", store.Plans: "waiting", store.Runs: "granted"}[table]
		if state == "" {
			state = "any"
		}
		must(t, insert(table, "a", "k", state))
		wantErr(t, string(table)+": the same id", insert(table, "a", "k2", state), writ.ErrConflict)
		err := insert(table, "b", "k", state)
		if unique := slices.Contains([]store.Table{store.Incidents, store.Nonces, store.Idempotency}, table); unique {
			wantErr(t, string(table)+": the same key", err, writ.ErrConflict)
		} else {
			must(t, err)
		}
	}
	must(t, f.update(func(tx *store.Tx) error {
		return tx.Update(store.Incidents, store.Row{ID: "a", Key: "k", State: "resolved", Doc: []byte("{}")}, "open")
	}))
	must(t, insert(store.Incidents, "b", "k", "open")) // the key is free once its incident is resolved
}

func testUpdate(t *testing.T, e Engine) {
	f := start(t, e)
	must(t, f.update(func(tx *store.Tx) error { return tx.Insert(store.Leases, row("a")) }))
	changed := row("a")
	changed.State, changed.Due, changed.Doc = "dead", 7, []byte(`{"v":2}`)
	wantErr(t, "another state", f.update(func(tx *store.Tx) error { return tx.Update(store.Leases, changed, "dead") }), writ.ErrConflict)
	wantErr(t, "no row", f.update(func(tx *store.Tx) error { return tx.Update(store.Leases, row("z"), "s") }), writ.ErrNotFound)
	must(t, f.update(func(tx *store.Tx) error { return store.Save(tx, store.Leases, changed, "s", map[string]int{"v": 3}) }))
	f.view(func(tx *store.Tx) error {
		r, err := tx.Get(store.Leases, "a")
		if err != nil || r.State != "dead" || r.Due != 7 || string(r.Doc) != `{"v":3}` || r.Seq == 0 {
			t.Errorf("updated row: %+v %s %v", r, r.Doc, err)
		}
		return nil
	})
}

func testDelete(t *testing.T, e Engine) {
	f := start(t, e)
	may := []store.Table{store.Idempotency, store.Nonces, store.Assignments, store.Reservations, store.Locks, store.Attempts, store.Slots, store.Sessions, store.Notices, store.Channels, store.Delegations, store.Answers, store.Rates}
	for _, table := range store.Tables() {
		r := row("a")
		r.State = map[store.Table]string{store.Incidents: "open", store.Plans: "waiting", store.Runs: "granted"}[table]
		if r.State == "" {
			r.State = "s"
		}
		must(t, f.update(func(tx *store.Tx) error { return tx.Insert(table, r) }))
		err := f.update(func(tx *store.Tx) error { return tx.Delete(table, "a") })
		if slices.Contains(may, table) {
			must(t, err)
			wantErr(t, "again", f.update(func(tx *store.Tx) error { return tx.Delete(table, "a") }), writ.ErrNotFound)
			continue
		}
		wantErr(t, string(table), err, writ.ErrInvalid)
		f.view(func(tx *store.Tx) error { _, err := tx.Get(table, "a"); return err })
	}
}

func testForm(t *testing.T, e Engine) {
	f := start(t, e)
	for name, c := range map[string]struct {
		table store.Table
		r     store.Row
	}{
		"a table that does not exist": {"entry; DROP TABLE entry", row("a")},
		"no id":                       {store.Leases, store.Row{State: "s", Doc: []byte("{}")}},
		"no state where it is closed": {store.Runs, store.Row{ID: "a", Doc: []byte("{}")}},
		"no document":                 {store.Leases, store.Row{ID: "a", State: "s"}},
		"due before the epoch":        {store.Leases, store.Row{ID: "a", State: "s", Doc: []byte("{}"), Due: -1}},
		"a state outside the table":   {store.Plans, store.Row{ID: "a", State: "almost", Doc: []byte("{}")}},
		"a nonce without a key":       {store.Nonces, store.Row{ID: "a", State: "s", Doc: []byte("{}")}},
		"a key without end":           {store.Leases, store.Row{ID: "a", State: "s", Key: strings.Repeat("k", 1<<20), Doc: []byte("{}")}},
	} {
		wantErr(t, name, f.update(func(tx *store.Tx) error { return tx.Insert(c.table, c.r) }), writ.ErrInvalid)
	}
	for _, s := range []writ.PlanState{writ.PlanPlanning, writ.PlanRefused, writ.PlanDenied, writ.PlanWaiting, writ.PlanReady, writ.PlanGranted, writ.PlanRejected, writ.PlanExpired, writ.PlanWithdrawn, writ.PlanStale, writ.PlanDone, writ.PlanObserved} {
		must(t, f.update(func(tx *store.Tx) error {
			return tx.Insert(store.Plans, store.Row{ID: string(s), State: string(s), Doc: []byte("{}")})
		}))
	}
	for _, s := range []writ.RunState{writ.RunGranted, writ.RunRunning, writ.RunSucceeded, writ.RunUndone, writ.RunFailed, writ.RunRefused, writ.RunUncertain, writ.RunExpired} {
		must(t, f.update(func(tx *store.Tx) error {
			return tx.Insert(store.Runs, store.Row{ID: string(s), State: string(s), Doc: []byte("{}")})
		}))
	}
}

func testView(t *testing.T, e Engine) {
	f := start(t, e)
	f.append("one")
	f.view(func(tx *store.Tx) error {
		must(t, f.update(func(w *store.Tx) error {
			if _, _, err := w.Append([]byte("two")); err != nil {
				return err
			}
			return w.Insert(store.Leases, row("a"))
		}))
		if n := tx.Head(); n != 1 {
			t.Errorf("the snapshot has grown to %d entries", n)
		}
		_, err := tx.Get(store.Leases, "a")
		wantErr(t, "a row from after the snapshot", err, writ.ErrNotFound)
		if leaves, err := tx.Leaves(0, 10); err != nil || len(leaves) != 1 {
			t.Errorf("leaves of the snapshot: %q %v", leaves, err)
		}
		wantErr(t, "insert", tx.Insert(store.Leases, row("b")), writ.ErrInvalid)
		wantErr(t, "update", tx.Update(store.Leases, row("a"), "s"), writ.ErrInvalid)
		wantErr(t, "delete", tx.Delete(store.Nonces, "a"), writ.ErrInvalid)
		_, _, err = tx.Append([]byte("three"))
		wantErr(t, "append", err, writ.ErrInvalid)
		return nil
	})
	if n := f.size(); n != 2 {
		t.Errorf("want 2 entries, got %d", n)
	}
	mine := errors.New("mine")
	wantErr(t, "the closure's own error", f.View(f.ctx(), func(*store.Tx) error { return mine }), mine)
}

func testOver(t *testing.T, e Engine) {
	f := start(t, e)
	for _, run := range []func(func(*store.Tx) error) error{f.update, func(fn func(*store.Tx) error) error { return f.View(f.ctx(), fn) }} {
		var kept *store.Tx
		must(t, run(func(tx *store.Tx) error { kept = tx; return nil }))
		_, err := kept.Find(store.Leases, store.Filter{})
		wantErr(t, "find", err, writ.ErrInvalid)
		wantErr(t, "insert", kept.Insert(store.Leases, row("a")), writ.ErrInvalid)
		_, _, err = kept.Append([]byte("late"))
		wantErr(t, "append", err, writ.ErrInvalid)
		_, err = kept.Leaves(0, 1)
		wantErr(t, "leaves", err, writ.ErrInvalid)
	}
}

func testSeq(t *testing.T, e Engine) {
	f := start(t, e)
	var last int64
	next := func(id string) {
		t.Helper()
		must(t, f.update(func(tx *store.Tx) error { return tx.Insert(store.Nonces, row(id)) }))
		f.view(func(tx *store.Tx) error {
			r, err := tx.Get(store.Nonces, id)
			if err != nil || r.Seq <= last {
				t.Errorf("row %s has number %d after %d, %v", id, r.Seq, last, err)
			}
			last = r.Seq
			return nil
		})
	}
	for i := range 3 {
		next(fmt.Sprint("first", i))
		stop := errors.New("stop")
		wantErr(t, "failed closure", f.update(func(tx *store.Tx) error {
			must(t, tx.Insert(store.Nonces, row("never")))
			return stop
		}), stop)
		next(fmt.Sprint("second", i))
		must(t, f.update(func(tx *store.Tx) error { return tx.Delete(store.Nonces, fmt.Sprint("second", i)) }))
		f.reopen()
	}
}
