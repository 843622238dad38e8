package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"sync"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// A blobKey is an AES-256 key for one blob.
type blobKey struct {
	id  string
	key []byte
}

// keyring hands out keys that are durable in the database of blobs. It makes them in blocks of bulk, so that one wait for the
// disk serves that many blobs; those that are left when the process ends are never used.
type keyring struct {
	mu   sync.Mutex
	free []blobKey // guarded by mu
}

// take returns a key that nobody else gets, now or after a restart.
func (k *keyring) take(ctx context.Context, s *Store) (blobKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.free) == 0 {
		block, err := s.makeKeys(ctx)
		if err != nil {
			return blobKey{}, err
		}
		k.free = block
	}
	last := len(k.free) - 1
	key := k.free[last]
	k.free[last] = blobKey{}
	k.free = k.free[:last]
	return key, nil
}

// makeKeys makes a block of keys; it is durable when makeKeys returns.
func (s *Store) makeKeys(ctx context.Context) ([]blobKey, error) {
	const keySize = 32
	random := make([]byte, 16+bulk*keySize)
	if _, err := io.ReadFull(s.rand, random); err != nil {
		return nil, fmt.Errorf("%w: no randomness for keys: %w", writ.ErrUnavailable, err)
	}
	prefix, random := hex.EncodeToString(random[:16]), random[16:]
	block := make([]blobKey, bulk)
	args := make([]any, 0, 2*bulk)
	for i := range block {
		block[i] = blobKey{fmt.Sprintf("%s-%02d", prefix, i), random[i*keySize : (i+1)*keySize]}
		args = append(args, block[i].id, block[i].key)
	}
	fault.Before(fault.StoreBlob)
	if err := fault.Fail(fault.StoreBlob); err != nil {
		return nil, kind(err)
	}
	_, lost := s.blobs.exec(ctx, "INSERT INTO blobkey (id, key) VALUES "+values(2), args...)
	fault.After(fault.StoreBlob)
	if lost != nil {
		return nil, lost
	}
	// Committed: only now may anything be encrypted under them.
	return block, nil
}
