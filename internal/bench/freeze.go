package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

// A FreezeSpan says how long one freeze took to bite.
type FreezeSpan struct {
	Refused time.Duration // from the call to its answer: from then on the control plane takes no step
	Heard   time.Duration // from the call to the runner having verified and kept the feed: from then on it makes no call
}

// operator freezes.
var operator = writ.Principal{Kind: writ.KindHuman, Iss: issuer, Sub: "operator"}

// Freeze freezes everything, waits until the runner has heard of it, and lifts the freeze again.
func (w *World) Freeze(ctx context.Context) (FreezeSpan, error) {
	var s FreezeSpan
	before := w.epoch.Load()
	began := time.Now()
	z, err := w.control.Freeze(ctx, operator, writ.FreezeAll, "", "measured")
	if err != nil {
		return s, fmt.Errorf("bench: freeze: %w", err)
	}
	s.Refused = time.Since(began)
	if err := w.heard(ctx, before); err != nil {
		return s, err
	}
	s.Heard = time.Since(began)
	before = w.epoch.Load()
	if _, err := w.control.Unfreeze(ctx, operator, z.ID, "measured"); err != nil {
		return s, fmt.Errorf("bench: unfreeze: %w", err)
	}
	return s, w.heard(ctx, before)
}

// heard waits until the runner listens for what comes after a later epoch than that.
func (w *World) heard(ctx context.Context, than int64) error {
	for {
		changed := w.listened()
		if w.epoch.Load() > than {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listened returns a channel that is closed when the runner listens next.
func (w *World) listened() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.listens
}

// knows notes that the runner knows a feed of this epoch: it asks for the next one.
func (w *World) knows(epoch int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epoch.Store(epoch)
	close(w.listens)
	w.listens = make(chan struct{})
}
