package install

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Proxy passes TCP connections on until it is cut: what is open then ends, and nobody gets through until it is mended.
type Proxy struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	cut   bool              // guarded by mu
	conns map[net.Conn]bool // guarded by mu
}

// NewProxy starts a proxy before an address. It ends with the test.
func NewProxy(t testing.TB, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &Proxy{l: l, to: to, conns: map[net.Conn]bool{}}
	go p.serve()
	t.Cleanup(func() { l.Close(); p.Cut() })
	return p
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.l.Addr().String() }

// Mend lets connections through again.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}

// Cut ends all connections and lets none through.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		c.Close()
	}
	clear(p.conns)
}

func (p *Proxy) serve() {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", p.to)
		if err != nil {
			c.Close()
			continue
		}
		if !p.keep(c, up) {
			c.Close()
			up.Close()
			continue
		}
		for _, way := range [][2]net.Conn{{c, up}, {up, c}} {
			go func() {
				_, _ = io.Copy(way[0], way[1]) // however it ended, both are over
				way[0].Close()
				way[1].Close()
				p.forget(way[0])
			}()
		}
	}
}

// keep remembers both ends of a connection, unless the proxy is cut.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return true
}

func (p *Proxy) forget(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}
