package connectortest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A wire carries TCP to the target and can be cut at the one moment that matters: when the target has done as asked
// and its answer is on its way back.
type wire struct {
	listener net.Listener
	upstream string

	mu    sync.Mutex
	lose  func() bool // asked before each piece of an answer; true cuts the connection instead
	open  map[net.Conn]bool
	ended bool
}

// newWire listens on a free port of the loopback until the test ends.
func newWire(t *testing.T, upstream string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, upstream: upstream, open: map[net.Conn]bool{}}
	go w.accept()
	t.Cleanup(w.end)
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

// loseAnswers makes the wire lose every answer once done says true: the request had its effect, and
// nobody hears of it.
func (w *wire) loseAnswers(done func() bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = done
}

// mend makes the wire carry everything again.
func (w *wire) mend() { w.loseAnswers(nil) }

// end closes the listener and every connection: the target is out of reach.
func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.listener.Close()
	for c := range w.open {
		c.Close()
	}
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.DialTimeout("tcp", w.upstream, 5*time.Second)
		if err != nil {
			near.Close()
			continue
		}
		if !w.hold(near, far) {
			return
		}
		go func() {
			defer w.drop(near, far)
			_, _ = io.Copy(far, near) // ends when either side does
		}()
		go func() {
			defer w.drop(near, far)
			_ = w.answers(near, far) // ends when either side does, or the wire is cut
		}()
	}
}

// hold remembers both ends, so that they can be cut.
func (w *wire) hold(near, far net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		near.Close()
		far.Close()
		return false
	}
	w.open[near], w.open[far] = true, true
	return true
}

func (w *wire) drop(near, far net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	near.Close()
	far.Close()
	delete(w.open, near)
	delete(w.open, far)
}

var errCut = errors.New("the wire was cut")

// answers carries what the target says.
func (w *wire) answers(near, far net.Conn) error {
	b := make([]byte, 64<<10)
	for {
		n, err := far.Read(b)
		w.mu.Lock()
		lose := w.lose
		w.mu.Unlock()
		if lose != nil && lose() {
			return errCut
		}
		if _, err := near.Write(b[:n]); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
}
