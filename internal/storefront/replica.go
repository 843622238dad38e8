package storefront

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// headerCause says, on an error answer, which service caused it, so that a service that only passes a failure on is
// not counted as the one that failed.
const headerCause = "X-Shop-Cause"

// wedgedPermille is the share of requests that a wedged replica fails until it is started again.
const wedgedPermille = 500

// A replica is one process of a service: a listener of its own, that works on at most slots requests at once.
type replica struct {
	name    string
	release Release
	of      *service
	http    *listener
	slots   chan struct{}
	busy    atomic.Int64 // requests that the balancer has open on it
	wedged  atomic.Bool
}

func (v *service) startReplica(r Release) (*replica, error) {
	p := &replica{name: fmt.Sprintf("%s-%d", v.name, v.number.Add(1)), release: r, of: v, slots: make(chan struct{}, v.spec.slots)}
	var err error
	p.http, err = listen(p)
	return p, err
}

// ServeHTTP answers one request of the service: it takes a slot or refuses, works, perhaps fails, and asks the services
// it depends on.
func (p *replica) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		p.fail(w, http.StatusServiceUnavailable, "overloaded: all slots are busy", p.of.name)
		return
	}
	fault := p.of.outside()
	select {
	case <-time.After(p.of.spec.work + p.release.Delay + fault.Delay):
	case <-r.Context().Done():
		return
	}
	if why := p.broken(fault); why != "" {
		p.fail(w, http.StatusInternalServerError, why, p.of.name)
		return
	}
	for _, name := range p.of.spec.asks {
		if cause, err := p.ask(r.Context(), name); err != nil {
			p.fail(w, http.StatusBadGateway, name+": "+err.Error(), cause)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"service": p.of.name, "release": p.release.Name, "replica": p.name, "status": "ok"})
}

// broken decides whether this request fails, and why. Shares are met exactly over time instead of by chance, so that a
// rate shows within few requests.
func (p *replica) broken(f Fault) string {
	v := p.of
	switch {
	case v.releaseShare.hit(p.release.Errors):
		return "release " + p.release.Name + ": nil address"
	case v.flagShare.hit(v.flagErrors()):
		return "feature flag: empty cart"
	case v.faultShare.hit(f.Errors):
		return "the outside world answers 500"
	case p.wedged.Load() && v.wedgeShare.hit(wedgedPermille):
		return "worker does not answer"
	}
	return ""
}

// ask calls another service through its front, as any client would.
func (p *replica) ask(ctx context.Context, name string) (cause string, err error) {
	other, err := p.of.shop.service(name)
	if err != nil {
		return name, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, other.front.url+"/work", nil)
	if err != nil {
		return name, err
	}
	req.Header.Set("User-Agent", p.of.name+"/"+p.release.Name)
	res, err := p.of.shop.inner.Do(req)
	if err != nil {
		return name, errUnreachable
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	if res.StatusCode >= http.StatusInternalServerError {
		cause = res.Header.Get(headerCause)
		if cause == "" {
			cause = name
		}
		return cause, fmt.Errorf("status %d", res.StatusCode)
	}
	return "", nil
}

func (p *replica) fail(w http.ResponseWriter, status int, why, cause string) {
	w.Header().Set(headerCause, cause)
	http.Error(w, why, status)
}

// A share spreads a rate evenly: of each thousand calls with the same rate, exactly that many hit.
type share struct{ sum atomic.Int64 }

func (s *share) hit(permille int) bool {
	if permille <= 0 {
		return false
	}
	now := s.sum.Add(int64(permille))
	return now/1000 != (now-int64(permille))/1000
}
