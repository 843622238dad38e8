package kubernetes_test

import (
	"net"
	"sync"
	"testing"
)

// A silent listener takes connections and says nothing.
type silent struct {
	addr string
	met  chan struct{} // closed when somebody has connected
}

func newSilent(t *testing.T) silent {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := silent{addr: l.Addr().String(), met: make(chan struct{})}
	var mu sync.Mutex
	var open []net.Conn
	go func() {
		for first := true; ; first = false {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			if first {
				close(s.met)
			}
		}
	}()
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
	})
	return s
}
