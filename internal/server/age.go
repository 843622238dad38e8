package server

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// connectionAge is how long an agent's connection lives, however busy: every SVID is seen in a full handshake at
	// least that often, and what a stream began with does not outlive it for long.
	connectionAge = 10 * time.Minute
	// lastRequests is the part of that age at whose beginning a connection is asked to end, so that requests in flight
	// do not break: the last half minute of ten.
	lastRequests = 20
)

// An agedListener closes its connections when they reach an age.
type agedListener struct {
	net.Listener
	age time.Duration
}

// An agedConn is closed by its timer at the latest.
type agedConn struct {
	net.Conn
	timer *time.Timer
	old   atomic.Bool // it is asked to end
	soon  *time.Timer
}

// Accept implements net.Listener.
func (l agedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	a := &agedConn{Conn: c}
	a.timer = time.AfterFunc(l.age, func() { c.Close() })
	a.soon = time.AfterFunc(l.age-l.age/lastRequests, func() { a.old.Store(true) })
	return a, nil
}

// Close implements net.Conn.
func (c *agedConn) Close() error {
	c.timer.Stop()
	c.soon.Stop()
	return c.Conn.Close()
}

type agedKey struct{}

// withAge lets handlers of a connection know how old it is. It is for http.Server.ConnContext.
func withAge(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // of TLS
		c = t.NetConn()
	}
	if a, ok := c.(*agedConn); ok {
		return context.WithValue(ctx, agedKey{}, a)
	}
	return ctx
}

// endOld answers on an old connection and asks the client to open another one for what follows: HTTP/1.1 by the header,
// HTTP/2 by what net/http makes of it (GOAWAY).
func endOld(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a, ok := r.Context().Value(agedKey{}).(*agedConn); ok && a.old.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
