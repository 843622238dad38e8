package demo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"crypto/tls"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/pin"
	"github.com/writ-dev/writ/internal/setup"
)

// A wire is the attacker between server and runner. It holds the TLS keys of both, so it reads and writes everything
// that passes, and it remembers the last bundle that carried a grant.
type wire struct {
	up     *http.Client
	base   string
	server *http.Server

	mu       sync.Mutex
	feed     []byte                 // the newest that passed
	epoch    int64                  // of that feed
	captured *assignment.Assignment // the last run that was handed out
	inject   *assignment.Assignment // handed to the runner instead of the next answer
	alter    func(*assignment.Assignment)
	answers  map[writ.AssignmentID]chan assignment.Answer // to injected assignments
}

// openWire listens as the server would and forwards to the real one.
func openWire(in setup.Installation, listen, server string) (*wire, error) {
	control, err := pin.Load(filepath.Join(in.Dir, "keys", "control.pem"))
	if err != nil {
		return nil, err
	}
	runner, err := pin.Load(filepath.Join(in.Dir, "keys", "runner.pem"))
	if err != nil {
		return nil, err
	}
	front, err := pin.ServerTLS(control, map[string]string{pin.Fingerprint(runner.Public().(ed25519.PublicKey)): "runner"})
	if err != nil {
		return nil, err
	}
	back, err := pin.ClientTLS(runner, pin.Fingerprint(control.Public().(ed25519.PublicKey)))
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	w := &wire{
		up: &http.Client{Transport: &http.Transport{TLSClientConfig: back}}, base: "https://" + server,
		answers: map[writ.AssignmentID]chan assignment.Answer{},
	}
	w.server = &http.Server{Handler: w, ReadHeaderTimeout: 10 * time.Second}
	go w.server.Serve(tls.NewListener(l, front))
	return w, nil
}

func (w *wire) close() { w.server.Close() }

// ServeHTTP forwards one call, looking at what passes.
func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		http.Error(rw, "read", http.StatusBadGateway)
		return
	}
	if r.URL.Path == assignment.PathAnswer && w.swallow(body) {
		rw.Header().Set("Content-Type", "application/json")
		io.WriteString(rw, "{}")
		return
	}
	if r.URL.Path == assignment.PathNext {
		body = short(body)
		if a := w.injected(); a != nil {
			rw.Header().Set("Content-Type", "application/json")
			json.NewEncoder(rw).Encode(a)
			return
		}
	}
	up, err := http.NewRequestWithContext(r.Context(), r.Method, w.base+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		http.Error(rw, "request", http.StatusBadGateway)
		return
	}
	up.Header = r.Header.Clone()
	resp, err := w.up.Do(up)
	if err != nil {
		http.Error(rw, "upstream", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		http.Error(rw, "upstream", http.StatusBadGateway)
		return
	}
	if resp.StatusCode == http.StatusOK {
		out = w.look(r.URL.Path, out)
	}
	for _, h := range []string{"Content-Type", "Retry-After"} {
		if v := resp.Header.Get(h); v != "" {
			rw.Header().Set(h, v)
		}
	}
	rw.WriteHeader(resp.StatusCode)
	rw.Write(out)
}

// short makes long polls short, so that what is injected is soon fetched.
func short(body []byte) []byte {
	var ask assignment.Ask
	if json.Unmarshal(body, &ask) != nil {
		return body
	}
	ask.WaitSeconds = min(ask.WaitSeconds, 1)
	b, err := json.Marshal(ask)
	if err != nil {
		return body
	}
	return b
}

// look keeps the newest feed and bundle that pass, and alters bundles when asked to.
func (w *wire) look(path string, b []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	var a assignment.Assignment
	switch path {
	case assignment.PathEntries:
		var d assignment.Delivered
		if json.Unmarshal(b, &d) == nil {
			w.keepFeed(d.Feed)
		}
		return b
	case assignment.PathNext:
		if json.Unmarshal(b, &a) != nil {
			return b
		}
		w.keepFeed(a.Feed)
	}
	if a.Run == nil {
		return b
	}
	if w.alter == nil {
		kept := a
		w.captured = &kept
		return b
	}
	w.alter(&a)
	w.alter = nil
	out, err := json.Marshal(a)
	if err != nil {
		return b
	}
	return out
}

// keepFeed keeps a feed if it is newer; mu is held.
func (w *wire) keepFeed(signed []byte) {
	var f assignment.Feed
	env, err := ledger.OpenEnvelope(signed, assignment.FeedType)
	if err == nil && json.Unmarshal(env.Payload, &f) == nil && f.Epoch >= w.epoch {
		w.feed, w.epoch = signed, f.Epoch
	}
}

func (w *wire) injected() *assignment.Assignment {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.inject
	w.inject = nil
	if a != nil {
		a.Feed = w.feed // an old one would be refused first
	}
	return a
}

// swallow keeps the answer to an injected assignment from the server, which never gave it.
func (w *wire) swallow(body []byte) bool {
	var a assignment.Answer
	if json.Unmarshal(body, &a) != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ch, ours := w.answers[a.Assignment]
	if ours {
		select {
		case ch <- a:
		default:
		}
	}
	return ours
}

// present hands a bundle to the runner and returns its answer.
func (w *wire) present(ctx context.Context, a assignment.Assignment) (assignment.Answer, error) {
	ch := make(chan assignment.Answer, 1)
	w.mu.Lock()
	w.answers[a.ID], w.inject = ch, &a
	w.mu.Unlock()
	select {
	case ans := <-ch:
		return ans, nil
	case <-ctx.Done():
		return assignment.Answer{}, fmt.Errorf("the runner did not answer: %w", ctx.Err())
	}
}

// alterNext changes the next bundle on its way to the runner.
func (w *wire) alterNext(f func(*assignment.Assignment)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alter = f
}

var errNothingCaptured = errors.New("no grant has passed the wire yet")

// grant returns the last bundle that passed.
func (w *wire) grant() (assignment.Assignment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.captured == nil {
		return assignment.Assignment{}, errNothingCaptured
	}
	return *w.captured, nil
}

// Ports lie below those that systems give to outgoing connections, one of which could otherwise take a port between
// our choice and the bind.
const (
	firstPort = 20000
	portRange = 12000
	portTries = 1000
)

// freePorts finds n loopback addresses that nobody listens on now.
func freePorts(n int) ([]string, error) {
	var out []string
	for range portTries {
		at, err := rand.Int(rand.Reader, big.NewInt(portRange))
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+at.Int64()))
		if err != nil {
			continue
		}
		defer l.Close() // all stay open until all are known, so they differ
		if out = append(out, l.Addr().String()); len(out) == n {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%w: no %d free ports were found on 127.0.0.1", writ.ErrUnavailable, n)
}
