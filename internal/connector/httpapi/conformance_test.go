package httpapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/connectortest"
	"github.com/writ-dev/writ/internal/storefront"
)

// TestConformance holds the connector to its contract against a real shop. It runs under token exchange: under client
// credentials a token that may have been lost on its way is waited for, for longer than the suite waits (see
// TestI06ATokenLostOnItsWayIsWaitedFor).
func TestConformance(t *testing.T) {
	const planted = "hunter2-planted-secret"
	s := shop(t)
	if err := s.Plant(context.Background(), storefront.Checkout, "curl/8 password="+planted); err != nil {
		t.Fatal(err)
	}
	_, host, _ := strings.Cut(s.AdminURL(), "://")
	connectortest.Run(t, connectortest.Fixture{
		Upstream: host,
		Connect: func(t *testing.T, addr string) connector.Connector {
			return connect(t, config(t, s, "http://"+addr))
		},
		Fresh:   func(t *testing.T) connectortest.Subject { return subject(t, s, steps.Add(1)) },
		Queries: func(*testing.T) []connector.Query { return queries() },
		Writes:  func(*testing.T) int { return s.WriteRequests() },
		Secrets: []string{planted},
	})
}

// subject opens a service of its own and drafts, in turn, a release and a number of replicas for it; the third party
// changes the other of the two.
func subject(t *testing.T, s *storefront.Shop, n int64) connectortest.Subject {
	t.Helper()
	name := fmt.Sprintf("side-%d", n)
	if err := s.Open(name); err != nil {
		t.Fatal(err)
	}
	d := setRelease(name, "v3")
	meddle := func() error { return s.Scale(name, 3, "ops") }
	if n%2 == 0 {
		d = draft(name, "httpapi/replicas.set", writ.Parameters{"service": writ.String(name), "replicas": writ.Int(4)})
		meddle = func() error { return s.Deploy(name, "v1", "ops") }
	}
	return connectortest.Subject{
		Draft: d,
		State: func(t *testing.T) string {
			v, err := s.Look(name)
			if err != nil {
				t.Error(err)
			}
			return fmt.Sprint(v.Release, v.Replicas, v.Flags)
		},
		Meddle: func(t *testing.T) {
			if err := meddle(); err != nil {
				t.Fatal(err)
			}
		},
		Elsewhere: "httpapi://shop/services/" + writ.Location(storefront.Payments),
	}
}

// queries tries each reader of the shop once.
func queries() []connector.Query {
	var out []connector.Query
	for _, name := range []writ.OperationName{"httpapi/service.status", "httpapi/service.metrics", "httpapi/service.releases", "httpapi/service.logs", "httpapi/flag.status"} {
		q := connector.Query{
			Reader: name, With: writ.Parameters{"service": writ.String(storefront.Checkout)},
			Scope: []writ.Location{"httpapi://shop/services/checkout"}, Limit: 32 << 10,
		}
		if name == "httpapi/flag.status" {
			q.With["flag"] = writ.String("one-click")
		}
		out = append(out, q)
	}
	return out
}
