package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// A new file is written at once; an empty one is brought up to date step by step, like an old one.
func TestANewDatabaseIsWhatTheMigrationsMake(t *testing.T) {
	schema := func(there bool) string {
		setup := storetest.Setup{Dir: t.TempDir()}
		setup.Signer = newSigner(t, setup.Dir)
		var out strings.Builder
		names := []string{stateFile, "blobs.db"}
		if there {
			for _, name := range names {
				if err := os.WriteFile(filepath.Join(setup.Dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		s, err := open(setup)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			db, err := sql.Open("sqlite", filepath.Join(setup.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, query := range []string{
				"SELECT type || ' ' || name || ' of ' || tbl_name || ': ' || coalesce(sql, '') FROM sqlite_master ORDER BY 1",
				"SELECT 'version ' || version_id || ' ' || is_applied FROM goose_db_version ORDER BY id",
				"SELECT 'pages of ' || page_size FROM pragma_page_size",
				"SELECT 'journal ' || journal_mode FROM pragma_journal_mode",
			} {
				rows, err := db.Query(query)
				if err != nil {
					t.Fatal(err)
				}
				for rows.Next() {
					var line string
					if err := rows.Scan(&line); err != nil {
						t.Fatal(err)
					}
					out.WriteString(line + "\n")
				}
				if err := rows.Err(); err != nil {
					t.Fatal(err)
				}
				rows.Close()
			}
			db.Close()
		}
		return out.String()
	}
	if fresh, migrated := schema(false), schema(true); fresh != migrated || !strings.Contains(fresh, "table entry of entry") || !strings.Contains(fresh, "journal wal") {
		t.Errorf("a new file has\n%s\nand one that was brought up to date\n%s", fresh, migrated)
	}
}

// TestAFileWhoseRowsHaveAnIndexForTheirNumberWorksOn: a new file needs none, since the number is where the row stands. One that an earlier
// version made is used as it is.
func TestAFileWhoseRowsHaveAnIndexForTheirNumberWorksOn(t *testing.T) {
	setup := storetest.Setup{Dir: t.TempDir()}
	setup.Signer = newSigner(t, setup.Dir)
	s, err := open(setup)
	must(t, err)
	must(t, s.Close())
	path := filepath.Join(setup.Dir, stateFile)
	indexed := func() (n int) {
		db, err := sql.Open("sqlite", path)
		must(t, err)
		defer db.Close()
		must(t, db.QueryRow(`SELECT count(*) FROM sqlite_master AS t, pragma_index_list(t.name) AS i, pragma_index_info(i.name) AS c
			WHERE t.type = 'table' AND i.origin = 'pk' AND c.name IN ('seq', 'idx', 'size')`).Scan(&n))
		return n
	}
	if n := indexed(); n != 0 {
		t.Fatalf("%d tables of a new file have an index for their number", n)
	}
	db, err := sql.Open("sqlite", path)
	must(t, err)
	rows, err := db.Query("SELECT sql FROM sqlite_master WHERE sql <> '' AND name NOT LIKE 'sqlite_%' ORDER BY type DESC")
	must(t, err)
	var old []string
	for rows.Next() {
		var text string
		must(t, rows.Scan(&text))
		old = append(old, strings.ReplaceAll(text, "INTEGER PRIMARY KEY,", "BIGINT PRIMARY KEY,"))
	}
	must(t, rows.Close())
	must(t, db.QueryRow("SELECT group_concat('INSERT INTO goose_db_version (version_id, is_applied) VALUES (' || version_id || ', 1)', ';') FROM goose_db_version").Scan(&path))
	old = append(old, path, "INSERT INTO counter (name, value) VALUES ('seq', 0)")
	must(t, db.Close())

	setup = storetest.Setup{Dir: t.TempDir()}
	setup.Signer = newSigner(t, setup.Dir)
	path = filepath.Join(setup.Dir, stateFile)
	db, err = sql.Open("sqlite", path)
	must(t, err)
	for _, text := range old {
		_, err := db.Exec(text)
		must(t, err)
	}
	must(t, db.Close())
	if n := indexed(); n < 20 {
		t.Fatalf("only %d tables of the old file have an index for their number", n)
	}
	for range 2 {
		s, err = open(setup)
		must(t, err)
		must(t, s.Update(t.Context(), func(tx *store.Tx) error {
			_, _, err := tx.Append([]byte{byte(tx.Head())})
			return errors.Join(err, insert(tx, store.Leases, fmt.Sprint("b", tx.Head())), insert(tx, store.Leases, fmt.Sprint("a", tx.Head())))
		}))
		must(t, s.Verify(t.Context()))
		must(t, s.Close())
	}
	s, err = open(setup)
	must(t, err)
	defer s.Close()
	must(t, s.View(t.Context(), func(tx *store.Tx) error {
		found, err := tx.Find(store.Leases, store.Filter{Incident: "inc_1"})
		var ids []string
		for _, r := range found {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != "b1 a1 b2 a2" || tx.Head() != 2 {
			t.Errorf("the old file has %s and %d entries", got, tx.Head())
		}
		return err
	}))
}

// A write-ahead log whose file is gone belongs to another ledger: nothing of it may come into the new one.
func TestI17TheWriteAheadLogOfALostFileIsNotTakenUp(t *testing.T) {
	old := storetest.Setup{Dir: t.TempDir()}
	old.Signer = newSigner(t, old.Dir)
	s, err := open(old)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Update(t.Context(), func(tx *store.Tx) error { _, _, err := tx.Append([]byte("of another ledger")); return err }); err != nil {
		t.Fatal(err)
	}
	setup := storetest.Setup{Dir: t.TempDir()}
	setup.Signer = newSigner(t, setup.Dir)
	if err := copyFile(filepath.Join(old.Dir, stateFile+"-wal"), filepath.Join(setup.Dir, stateFile+"-wal")); err != nil {
		t.Fatal(err)
	}
	fresh, err := open(setup)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if err := fresh.View(t.Context(), func(tx *store.Tx) error {
		if tx.Head() != 0 {
			t.Errorf("a new ledger has %d entries", tx.Head())
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}
