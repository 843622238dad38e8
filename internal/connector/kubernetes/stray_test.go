package kubernetes_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/kubernetes"
	"github.com/writ-dev/writ/internal/testbed"
)

// cell connects as a runner with a mark of its own.
func (w world) cell(t testing.TB, mark string) *kubernetes.Connector {
	t.Helper()
	mint, err := w.Config(w.mint)
	if err != nil {
		t.Fatal(err)
	}
	read, err := w.Config(w.reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kubernetes.New(kubernetes.Config{Target: target, Mint: mint, Read: read, Cell: mark, Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// found reports whether a search finds a name.
func found(t *testing.T, c *kubernetes.Connector, name string) bool {
	t.Helper()
	all, err := c.Orphans(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all, func(o connector.Orphan) bool { return o.Name == name })
}

// Two runners, or two installations, on one cluster: each finds its own credentials without a journal, ends them by
// their name, and never touches the other's, not even when told its name.
func TestR38AnOrphanIsFoundByItsMarkAndEndedByItsName(t *testing.T) {
	t.Parallel()
	w := cluster(t)
	ns := w.Namespace(t)
	w.Deployment(t, ns, "api", "api:1", 1)
	w.rest(t, deployPath(ns, "api"))
	ours, theirs := w.cell(t, "cell-"+ns+"-a"), w.cell(t, "cell-"+ns+"-b")
	mint := func(c *kubernetes.Connector) (connector.LeaseRequest, connector.Lease, connector.Prepared) {
		p := plan(t, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2))
		r := request(p)
		l, err := c.Lease(t.Context(), r, func([]byte) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Revoke(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return r, l, p
	}
	r, lost, p := mint(ours)
	other, alive, q := mint(theirs)
	fresh := w.cell(t, "cell-"+ns+"-a") // the next process, with an empty journal
	if !found(t, fresh, r.Name) || found(t, fresh, other.Name) {
		t.Fatal("a search does not find exactly what bears its mark")
	}
	if found(t, w.connect(t, w.addr()), r.Name) {
		t.Error("a connector without a mark found something")
	}
	stray, err := fresh.Reclaim(r.Name)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := stray.Probe(t.Context()); err != nil || got.PowerGone || got.IdentityGone {
		t.Fatalf("before it is ended: %+v %v", got, err)
	}
	if err := stray.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := stray.Probe(t.Context()); err != nil || !got.PowerGone || got.IdentityGone {
		t.Errorf("its identity is remembered for a while: %+v %v", got, err)
	}
	testbed.Await(t, "the orphan dead", func(ctx context.Context) (bool, string, error) {
		got, err := stray.Probe(ctx)
		return got.PowerGone && got.IdentityGone, fmt.Sprintf("%+v", got), err
	})
	// What says so is the absence of everything; the token that the lost process held agrees.
	if got, err := lost.Probe(t.Context()); err != nil || got.PowerStatus != http.StatusUnauthorized && got.PowerStatus != http.StatusForbidden || got.IdentityStatus != http.StatusUnauthorized {
		t.Errorf("the lost process's token: %+v %v", got, err)
	}
	if out := lost.Do(t.Context(), p); out.Effect != writ.NotApplied {
		t.Errorf("a call with the lost token: %+v", out)
	}
	if found(t, fresh, r.Name) {
		t.Error("it is still there")
	}
	// The other's name in our mouth: nothing of it goes.
	foreign, err := fresh.Reclaim(other.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := foreign.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := alive.Probe(t.Context()); err != nil || got.PowerGone || got.IdentityGone {
		t.Errorf("the other cell's lease: %+v %v", got, err)
	}
	if out := alive.Do(t.Context(), q); out.Effect != writ.Applied {
		t.Errorf("the other cell's call: %+v", out)
	}
}

// BenchmarkLeaseDead measures the time from the end of a run, when its lease's revocation begins, until the API server
// refuses its power, and until it refuses its identity everywhere. Each iteration ends one lease that was used; the
// leases of a round die side by side, as those of several runs do.
func BenchmarkLeaseDead(b *testing.B) {
	w := cluster(b)
	ns := w.Namespace(b)
	w.Deployment(b, ns, "api", "api:1", 1)
	w.rest(b, deployPath(ns, "api"))
	c := w.cell(b, "cell-"+ns)
	power, identity := make([]time.Duration, b.N), make([]time.Duration, b.N)
	p := plan(b, c, ns, kubernetes.Scale, workload("deployment", ns, "api", "replicas", 2))
	b.ResetTimer()
	const round = 8 // leases at a time
	slots, done := make(chan struct{}, round), make(chan error, b.N)
	for i := range b.N {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			done <- func() error {
				ctx := context.Background()
				l, err := c.Lease(ctx, request(p), func([]byte) error { return nil })
				if err != nil {
					return err
				}
				if _, err := l.Probe(ctx); err != nil { // the API server remembers the token from here on
					return err
				}
				began := time.Now()
				if err := l.Revoke(ctx); err != nil {
					return err
				}
				for identity[i] == 0 {
					got, err := l.Probe(ctx)
					if err != nil {
						return err
					}
					if got.PowerGone && power[i] == 0 {
						power[i] = time.Since(began)
					}
					if got.IdentityGone {
						identity[i] = time.Since(began)
					}
					time.Sleep(10 * time.Millisecond)
				}
				return nil
			}()
		}()
	}
	for range b.N {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	for what, d := range map[string][]time.Duration{"power": power, "identity": identity} {
		slices.Sort(d)
		at := func(permille int) float64 {
			return float64(d[min(len(d)-1, len(d)*permille/1000)].Microseconds()) / 1000
		}
		b.ReportMetric(at(500), what+"-p50-ms")
		b.ReportMetric(at(990), what+"-p99-ms")
	}
}
