package apitest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/writ-dev/writ"
)

// Keys remember creating calls as api.Idempotency demands it, for as long as the test runs.
type Keys struct {
	mu   sync.Mutex
	kept map[string]*kept
	seen map[string]bool
}

type kept struct {
	call   writ.Digest
	answer []byte
	done   bool
}

func (k *Keys) Begin(_ context.Context, by writ.Principal, key string, call writ.Digest) ([]byte, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		k.kept, k.seen = map[string]*kept{}, map[string]bool{}
	}
	k.seen[key] = true
	one := k.kept[by.String()+key]
	switch {
	case one == nil:
		k.kept[by.String()+key] = &kept{call: call}
		return nil, false, nil
	case !one.call.Equal(call):
		return nil, false, &writ.Refusal{Code: writ.ReasonIdempotency, Detail: "this key was used for another call", Kind: writ.ErrInvalid}
	case !one.done:
		return nil, false, writ.ErrBusy
	}
	return one.answer, true, nil
}

func (k *Keys) Finish(_ context.Context, by writ.Principal, key string, status int, answer []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if status/100 != 2 {
		delete(k.kept, by.String()+key)
		return nil
	}
	k.kept[by.String()+key].answer, k.kept[by.String()+key].done = answer, true
	return nil
}

// Seen are the keys that creating calls came with, sorted.
func (k *Keys) Seen() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.seen))
}
