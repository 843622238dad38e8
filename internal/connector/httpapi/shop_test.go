package httpapi_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/storefront"
)

// shop starts a shop without customers.
func shop(t *testing.T) *storefront.Shop {
	t.Helper()
	s, err := storefront.Start(context.Background(), storefront.Config{Rate: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// config is the shop's own connector configuration, with its bytes, reached at base.
func config(t *testing.T, s *storefront.Shop, base string) httpapi.Config {
	t.Helper()
	c, err := httpapi.ParseConfig(storefront.ConnectorYAML(base))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(s.ReadFile); err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(t *testing.T, c httpapi.Config) *httpapi.Connector {
	t.Helper()
	x, err := httpapi.New(c, httpapi.Options{Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var steps atomic.Int64

// draft is one operation with a key of its own, in the scope of service.
func draft(service string, op writ.OperationName, with writ.Parameters) connector.Draft {
	return connector.Draft{
		Key: fmt.Sprintf("pln_test%d.1", steps.Add(1)), Operation: op, With: with,
		Scope: []writ.Location{writ.Location("httpapi://shop/services/" + service)},
	}
}

func setRelease(service, release string) connector.Draft {
	return draft(service, "httpapi/release.set", writ.Parameters{"service": writ.String(service), "release": writ.String(release)})
}

func plan(t *testing.T, x *httpapi.Connector, d connector.Draft) connector.Prepared {
	t.Helper()
	p, err := x.Plan(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func request(undo bool, ps ...connector.Prepared) connector.LeaseRequest {
	return connector.LeaseRequest{Name: fmt.Sprintf("writ-test%d", steps.Add(1)), Run: "run_test", Tier: writ.T2, Steps: ps, Undo: undo, TTL: time.Minute}
}

func lease(t *testing.T, x *httpapi.Connector, undo bool, ps ...connector.Prepared) connector.Lease {
	t.Helper()
	l, err := x.Lease(t.Context(), request(undo, ps...), func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Revoke(context.Background()); err != nil && !strings.Contains(err.Error(), "reached") {
			t.Errorf("revoke: %v", err)
		}
	})
	return l
}

// release is what the shop runs, seen by its administrator.
func release(t *testing.T, x *httpapi.Connector, service string) string {
	t.Helper()
	r, err := x.Observe(t.Context(), connector.Query{
		Reader: "httpapi/service.status", With: writ.Parameters{"service": writ.String(service)},
		Scope: []writ.Location{writ.Location("httpapi://shop/services/" + service)}, Limit: 10_000,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := r.Facts["release"].Str()
	return s
}

func wantReason(t *testing.T, what string, err error, want writ.Reason) {
	t.Helper()
	if got := writ.ReasonOf(err); got != want {
		t.Errorf("%s: reason %q (%v), want %q", what, got, err, want)
	}
}
