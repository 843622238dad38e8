package store_test

import (
	"database/sql"
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
