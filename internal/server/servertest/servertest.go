// Package servertest runs server and signer in a test, as their processes do.
package servertest

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/server"
)

// Addresses returns n different addresses of this machine that were free a moment ago. Somebody may take one before it is
// bound.
func Addresses(t testing.TB, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all stay open until all are known, so they differ
		all = append(all, l.Addr().String())
	}
	return all
}

// Serve runs a signer and a server, with a development login, until the test ends: then the server first, whose signer
// outlives it. A server that ends by itself fails the test.
func Serve(t testing.TB, c config.Server, sc config.Signer) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	signer, err := server.NewSigner(sc, log)
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancel(context.WithoutCancel(t.Context()))
	signed, served := make(chan error, 1), make(chan error, 1)
	go func() { signed <- signer.Serve(life) }()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s, err := server.New(ctx, c, "test", true, log)
	if err != nil {
		stop()
		end()
		<-signed
		t.Fatal(err)
	}
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		select {
		case err := <-served:
			t.Errorf("the server ended by itself: %v", err)
		default:
			stop()
			<-served
		}
		stop()
		end()
		<-signed
	})
}
