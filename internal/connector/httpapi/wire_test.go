package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/storefront"
)

// What a wire does to a request.
type fate int

const (
	passes      fate = iota
	losesCall        // the request never arrives
	losesAnswer      // it arrives, and its answer does not come back
	hangs            // it arrives, and its answer never comes
)

// A wire stands between connector and target and decides each request's fate. It notes what passed.
type wire struct {
	*httptest.Server
	mu     sync.Mutex
	decide func(r *http.Request) fate
	change func(r *http.Request, res *http.Response) // of the answer
	seen   []seen
	held   chan struct{} // gets a value when a request hangs
}

type seen struct {
	method, path, match, key, token, body string
}

// between makes a wire to the target.
func between(t *testing.T, target string) *wire {
	t.Helper()
	w := &wire{held: make(chan struct{}, 10)}
	upstream := &http.Transport{DisableKeepAlives: true}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.mu.Lock()
		w.seen = append(w.seen, seen{
			r.Method, r.URL.EscapedPath(), r.Header.Get("If-Match"), r.Header.Get("Idempotency-Key"),
			strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), string(body),
		})
		f := passes
		if w.decide != nil {
			f = w.decide(r)
		}
		change := w.change
		w.mu.Unlock()
		if f == losesCall {
			hangUp(rw)
			return
		}
		out, err := http.NewRequest(r.Method, target+r.URL.RequestURI(), strings.NewReader(string(body)))
		if err != nil {
			t.Error(err)
			return
		}
		out.Header = r.Header.Clone()
		res, err := upstream.RoundTrip(out)
		if err != nil {
			hangUp(rw)
			return
		}
		defer func() { _ = res.Body.Close() }()
		switch f {
		case losesAnswer:
			hangUp(rw)
			return
		case hangs:
			w.held <- struct{}{}
			<-r.Context().Done()
			return
		}
		if change != nil {
			change(r, res)
		}
		for k, v := range res.Header {
			rw.Header()[k] = v
		}
		rw.WriteHeader(res.StatusCode)
		_, _ = io.Copy(rw, res.Body)
	}))
	t.Cleanup(w.Close)
	return w
}

// wired is a shop, and a connector that reaches it through a wire.
func wired(t *testing.T) (*storefront.Shop, *wire, *httpapi.Connector) {
	t.Helper()
	s := shop(t)
	w := between(t, s.AdminURL())
	return s, w, connect(t, config(t, s, w.URL))
}

// leased is a plan to set the release of checkout, which is v41, to v40, and a lease to carry it out.
func leased(t *testing.T, x *httpapi.Connector) (connector.Prepared, connector.Lease) {
	t.Helper()
	p := plan(t, x, setRelease("checkout", "v40"))
	return p, lease(t, x, false, p)
}

func hangUp(rw http.ResponseWriter) {
	if c, _, err := rw.(http.Hijacker).Hijack(); err == nil {
		_ = c.Close()
	}
}

// will sets the fate of requests from now on.
func (w *wire) will(f func(r *http.Request) fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decide = f
}

// writesFare sets the fate of writes from now on; all else passes.
func (w *wire) writesFare(f fate) {
	w.will(func(r *http.Request) fate {
		if isWrite(r) {
			return f
		}
		return passes
	})
}

// answers changes answers from now on.
func (w *wire) answers(f func(r *http.Request, res *http.Response)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.change = f
}

// all returns the requests that the filter selects.
func (w *wire) all(is func(seen) bool) []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []seen
	for _, s := range w.seen {
		if is(s) {
			out = append(out, s)
		}
	}
	return out
}

// writes are requests for a change of an object.
func writes(s seen) bool {
	return s.method != http.MethodGet && !strings.HasPrefix(s.path, "/oauth/")
}

func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && !strings.HasPrefix(r.URL.Path, "/oauth/")
}
