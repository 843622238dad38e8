package oauth

import (
	"sync"
	"time"

	"github.com/writ-dev/writ"
)

const (
	// pollInterval is how long a client waits between two asks for a plan that waits for people (RFC 8628 section 3.5).
	pollInterval = 5 * time.Second

	// tokensPerMinute bounds the control-plane tokens of one agent, at one replica: it needs one in ten minutes, and its
	// processes one each.
	tokensPerMinute = 120

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

// rate counts what each agent was given in the minute.
type rate struct {
	mu    sync.Mutex
	since time.Time
	given map[writ.Principal]int
}

// next counts one more, or returns how long to wait.
func (r *rate) next(who writ.Principal, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.given == nil || now.Sub(r.since) >= time.Minute || now.Before(r.since) {
		r.since, r.given = now, map[writ.Principal]int{}
	}
	if n, known := r.given[who]; n >= tokensPerMinute || !known && len(r.given) >= maxPaced {
		return r.since.Add(time.Minute).Sub(now)
	}
	r.given[who]++
	return 0
}
