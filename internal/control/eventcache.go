package control

import (
	"sync"

	"github.com/writ-dev/writ"
)

// maxEvents bounds the events that are kept: some megabytes, and the stories of a few hundred incidents.
const maxEvents = 10_000

// An eventCache keeps rendered entries by their index. An entry that has been committed never changes. The zero cache is
// empty. It is safe for concurrent use.
type eventCache struct {
	mu   sync.Mutex
	kept map[int64]writ.Event
}

func (c *eventCache) get(index int64) (writ.Event, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.kept[index]
	return e, ok
}

// put keeps an event; when there are too many, all others go.
func (c *eventCache) put(e writ.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || len(c.kept) >= maxEvents {
		c.kept = map[int64]writ.Event{}
	}
	c.kept[e.Index] = e
}
