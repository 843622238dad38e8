package storefront

import (
	"slices"
	"sync"
	"time"
)

// Size and age of the window over which rates are counted: at DefaultRate it is full after 0.6 s, so that a repair
// shows at once; what is older than windowAge counts no longer, so that a silent service has no rate. The window is of the
// requests that began last, out of the windowKept that ended last: what fails ends early, and on a busy machine what does
// not fail ends in bursts that would push every failure out.
const (
	windowSize = 30
	windowKept = 8 * windowSize
	windowAge  = 10 * time.Second
)

// An outcome is how one request ended.
type outcome struct {
	at       time.Time
	took     time.Duration
	failed   bool // by this service
	passedOn bool // by a service that this one asked
}

func (o outcome) began() time.Time { return o.at.Add(-o.took) }

// A window keeps the last outcomes of a service.
type window struct {
	mu   sync.Mutex
	ring [windowKept]outcome
	next int
	n    int
}

func (w *window) add(o outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ring[w.next] = o
	w.next = (w.next + 1) % windowKept
	w.n = min(w.n+1, windowKept)
}

// Rates are a service's recent figures.
type Rates struct {
	Requests         int           // that the figures rest on
	ErrorPermille    int           // failed by the service itself
	UpstreamPermille int           // failed because a service that it asked failed
	Median           time.Duration // of the time to an answer
}

func (w *window) rates(now time.Time) Rates {
	w.mu.Lock()
	defer w.mu.Unlock()
	var r Rates
	var took []time.Duration
	failed, passedOn := 0, 0
	kept := slices.Clone(w.ring[:w.n])
	slices.SortFunc(kept, func(a, b outcome) int { return b.began().Compare(a.began()) })
	for _, o := range kept[:min(len(kept), windowSize)] {
		if now.Sub(o.at) > windowAge {
			continue
		}
		r.Requests++
		took = append(took, o.took)
		if o.failed {
			failed++
		}
		if o.passedOn {
			passedOn++
		}
	}
	if r.Requests == 0 {
		return r
	}
	slices.Sort(took)
	r.ErrorPermille = failed * 1000 / r.Requests
	r.UpstreamPermille = passedOn * 1000 / r.Requests
	r.Median = took[len(took)/2]
	return r
}

// Rates returns a service's recent figures; the zero Rates if there is no service of that name.
func (s *Shop) Rates(service string) Rates {
	v, err := s.service(service)
	if err != nil {
		return Rates{}
	}
	return v.window.rates(s.now())
}
