package storefront

import (
	"io"
	"net/http"
	"time"
)

// maxBody bounds what the shop reads of any body.
const maxBody = 64 << 10

// ServeHTTP is the front of a service: it passes a request to the ready replica with the fewest open requests, and
// counts and logs the answer.
func (v *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := v.shop.now()
	p := v.pick()
	if p == nil {
		v.note(r, "none", "none", http.StatusServiceUnavailable, v.name, 0)
		http.Error(w, "no replica is ready", http.StatusServiceUnavailable)
		return
	}
	defer p.busy.Add(-1)
	status, cause := http.StatusBadGateway, v.name
	defer func() {
		if r.Context().Err() == nil { // a customer who hung up says nothing about the service
			v.note(r, p.name, p.release.Name, status, cause, v.shop.now().Sub(began))
		}
	}()
	req, err := http.NewRequestWithContext(r.Context(), r.Method, p.http.url+r.URL.RequestURI(), http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status = http.StatusBadRequest
		http.Error(w, "bad request", status)
		return
	}
	req.Header.Set("User-Agent", r.UserAgent())
	res, err := v.shop.inner.Transport.RoundTrip(req)
	if err != nil {
		http.Error(w, "the replica does not answer", status)
		return
	}
	defer func() { _ = res.Body.Close() }()
	status, cause = res.StatusCode, res.Header.Get(headerCause)
	for _, h := range []string{"Content-Type", headerCause} {
		if x := res.Header.Get(h); x != "" {
			w.Header().Set(h, x)
		}
	}
	w.WriteHeader(status)
	_, _ = io.Copy(w, io.LimitReader(res.Body, maxBody))
}

// pick chooses a replica and counts the request as open on it.
func (v *service) pick() *replica {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var best *replica
	for _, p := range v.replicas {
		if best == nil || p.busy.Load() < best.busy.Load() {
			best = p
		}
	}
	if best != nil {
		best.busy.Add(1)
	}
	return best
}

// note counts one answer and writes its line into the request log.
func (v *service) note(r *http.Request, replica, release string, status int, cause string, took time.Duration) {
	at := v.shop.now()
	v.total.Add(1)
	o := outcome{at: at, took: took}
	if status >= http.StatusInternalServerError {
		o.failed, o.passedOn = cause == v.name, cause != v.name
	}
	switch {
	case o.failed:
		v.failed.Add(1)
	case o.passedOn:
		v.passedOn.Add(1)
	}
	v.window.add(o)
	v.lines.add(logLine(at, replica, release, r, status, cause, took))
}
