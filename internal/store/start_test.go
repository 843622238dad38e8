package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// Opening costs the same however long the ledger is: an old entry that is gone is Verify's to find, and every proof's
// that goes through it; a new one is found at once.
func TestTrap9OpenDoesNotReadTheWholeLedger(t *testing.T) {
	setup := storetest.Setup{Dir: t.TempDir()}
	setup.Signer = newSigner(t, setup.Dir)
	s, err := open(setup)
	if err != nil {
		t.Fatal(err)
	}
	const entries = 3000
	if err := s.Update(context.Background(), func(tx *store.Tx) error {
		var leaves [][]byte
		for i := range entries {
			leaves = append(leaves, fmt.Appendf(nil, "entry %d", i))
		}
		first, err := tx.AppendAll(leaves)
		if err == nil && first != 0 {
			err = fmt.Errorf("the first entry is number %d", first)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Receipt(context.Background(), entries-1, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	remove := func(index int) {
		t.Helper()
		if err := lite.Alter(setup.Dir, fmt.Sprintf("DELETE FROM entry WHERE idx = %d", index)); err != nil {
			t.Fatal(err)
		}
	}
	remove(1000) // completes no node that the root needs
	if s, err = open(setup); err != nil {
		t.Fatalf("opening read the past: %v", err)
	}
	if err := s.Verify(context.Background()); writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("an old entry is gone and Verify says %v", err)
	}
	if _, err := s.Receipt(context.Background(), 1000, 0); err == nil {
		t.Error("an entry that is gone has a receipt")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	remove(entries - 100)
	if s, err = open(setup); writ.ReasonOf(err) != writ.ReasonLedgerFork {
		t.Errorf("a new entry is gone and Open says %v", err)
		if err == nil {
			s.Close()
		}
	}
}

// Many at once are kept or refused as one.
func TestInsertAllKeepsAllOrNothing(t *testing.T) {
	setup := storetest.Setup{Dir: t.TempDir()}
	setup.Signer = newSigner(t, setup.Dir)
	s, err := open(setup)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows := make([]store.Row, 150)
	for i := range rows {
		rows[i] = store.Row{ID: fmt.Sprint(i), Doc: []byte("{}")}
	}
	insert := func(rows []store.Row) error {
		return s.Update(context.Background(), func(tx *store.Tx) error {
			_ = tx.InsertAll(store.Grants, rows) // a closure that does not look keeps nothing either
			return nil
		})
	}
	if err := insert(rows[100:101]); err != nil {
		t.Fatal(err)
	}
	if err := insert(append(rows[:100:100], rows[101:]...)); err != nil {
		t.Fatal(err)
	}
	twice := []store.Row{{ID: "new", Doc: []byte("{}")}}
	if err := insert(append(twice, rows...)); err == nil {
		t.Error("rows that were there were inserted again")
	}
	if err := s.View(context.Background(), func(tx *store.Tx) error {
		n, err := tx.Count(store.Grants, store.Filter{}, 1000)
		if err == nil && n != len(rows) {
			err = fmt.Errorf("%d rows, not %d", n, len(rows))
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
