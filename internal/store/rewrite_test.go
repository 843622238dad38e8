package store_test

import (
	"context"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// State migration 8 writes the table of plans anew. What was there stays, in its order, and what it is found by as well.
func TestATableThatIsWrittenAnewKeepsItsRows(t *testing.T) {
	engines := map[string]func(*testing.T) storetest.Engine{"sqlite": func(*testing.T) storetest.Engine { return lite }, "postgres": postgres}
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			e := engine(t)
			setup := storetest.Setup{Dir: t.TempDir()}
			setup.Signer = newSigner(t, setup.Dir)
			if e.Make != nil {
				if err := e.Make(setup.Dir); err != nil {
					t.Fatal(err)
				}
			}
			ctx := context.Background()
			with := func(f func(*store.Tx) error) {
				t.Helper()
				s, err := e.Open(setup)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := s.Update(ctx, f); err != nil {
					t.Fatal(err)
				}
			}
			put := func(tx *store.Tx, id string, state writ.PlanState) error {
				return tx.Insert(store.Plans, store.Row{ID: id, Incident: "inc", State: string(state), Key: "ask", Due: 7, Doc: []byte(`{"id":"` + id + `"}`)})
			}
			with(func(tx *store.Tx) error { return first(put(tx, "b", writ.PlanWaiting), put(tx, "a", writ.PlanDone)) })
			undo := []string{"DELETE FROM goose_db_version WHERE version_id = 8"}
			if name == "postgres" {
				undo = append(undo, "DELETE FROM goose_db_version_postgres WHERE version_id = 5")
			}
			if err := e.Alter(setup.Dir, undo...); err != nil {
				t.Fatal(err)
			}
			with(func(tx *store.Tx) error {
				rows, err := tx.Find(store.Plans, store.Filter{Key: "ask"})
				if err != nil {
					return err
				}
				if len(rows) != 2 || rows[0].ID != "b" || rows[1].ID != "a" || rows[0].State != "waiting" || rows[0].Due != 7 || string(rows[1].Doc) != `{"id":"a"}` {
					t.Errorf("%+v", rows)
				}
				return put(tx, "c", writ.PlanReady)
			})
			with(func(tx *store.Tx) error {
				rows, err := tx.Find(store.Plans, store.Filter{State: "ready"})
				if len(rows) != 1 || rows[0].ID != "c" {
					t.Errorf("%+v", rows)
				}
				return err
			})
		})
	}
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
