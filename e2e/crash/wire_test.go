package crash_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/storefront"
)

// A wire stands between a runner and the storefront's admin API. It passes everything on, keeps the tokens of leases and
// counts the changes that were made, and can be cut.
type wire struct {
	*httptest.Server
	shop *storefront.Shop
	to   *http.Client

	mu      sync.Mutex
	tokens  map[string]bool // of leases; true: they had power
	effects []effect
	cut     func(*http.Request) cut // nil: nothing is cut
}

// An effect is a change that the storefront made for a lease.
type effect struct {
	key, path string
	at        time.Time
}

// A cut is what happens to one request.
type cut int

const (
	passes     cut = iota
	lost           // it never arrives
	unanswered     // it arrives, and the answer does not
)

func newWire(t *testing.T, shop *storefront.Shop) *wire {
	w := &wire{shop: shop, tokens: map[string]bool{}, to: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

// ServeHTTP passes one request on.
func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.mu.Lock()
	f := w.cut
	w.mu.Unlock()
	how := passes
	if f != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		how = f(r)
	}
	if how == lost {
		panic(http.ErrAbortHandler)
	}
	// What was sent is sent, whatever becomes of its sender: the context of r is not used.
	on, err := http.NewRequest(r.Method, w.shop.AdminURL()+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	on.Header = r.Header.Clone()
	resp, err := w.to.Do(on)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	answer, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.note(r, string(body), resp, answer)
	if how == unanswered {
		panic(http.ErrAbortHandler)
	}
	for name, v := range resp.Header {
		out.Header()[name] = v
	}
	out.WriteHeader(resp.StatusCode)
	_, _ = out.Write(answer)
}

// note keeps what the test asks for later.
func (w *wire) note(r *http.Request, body string, resp *http.Response, answer []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch client, _, _ := r.BasicAuth(); {
	case r.URL.Path == "/oauth/token" && client != storefront.ClientReader:
		var got struct {
			Token string `json:"access_token"`
		}
		if json.Unmarshal(answer, &got) == nil && got.Token != "" {
			w.tokens[got.Token] = strings.Contains(body, "subject_token=")
		}
	case r.Method != http.MethodGet && strings.HasPrefix(r.URL.Path, "/services/") && resp.StatusCode/100 == 2 && resp.Header.Get("Idempotency-Replayed") == "":
		w.effects = append(w.effects, effect{r.Header.Get("Idempotency-Key"), r.URL.Path, time.Now()})
	}
}

// setCut changes what is cut; nil heals the wire.
func (w *wire) setCut(f func(*http.Request) cut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = f
}

// cutOnce cuts the first change whose path ends so.
func (w *wire) cutOnce(how cut, path string) {
	var once sync.Once
	w.setCut(func(r *http.Request) cut {
		out := passes
		if r.Method != http.MethodGet && strings.HasSuffix(r.URL.Path, path) {
			once.Do(func() { out = how })
		}
		return out
	})
}

// taken returns the changes since the last call, and forgets them.
func (w *wire) taken() []effect {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.effects
	w.effects = nil
	return out
}

// leaseTokens are all tokens of leases that were ever seen; true: they had power.
func (w *wire) leaseTokens() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]bool{}
	for k, v := range w.tokens {
		out[k] = v
	}
	return out
}

// statusOf replays a token at the storefront itself: a change of a service that is refused for its missing If-Match, but
// only if the token has power.
func (w *wire) statusOf(token, service string) (int, error) {
	r, err := http.NewRequest(http.MethodPut, w.shop.AdminURL()+"/services/"+service+"/release", strings.NewReader(`{"release":"v1"}`))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := w.to.Do(r)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// cutFor loses what matches, from the first one on for a while.
func (w *wire) cutFor(d time.Duration, match func(*http.Request) bool) {
	var once sync.Once
	w.setCut(func(r *http.Request) cut {
		if !match(r) {
			return passes
		}
		once.Do(func() { time.AfterFunc(d, func() { w.setCut(nil) }) })
		return lost
	})
}

// seen returns the changes since the last call of taken.
func (w *wire) seen() []effect {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]effect(nil), w.effects...)
}
