package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ/internal/gateway/gatewaytest"
)

// BenchmarkCall compares a call through the gateway, which looks at the upstream's tools first and checks the arguments, with
// the same call made directly. The control plane's decision and record are not in it.
func BenchmarkCall(b *testing.B) {
	u := gatewaytest.Start(b, gatewaytest.Pods())
	g := to(b, u.URL)
	d := offered(b, g)
	arguments := []byte(`{"namespace":"shop"}`)
	direct, err := mcp.NewClient(&mcp.Implementation{Name: "direct", Version: "1"}, nil).Connect(b.Context(), &mcp.StreamableClientTransport{
		Endpoint: u.URL, HTTPClient: &http.Client{}, DisableStandaloneSSE: true,
	}, &mcp.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
	must(b, err)
	defer direct.Close()
	for name, call := range map[string]func() error{
		"direct": func() error {
			_, err := direct.CallTool(b.Context(), &mcp.CallToolParams{Name: pods.Tool, Arguments: json.RawMessage(arguments)})
			return err
		},
		"gateway": func() error {
			a, err := d.Check(arguments)
			if err != nil {
				return err
			}
			_, err = g.Call(b.Context(), pods, may(d.Digest(), a.Canonical))
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				at := time.Now()
				must(b, call())
				took = append(took, time.Since(at))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
		})
	}
}
