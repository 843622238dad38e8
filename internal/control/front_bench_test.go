package control_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway"
	"github.com/writ-dev/writ/internal/gateway/gatewaytest"
)

// perIncident is how many readings of one incident are measured before the next one is opened: an incident may have 500.
const perIncident = 400

// BenchmarkFrontedCall compares the same call made directly, through the gateway alone, and as agents make it: decided by policy,
// recorded in the ledger before it is answered, on SQLite. go test ./internal/control -run - -bench FrontedCall -benchtime 2000x
func BenchmarkFrontedCall(b *testing.B) {
	for _, c := range []struct {
		name string
		call func(b *testing.B, x *fronting) func(i int) error
	}{
		{"direct", direct},
		{"gateway", throughGateway},
		{"whole", whole},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := front(b, nil, gatewaytest.Pods()).pinned(pods)
			call := c.call(b, x)
			must(b, call(0)) // connections
			took := make([]time.Duration, b.N)
			b.ResetTimer()
			for i := range took {
				b.StopTimer()
				if i%perIncident == 0 {
					x.incident = x.world.incident("shop").ID
				}
				b.StartTimer()
				began := time.Now()
				must(b, call(i))
				took[i] = time.Since(began)
			}
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-µs")
			b.ReportMetric(float64(took[b.N*99/100].Nanoseconds())/1e3, "p99-µs")
		})
	}
}

func direct(b *testing.B, x *fronting) func(int) error {
	s, err := mcp.NewClient(&mcp.Implementation{Name: "direct", Version: "1"}, nil).Connect(b.Context(), &mcp.StreamableClientTransport{Endpoint: x.up.URL, MaxRetries: -1}, nil)
	must(b, err)
	b.Cleanup(func() { s.Close() })
	return func(int) error {
		_, err := s.CallTool(b.Context(), &mcp.CallToolParams{Name: "list_pods", Arguments: map[string]any{"namespace": "shop"}})
		return err
	}
}

func throughGateway(b *testing.B, x *fronting) func(int) error {
	g, err := gateway.New([]gateway.Upstream{{Name: "kube", URL: x.up.URL, Team: "checkout", Tools: map[string][]string{"list_pods": nil}}}, "bench", slog.New(slog.DiscardHandler), nil)
	must(b, err)
	b.Cleanup(g.Close)
	all, err := g.Discover(b.Context(), "kube")
	must(b, err)
	pinned := all[0].Digest()
	return func(int) error {
		_, err := g.Call(b.Context(), pods, func() (writ.Digest, []byte, error) { return pinned, []byte(shopPods), nil })
		return err
	}
}

func whole(_ *testing.B, x *fronting) func(int) error {
	return func(i int) error {
		r, err := x.read(diagnose, shopPods)
		if err == nil && r.Evidence == (writ.EvidenceID("")) {
			err = fmt.Errorf("call %d has no record", i)
		}
		return err
	}
}
