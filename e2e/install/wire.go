package install

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/writ-dev/writ/internal/storefront"
)

// A Wire stands between a runner and a storefront's admin API. It passes everything on, notes the changes that were made,
// and can hold the answer to one.
type Wire struct {
	*httptest.Server
	shop *storefront.Shop

	mu      sync.Mutex
	changes []string // paths, in order; guarded by mu
	next    *Held    // guarded by mu
	called  chan struct{}
}

// A Held change has been made, and its caller has no answer yet.
type Held struct {
	Made  chan struct{} // closed when the change has been made
	Token string        // of the lease that made it; set before Made is closed
	Free  func()        // lets the answer go; may be called again
	free  chan struct{}
}

// NewWire starts a wire before a shop. It ends with the test.
func NewWire(t testing.TB, shop *storefront.Shop) *Wire {
	t.Helper()
	w := &Wire{shop: shop}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

// Hold holds the answer to the next change.
func (w *Wire) Hold(t testing.TB) *Held {
	t.Helper()
	h := &Held{Made: make(chan struct{}), free: make(chan struct{})}
	h.Free = sync.OnceFunc(func() { close(h.free) })
	t.Cleanup(h.Free)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next = h
	return h
}

// Changes are the paths of the changes that were made, in order.
func (w *Wire) Changes() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.changes...)
}

// Next returns a channel that is closed when the next change has been made.
func (w *Wire) Next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.called == nil {
		w.called = make(chan struct{})
	}
	return w.called
}

// ServeHTTP passes one request on. What was sent is sent, whatever becomes of its sender.
func (w *Wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	resp, answer, err := w.pass(r.Method, r.URL.RequestURI(), r.Header, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/services/") && resp.StatusCode/100 == 2 && resp.Header.Get("Idempotency-Replayed") == "" {
		if h := w.note(r); h != nil {
			<-h.free
		}
	}
	for name, v := range resp.Header {
		out.Header()[name] = v
	}
	out.WriteHeader(resp.StatusCode)
	_, _ = out.Write(answer) // a caller that is gone is its own trouble
}

func (w *Wire) pass(method, uri string, header http.Header, body []byte) (*http.Response, []byte, error) {
	on, err := http.NewRequest(method, w.shop.AdminURL()+uri, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	on.Header = header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(on)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

// note keeps a change, and returns what holds its answer.
func (w *Wire) note(r *http.Request) *Held {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes = append(w.changes, r.URL.Path)
	if w.called != nil {
		close(w.called)
		w.called = nil
	}
	h := w.next
	if w.next = nil; h != nil {
		h.Token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		close(h.Made)
	}
	return h
}

// Status is what the shop itself answers to a lease's token now: a change that is refused for its missing If-Match (428)
// while the token has power.
func (w *Wire) Status(t testing.TB, token string) int {
	t.Helper()
	resp, _, err := w.pass(http.MethodPut, "/services/"+storefront.Checkout+"/release", http.Header{"Authorization": {"Bearer " + token}}, []byte(`{"release":"v41"}`))
	must(t, err)
	return resp.StatusCode
}
