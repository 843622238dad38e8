package control

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// Life of idempotency keys.
const (
	keyLife    = 24 * time.Hour
	keyPending = time.Minute // a call that has not finished by then has died with its process
)

type keyRow struct {
	Call   writ.Digest
	Since  time.Time
	Answer []byte
}

// Idempotency remembers the answers to creating calls in the store.
type Idempotency struct{ c *Control }

// Idempotency returns the control plane's memory of creating calls.
func (c *Control) Idempotency() Idempotency { return Idempotency{c} }

func keyID(by writ.Principal, key string) string {
	return writ.DigestOf([]byte(string(by.Kind) + "\x00" + by.Iss + "\x00" + by.Sub + "\x00" + key)).String()
}

// Begin takes the key. It replays the kept answer of the same call, refuses another call under the same key, and is
// busy while the first call is under way.
func (i Idempotency) Begin(ctx context.Context, by writ.Principal, key string, call writ.Digest) (answer []byte, replay bool, err error) {
	id := keyID(by, key)
	now := i.c.now()
	err = i.c.Store.Update(ctx, func(tx *store.Tx) error {
		old, row, err := store.Load[keyRow](tx, store.Idempotency, id)
		fresh := keyRow{Call: call, Since: now}
		switch {
		case errors.Is(err, writ.ErrNotFound):
			return store.Create(tx, store.Idempotency, store.Row{ID: id, Key: id, State: stateOpen, Due: millis(now.Add(keyLife))}, fresh)
		case err != nil:
			return err
		case now.Sub(old.Since) > keyLife, row.State == stateOpen && now.Sub(old.Since) > keyPending:
			was := row.State
			row.State, row.Due = stateOpen, millis(now.Add(keyLife))
			return store.Save(tx, store.Idempotency, row, was, fresh)
		case !old.Call.Equal(call):
			return &writ.Refusal{Code: writ.ReasonIdempotency, Detail: "this Idempotency-Key was used for another request", Hint: "send a new key", Kind: writ.ErrInvalid}
		case row.State == stateOpen:
			return &writ.Refusal{Code: writ.ReasonIdempotency, Detail: "the first request with this Idempotency-Key is still under way", Kind: writ.ErrBusy}
		}
		answer, replay = old.Answer, true
		return nil
	})
	return answer, replay, err
}

// Finish keeps the answer of a call that succeeded and forgets the key of one that did not.
func (i Idempotency) Finish(ctx context.Context, by writ.Principal, key string, status int, answer []byte) error {
	id := keyID(by, key)
	return i.c.Store.Update(ctx, func(tx *store.Tx) error {
		doc, row, err := store.Load[keyRow](tx, store.Idempotency, id)
		if err != nil || row.State != stateOpen {
			return err
		}
		if status < 200 || status > 299 {
			return tx.Delete(store.Idempotency, id)
		}
		doc.Answer, row.State = answer, stateDone
		return store.Save(tx, store.Idempotency, row, stateOpen, doc)
	})
}
