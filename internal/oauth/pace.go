package oauth

import (
	"sync"
	"time"

	"github.com/writ-dev/writ"
)

const (
	// pollInterval is how long a client waits between two asks for a plan that waits for people (RFC 8628 section 3.5).
	pollInterval = 5 * time.Second

	// maxPaced bounds what is remembered of askers, at one replica: some hundred bytes each. When it is full and nothing
	// is old enough to be forgotten, everybody waits.
	maxPaced = 10_000
)

// pace keeps who asked for which plan a moment ago. Each replica has its own: it saves work, and guards nothing.
type pace struct {
	mu   sync.Mutex
	last map[poll]time.Time
}

type poll struct {
	who  writ.Principal
	plan writ.PlanID
}

// wait returns how long the caller has to wait before it may ask again, or 0.
func (p *pace) wait(who writ.Principal, plan writ.PlanID, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.last[poll{who, plan}]
	if !ok || now.Sub(at) >= pollInterval {
		return 0
	}
	return at.Add(pollInterval).Sub(now)
}

// asked remembers an ask that was answered with: not yet.
func (p *pace) asked(who writ.Principal, plan writ.PlanID, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		p.last = map[poll]time.Time{}
	}
	if len(p.last) >= maxPaced {
		for k, at := range p.last {
			if now.Sub(at) >= pollInterval {
				delete(p.last, k)
			}
		}
	}
	if len(p.last) < maxPaced {
		p.last[poll{who, plan}] = now
	}
}
