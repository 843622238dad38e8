package store_test

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/store/storetest"
)

// What is asked one after the other is asked on one connection, which has prepared it and read the schema.
func TestTheReaderThatCameBackLastGoesOutFirst(t *testing.T) {
	dir := t.TempDir()
	query, _ := store.Select(store.Plans, store.Filter{Key: "x"})
	var mu sync.Mutex
	prepared := map[string]int{} // guarded by mu
	s, err := store.Open(context.Background(), store.Config{
		Path: filepath.Join(dir, stateFile), BlobPath: filepath.Join(dir, "blobs.db"), Origin: storetest.Origin, Signer: newSigner(t, dir), Now: time.Now, Rand: rand.Reader,
		Prepared: func(q string) {
			mu.Lock()
			defer mu.Unlock()
			prepared[q]++
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 20 {
		err := s.View(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Find(store.Plans, store.Filter{Key: "x"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if prepared[query] != 1 {
		t.Errorf("it was prepared %d times, want once", prepared[query])
	}
}
