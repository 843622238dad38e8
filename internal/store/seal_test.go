package store_test

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// TestI20ErasingASealedBlobDestroysItsKey takes the copies that backups would be: with the key the old state opens, and after
// the erasure no file of the blobs has that key any more, so that no backup of the ledger brings the content back.
func TestI20ErasingASealedBlobDestroysItsKey(t *testing.T) {
	dir := t.TempDir()
	s, err := open(storetest.Setup{Dir: dir, Signer: newSigner(t, t.TempDir())})
	must(t, err)
	defer s.Close()
	keep := func(content string) store.Sealed {
		b, err := s.SealBlob(t.Context(), "evidence", "evidence", []byte(content))
		must(t, err)
		must(t, s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutBlob(b) }))
		return b
	}
	gone, stays := keep("what is erased"), keep("what stays")
	key := keyOf(t, dir, gone)
	if !found(t, dir, key) {
		t.Fatal("the key is not where this test looks for it")
	}
	must(t, s.EraseBlob(t.Context(), gone.Commitment))
	if found(t, dir, key) {
		t.Error("the key of an erased blob is still on the disk")
	}
	if other := keyOf(t, dir, stays); bytes.Equal(other, key) || !found(t, dir, other) {
		t.Error("two blobs share a key, or the other one's went too")
	}
}

// TestNothingIsSealedUnderAKeyThatIsNotDurable: without the database of blobs there is no key, and without a key no entry.
func TestNothingIsSealedUnderAKeyThatIsNotDurable(t *testing.T) {
	dir := t.TempDir()
	s, err := open(storetest.Setup{Dir: dir, Signer: newSigner(t, t.TempDir())})
	must(t, err)
	defer s.Close()
	exec(t, filepath.Join(dir, "blobs.db"), "CREATE TRIGGER full BEFORE INSERT ON blobkey BEGIN SELECT RAISE(ABORT, 'no room'); END")
	if b, err := s.SealBlob(t.Context(), "evidence", "evidence", []byte("x")); err == nil {
		t.Errorf("sealed as %s under a key that was not kept", b.Commitment)
	}
	exec(t, filepath.Join(dir, "blobs.db"), "DROP TRIGGER full")
	_, err = s.SealBlob(t.Context(), "evidence", "evidence", []byte("x"))
	must(t, err)
}

// TestASealedBlobIsBoundToItsCommitment: what an owner of the database moves to another row, or alters, does not open.
func TestASealedBlobIsBoundToItsCommitment(t *testing.T) {
	for name, change := range map[string]string{
		"altered": "UPDATE sealed SET box = substr(box, 1, length(box) - 1) || x'00'",
		"swapped": "CREATE TEMP TABLE was AS SELECT * FROM sealed; UPDATE sealed SET (box, keyid) = (SELECT box, keyid FROM was WHERE was.commitment <> sealed.commitment)",
		"renamed": "UPDATE sealed SET name = 'another'",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, err := open(storetest.Setup{Dir: dir, Signer: newSigner(t, t.TempDir())})
			must(t, err)
			defer s.Close()
			var all []store.Sealed
			for range 2 {
				b, err := s.SealBlob(t.Context(), "evidence", "evidence", []byte("the same bytes"))
				must(t, err)
				must(t, s.Update(t.Context(), func(tx *store.Tx) error { return tx.PutBlob(b) }))
				all = append(all, b)
			}
			exec(t, filepath.Join(dir, stateFile), change)
			for _, b := range all {
				if got, _, _, err := s.Blob(t.Context(), b.Commitment); !errors.Is(err, writ.ErrInvalid) {
					t.Errorf("opened as %q: %v", got, err)
				}
			}
		})
	}
}

func exec(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	must(t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	must(t, err)
}

// keyOf reads the key of a blob out of the files.
func keyOf(t *testing.T, dir string, b store.Sealed) (key []byte) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, stateFile))
	must(t, err)
	defer db.Close()
	_, err = db.Exec("ATTACH DATABASE ? AS b", filepath.Join(dir, "blobs.db"))
	must(t, err)
	must(t, db.QueryRow("SELECT key FROM sealed JOIN b.blobkey ON id = keyid WHERE commitment = ?", b.Commitment.String()).Scan(&key))
	return key
}

func found(t *testing.T, dir string, what []byte) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		must(t, err)
		if bytes.Contains(b, what) {
			return true
		}
	}
	return false
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
