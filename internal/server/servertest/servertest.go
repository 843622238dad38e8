// Package servertest sets up a server and its signer in a test and runs them, as their processes do.
package servertest

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/server"
	"github.com/writ-dev/writ/internal/setup"
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

// services is the catalogue of Install.
const services = `kind: Component
metadata:
  name: checkout
  annotations: {writ.dev/environment: prod, writ.dev/locations: kubernetes://here/shop/deployment/checkout}
spec: {owner: payments}
`

// Install writes a new installation with addresses of its own: one service, checkout of the team payments, on a target
// that no runner serves, and one person of that team, bo. changes are of what it is made with.
func Install(t testing.TB, changes ...func(*setup.Options)) setup.Installation {
	t.Helper()
	at := Addresses(t, 3)
	o := setup.Options{
		Listen: at[0], Runners: at[1], Signer: at[2], Services: []byte(services), Now: time.Now(),
		Targets: []setup.Target{{Location: "kubernetes://here", Kubeconfig: "/nowhere", Catalogue: kubernetes.Catalogue()}},
		People:  []setup.Person{{Sub: "bo", Groups: []string{"payments"}}},
	}
	for _, change := range changes {
		change(&o)
	}
	in, err := setup.Write(filepath.Join(t.TempDir(), "writ"), o)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// Load reads what Serve takes, with a development login.
func Load(t testing.TB, in setup.Installation) (config.Server, config.Signer) {
	t.Helper()
	c, err := config.LoadServer(in.Server, true)
	if err != nil {
		t.Fatal(err)
	}
	sc, err := config.LoadSigner(in.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return c, sc
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
