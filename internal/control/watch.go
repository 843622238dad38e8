package control

import (
	"context"
	"sync"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// A watch tells those who wait for an incident that it has new entries, and nobody else: a hundred waiters do not look
// at every commit. One goroutine reads the timeline for all of them; it lives while anybody waits.
type watch struct {
	store *store.Store

	mu     sync.Mutex
	topics map[writ.IncidentID]*topic // guarded by mu
	quit   chan struct{}              // guarded by mu; ends the goroutine, nil when there is none
}

type topic struct {
	changed chan struct{} // closed and replaced by each change
	waiters int
}

// join begins to wait. Whoever takes next before looking misses no change. leave ends it.
func (w *watch) join(ctx context.Context, in writ.IncidentID) (next func() <-chan struct{}, leave func(), err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.quit == nil {
		newest, err := w.store.Look(ctx, store.Timeline, store.Filter{Newest: true, Limit: 1})
		if err != nil {
			return nil, nil, err
		}
		var last int64
		if len(newest) > 0 {
			last = newest[0].Seq
		}
		w.quit = make(chan struct{})
		go w.follow(w.quit, last)
	}
	t := w.topics[in]
	if t == nil {
		t = &topic{changed: make(chan struct{})}
		w.topics[in] = t
	}
	t.waiters++
	next = func() <-chan struct{} {
		w.mu.Lock()
		defer w.mu.Unlock()
		return t.changed
	}
	leave = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if t.waiters--; t.waiters == 0 {
			delete(w.topics, in)
		}
		if len(w.topics) == 0 && w.quit != nil {
			close(w.quit)
			w.quit = nil
		}
	}
	return next, leave, nil
}

// tell wakes those who wait for an incident.
func (w *watch) tell(in writ.IncidentID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.topics[in]; t != nil {
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

// tellAll wakes everybody.
func (w *watch) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.topics {
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

// follow reads new rows of the timeline until quit. When the store cannot be read it wakes everybody at each commit:
// they look for themselves, and get the error.
func (w *watch) follow(quit <-chan struct{}, last int64) {
	for {
		changed := w.store.Changed() // before looking
		rows, err := w.store.Look(context.Background(), store.Timeline, store.Filter{AfterSeq: last})
		if err != nil {
			w.tellAll()
		}
		for _, r := range rows {
			last = r.Seq
			w.tell(writ.IncidentID(r.Incident))
		}
		if len(rows) == store.MaxRows {
			continue
		}
		select {
		case <-changed:
		case <-quit:
			return
		}
	}
}
