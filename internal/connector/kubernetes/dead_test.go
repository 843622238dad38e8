package kubernetes_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

// TestI06PowerGoesAtOnceAndIdentityWithinTheCache measures what the design promises of a revoked lease.
func TestI06PowerGoesAtOnceAndIdentityWithinTheCache(t *testing.T) {
	t.Parallel()
	_, c, ns := atRest(t)
	p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2))
	l, err := c.Lease(t.Context(), request(p), func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	run := l.Do(t.Context(), p) // the token is in the API server's cache now
	if run.Effect != writ.Applied {
		t.Fatalf("%+v", run)
	}
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	var power, identity time.Duration
	testbed.Await(t, "the lease dead", func(ctx context.Context) (bool, string, error) {
		got, err := l.Probe(ctx)
		if got.PowerGone && power == 0 {
			power = time.Since(revoked)
		}
		if got.IdentityGone {
			identity = time.Since(revoked)
		}
		return identity > 0, fmt.Sprintf("%+v", got), err
	})
	if power > 5*time.Second || identity < kubernetes.AuthCache || identity > 30*time.Second {
		t.Errorf("power was gone after %s, identity after %s", power, identity)
	}
	t.Logf("power was gone after %s, identity after %s", power, identity)
}

// TestI06OneRefusalIsNotDeath: a token that was never used is refused at once, by the API server that was asked. Another
// may still take it, until its cache has run out; and a restarted runner does not know when the identity was deleted.
func TestI06OneRefusalIsNotDeath(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	ns := w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	var ahead atomic.Int64
	connect := func() *kubernetes.Connector {
		mint, err := w.Config(w.mint)
		if err != nil {
			t.Fatal(err)
		}
		read, err := w.Config(w.reader)
		if err != nil {
			t.Fatal(err)
		}
		c, err := kubernetes.New(kubernetes.Config{
			Target: target, Mint: mint, Read: read, Rand: rand.Reader, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := connect()
	r := request(plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2)))
	full := errors.New("the disk is full")
	var handle []byte
	if _, err := c.Lease(t.Context(), r, func(h []byte) error { handle = h; return full }); !errors.Is(err, full) {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		conn *kubernetes.Connector
	}{{"the same process", c}, {"the next process", connect()}} {
		name := x.name
		l, err := x.conn.Reopen(r, handle)
		if err != nil {
			t.Fatal(err)
		}
		early, err := l.Probe(t.Context())
		if err != nil || !early.PowerGone || early.IdentityStatus != http.StatusUnauthorized || early.IdentityGone {
			t.Errorf("%s, at once: %+v, %v", name, early, err)
		}
		ahead.Add(int64(kubernetes.AuthCache))
		late, err := l.Probe(t.Context())
		if err != nil || !late.PowerGone || !late.IdentityGone {
			t.Errorf("%s, when caches have run out: %+v, %v", name, late, err)
		}
	}
}
