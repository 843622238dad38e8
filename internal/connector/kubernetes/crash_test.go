package kubernetes_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

// A crash lets so many of a process's writes through and then cuts it off from the world, as a kill would.
type crash struct {
	next  http.RoundTripper
	after *atomic.Int64
}

var errCrashed = errors.New("the process is gone")

func (c crash) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && c.after.Add(-1) < 0 {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, errCrashed
	}
	return c.next.RoundTrip(r)
}

// TestI06PartialMintIsFoundByItsName crashes the runner after each of the writes of a mint. The next process knows the
// lease's name, and its handle only if it was kept.
func TestI06PartialMintIsFoundByItsName(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	whole, ns := w.connect(t, w.addr()), w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	for writes, want := range [][]string{{}, {"serviceaccounts/"}, {"serviceaccounts/", "roles/"}, {"serviceaccounts/", "roles/"}, {"serviceaccounts/", "roles/", "rolebindings/"}} {
		t.Run(fmt.Sprint("after ", writes), func(t *testing.T) {
			t.Parallel()
			mint, err := w.Config(w.mint)
			if err != nil {
				t.Fatal(err)
			}
			read, err := w.Config(w.reader)
			if err != nil {
				t.Fatal(err)
			}
			var after atomic.Int64
			after.Store(int64(writes))
			mint.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return crash{next, &after} }
			c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: mint, Read: read, Now: time.Now, Rand: rand.Reader})
			if err != nil {
				t.Fatal(err)
			}
			r := request(plan(t, whole, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2)))
			var handle []byte
			_, err = c.Lease(t.Context(), r, func(h []byte) error { handle = h; return nil })
			if (err == nil) != (writes == 4) {
				t.Fatalf("lease: %v", err)
			}
			for i := range want {
				want[i] += r.Name
			}
			if got := w.made(t, r.Name); !slices.Equal(got, want) && len(got)+len(want) > 0 {
				t.Errorf("the crash left %q, want %q", got, want)
			}
			l, err := whole.Reopen(r, handle)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := l.Revoke(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := w.made(t, r.Name); len(got) > 0 {
				t.Errorf("left behind: %q", got)
			}
			testbed.Await(t, "the lease dead", func(ctx context.Context) (bool, string, error) {
				p, err := l.Probe(ctx)
				return p.PowerGone && p.IdentityGone, fmt.Sprintf("%+v", p), err
			})
		})
	}
}
