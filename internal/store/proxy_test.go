package store_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A proxy stands between a store and its server and can cut connections at chosen moments.
type proxy struct {
	l       net.Listener
	to      string
	request atomic.Bool // drop the next batch that commits, and cut
	answer  atomic.Bool // drop the answer to the next commit, and cut
	shut    atomic.Bool // accept nobody

	mu   sync.Mutex
	open map[net.Conn]bool // guarded by mu
}

func newProxy(t *testing.T, port int) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, to: fmt.Sprintf("127.0.0.1:%d", port), open: map[net.Conn]bool{}}
	go p.serve()
	t.Cleanup(func() { l.Close(); p.cut() })
	return p
}

func (p *proxy) port() int { return p.l.Addr().(*net.TCPAddr).Port }

func (p *proxy) serve() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		if p.shut.Load() {
			c.Close()
			continue
		}
		up, err := net.Dial("tcp", p.to)
		if err != nil {
			c.Close()
			continue
		}
		p.mu.Lock()
		p.open[c], p.open[up] = true, true
		p.mu.Unlock()
		end := func() { c.Close(); up.Close() }
		go p.pass(c, up, end, func(b []byte) bool { return commits(b) && p.request.CompareAndSwap(true, false) })
		go p.pass(up, c, end, func(b []byte) bool {
			return bytes.Contains(b, []byte("COMMIT\x00")) && p.answer.CompareAndSwap(true, false)
		})
	}
}

// commits tells the batch that commits from what other connections send at any time, such as the notice of a signature:
// it prepares or runs many statements at once, the mark among them.
func commits(b []byte) bool {
	const statements = 4
	return bytes.Contains(b, []byte("commit_mark")) || bytes.Count(b, []byte("stmtcache_")) >= statements
}

func (p *proxy) pass(from io.Reader, to io.Writer, end func(), cut func([]byte) bool) {
	defer end()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil || cut(b[:n]) {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
	}
	clear(p.open)
}
