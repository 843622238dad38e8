package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/signer"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// TestI01APrewrittenLogHoldsWhatWasCommitted: a write-ahead log that has its length from the start loses nothing when the machine
// stops: neither what is committed into it, nor what a log without zeros held when it is made longer.
func TestI01APrewrittenLogHoldsWhatWasCommitted(t *testing.T) {
	for name, ahead := range map[string]bool{"then and now": true, "only now": false} {
		t.Run(name, func(t *testing.T) {
			dir, sgn := t.TempDir(), newSigner(t, t.TempDir())
			s, err := openAhead(dir, sgn, ahead)
			must(t, err)
			t.Cleanup(func() { s.Close() })
			const commits = 20
			for i := range commits {
				must(t, s.Update(t.Context(), func(tx *store.Tx) error { _, _, err := tx.Append([]byte{byte(i)}); return err }))
			}
			stopped := t.TempDir()
			for _, file := range []string{stateFile, stateFile + "-wal", "blobs.db", "blobs.db-wal"} { // as they are, without a close
				b, err := os.ReadFile(filepath.Join(dir, file))
				if errors.Is(err, os.ErrNotExist) {
					continue
				}
				must(t, err)
				must(t, os.WriteFile(filepath.Join(stopped, file), b, 0o600))
			}
			again, err := openAhead(stopped, sgn, true)
			must(t, err)
			defer again.Close()
			must(t, again.Verify(t.Context()))
			must(t, again.View(t.Context(), func(tx *store.Tx) error {
				if got := tx.Head(); got != commits {
					t.Errorf("%d entries of %d are there", got, commits)
				}
				return nil
			}))
			if info, err := os.Stat(filepath.Join(stopped, stateFile+"-wal")); err != nil || info.Size() < 16<<20 {
				t.Errorf("the log is not of its full length: %v %v", info, err)
			}
		})
	}
}

// TestAPrewrittenLogDoesNotGrow writes more than the log holds: the writer begins it anew where it ends.
func TestAPrewrittenLogDoesNotGrow(t *testing.T) {
	dir := t.TempDir()
	s, err := openAhead(dir, newSigner(t, t.TempDir()), true)
	must(t, err)
	defer s.Close()
	length := func() int64 {
		info, err := os.Stat(filepath.Join(dir, stateFile+"-wal"))
		must(t, err)
		return info.Size()
	}
	before := length()
	for i := range 60 {
		must(t, s.Update(t.Context(), func(tx *store.Tx) error {
			for j := range 8 {
				leaf := make([]byte, 60<<10)
				leaf[0], leaf[1] = byte(i), byte(j)
				if _, _, err := tx.Append(leaf); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	if got := length(); got != before {
		t.Errorf("the log grew from %d to %d bytes", before, got)
	}
}

func openAhead(dir string, s *signer.Signer, ahead bool) (*store.Store, error) {
	return store.Open(context.Background(), store.Config{
		Path: filepath.Join(dir, stateFile), BlobPath: filepath.Join(dir, "blobs.db"), Origin: storetest.Origin, Signer: s, Now: time.Now, Rand: rand.Reader, Prewrite: ahead,
	})
}
