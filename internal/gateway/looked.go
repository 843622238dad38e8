package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/writ-dev/writ"
)

// A look is what an upstream offered under one name.
type look struct {
	offered []Definition
	err     error
	kept    bool // of an earlier call
}

// looked keeps what an upstream offered, as long as calls may rest on it. Its methods may be called concurrently.
type looked struct {
	life time.Duration

	mu    sync.Mutex
	times int                // that it was forgotten
	known map[string]oneLook // by name of the tool
}

type oneLook struct {
	offered []Definition
	asked   time.Time // before the upstream answered
}

// find returns what is known of a tool, if it is young enough, and how often all was forgotten until now.
func (l *looked) find(tool string) (found look, ok bool, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.known[tool]
	return look{offered: k.offered, kept: true}, !k.asked.IsZero() && time.Since(k.asked) < l.life, l.times
}

// keep keeps a look, unless all was forgotten since it began.
func (l *looked) keep(tool string, offered []Definition, asked time.Time, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if times != l.times || l.life == 0 {
		return
	}
	if l.known == nil {
		l.known = map[string]oneLook{}
	}
	l.known[tool] = oneLook{offered, asked}
}

// forget drops all that is known: the upstream says that it has changed, or may be another process now.
func (l *looked) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.times = nil, l.times+1
}

// look tells what the upstream offers under one name, as of ListLife ago at most; else it asks. A caller that is refused
// meanwhile does not wait for it, and does not cut the connection that others use: the question ends by itself, at the latest
// after Timeout.
func (l *link) look(ctx context.Context, tool string) <-chan look {
	out := make(chan look, 1)
	found, ok, times := l.looked.find(tool)
	if ok {
		out <- found
		return out
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.Timeout)
		defer cancel()
		asked := time.Now()
		offered, err := l.discover(ctx, tool)
		if err == nil {
			l.looked.keep(tool, offered, asked, times)
		}
		out <- look{offered: offered, err: err}
	}()
	return out
}

// offers waits for a look, and returns *Changed unless the tool is the pinned one. What was kept may be older than the approval:
// then the upstream is asked.
func (l *link) offers(ctx context.Context, looked <-chan look, tool string, pinned writ.Digest) error {
	select {
	case now := <-looked:
		if now.err != nil {
			return now.err
		}
		changed := Compare(now.offered, tool, pinned)
		if changed == nil || !now.kept {
			return changed
		}
		l.looked.forget()
		return l.offers(ctx, l.look(ctx, tool), tool, pinned)
	case <-ctx.Done():
		return l.errReach()
	}
}
