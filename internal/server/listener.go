package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
)

// Timeouts of every listener. Handlers set their own deadlines around bodies, waits and streams.
const (
	headerTimeout = 10 * time.Second // a slow header is an attack, not a slow network
	idleTimeout   = 2 * time.Minute
	drainTimeout  = 15 * time.Second // longer than a request, shorter than an orchestrator's patience
)

// A listener is one address with its handler.
type listener struct {
	name string
	l    net.Listener
	srv  *http.Server
}

// listen binds address at once, so that a port in use is one clear sentence before anything starts. Connections end at
// age; 0 means never.
func listen(name, address string, h http.Handler, secure *tls.Config, age time.Duration) (listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil && age > 0 {
		l, h = agedListener{l, age}, endOld(h)
	}
	if err != nil {
		return listener{}, &writ.Refusal{
			Code: writ.ReasonUnavailable, Kind: writ.ErrUnavailable, Detail: fmt.Sprintf("%s cannot listen on %s: %v", name, writ.Printable(address, 100), err),
			Hint: "end the process that uses the port, or name another address in the configuration",
		}
	}
	if secure != nil {
		h = secured(h)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, ConnContext: withAge}
	if secure != nil {
		// The server must know what the listener offers: it speaks HTTP/2 only if its own configuration says so.
		srv.TLSConfig = secure.Clone()
		srv.TLSConfig.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, srv.TLSConfig)
	}
	return listener{name, l, srv}, nil
}

func (l listener) address() string { return l.l.Addr().String() }

// serve runs until ctx ends, then finishes the requests in flight.
func (l listener) serve(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- l.srv.Serve(l.l) }()
	select {
	case err := <-done:
		return fmt.Errorf("%s on %s: %w", l.name, l.address(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := l.srv.Shutdown(drain)
	if errors.Is(err, context.DeadlineExceeded) {
		err = l.srv.Close()
	}
	<-done
	return err
}
