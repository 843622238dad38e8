package storefront

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Time limits of the shop's servers and of its own requests: far above what a healthy request takes, far below a
// person's patience.
const (
	headerTime  = 2 * time.Second
	requestTime = 5 * time.Second
	drainTime   = 2 * time.Second
)

// A listener is one HTTP server on a free loopback port.
type listener struct {
	url string
	srv *http.Server
	end chan struct{}
}

func listen(h http.Handler) (*listener, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{
		url: "http://" + ln.Addr().String(),
		srv: &http.Server{Handler: h, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10},
		end: make(chan struct{}),
	}
	go func() {
		defer close(l.end)
		_ = l.srv.Serve(ln) // always ends with ErrServerClosed or with the socket
	}()
	return l, nil
}

// drain stops accepting, waits for the requests in flight up to drainTime, then closes.
func (l *listener) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if l.srv.Shutdown(ctx) != nil {
		_ = l.srv.Close()
	}
	<-l.end
}

// close ends at once.
func (l *listener) close() {
	_ = l.srv.Close()
	<-l.end
}
