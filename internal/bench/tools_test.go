package bench_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	crowds "github.com/writ-dev/writ/internal/crowd"
	"github.com/writ-dev/writ/internal/mcp"
	"github.com/writ-dev/writ/internal/token"
)

// believing takes every caller for the repairing agent: what is left is the door itself.
type believing struct{}

func (believing) Principal(context.Context, *http.Request) (writ.Principal, error) {
	return writ.Principal{Kind: writ.KindAgent, Iss: agentOf, Sub: "repair"}, nil
}

// admitting asks who calls, and whether that agent is let in, as the server does.
type admitting struct{ d *desk }

func (a admitting) Principal(ctx context.Context, r *http.Request) (writ.Principal, error) {
	p, err := a.d.auth.Principal(ctx, r)
	if err == nil {
		err = a.d.w.Control().Admit(ctx, p)
	}
	return p, err
}

// tools serves the agents' door over loopback.
func (d *desk) tools(b testing.TB, auth mcp.Authenticator) string {
	b.Helper()
	ctl := d.w.Control()
	s := httptest.NewServer(mcp.Handler(mcp.Config{
		Authenticator: auth, Proofs: true, Playbooks: ctl, Diagnosis: ctl, HandOffs: ctl, Proposer: ctl, Runs: ctl, ExternalURL: deskURL,
		Crowd:   crowds.New(1024, 1024), // all callers of this measurement are one agent
		Version: "bench", Log: slog.New(slog.DiscardHandler),
	}))
	b.Cleanup(s.Close)
	return s.URL + mcp.Path
}

// toolCalls makes n tool calls, each with a proof of its own when there is a token.
func (d *desk) toolCalls(b testing.TB, url string, n int, withToken bool) (all []*http.Request) {
	b.Helper()
	raw, _, err := d.access.Issue(agentOf, "repair", token.Confirmation{Thumbprint: token.Thumbprint(&d.holder.PublicKey)}, time.Now(), token.MaxAccessLife, rand.Reader)
	fatal(b, err)
	for range n {
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_incidents","arguments":{}}}`))
		fatal(b, err)
		r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"}, "Authorization": {"Bearer none"}}
		if withToken {
			proof, err := token.Prove(d.holder, token.Proof{Method: "POST", URL: deskURL + mcp.Path, AccessTokenHash: token.AccessTokenHash(raw)}, time.Now(), rand.Reader)
			fatal(b, err)
			r.Header.Set("Authorization", "DPoP "+raw)
			r.Header.Set("DPoP", proof)
		}
		all = append(all, r)
	}
	return all
}

// BenchmarkToolCall is one tool call (list_incidents) by MCP over loopback HTTP, at the door alone and with a control-plane token and a
// proof of its key, whose replay protection is a durable write: go test -run - -bench ToolCall -benchtime 2000x ./internal/bench. Proofs are made
// before the clock starts, and are good for a minute.
func BenchmarkToolCall(b *testing.B) {
	for _, withToken := range []bool{false, true} {
		for _, callers := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("token=%v/agents=%d", withToken, callers), func(b *testing.B) {
				d := newDesk(b, places[0].at(b))
				_, err := d.w.Cycle(b.Context(), 0) // something to list, and connections
				fatal(b, err)
				var auth mcp.Authenticator = believing{}
				if withToken {
					auth = admitting{d}
				}
				url := d.tools(b, auth)
				requests := d.toolCalls(b, url, b.N, withToken)
				c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
				b.Cleanup(c.CloseIdleConnections)
				took := make([]time.Duration, b.N)
				var next atomic.Int64
				var all sync.WaitGroup
				b.ResetTimer()
				for range callers {
					all.Go(func() {
						for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
							began := time.Now()
							if err := listed(c, requests[i]); err != nil {
								b.Error(err)
								return
							}
							took[i] = time.Since(began)
						}
					})
				}
				all.Wait()
				b.StopTimer()
				slices.Sort(took)
				b.ReportMetric(float64(took[b.N/2].Nanoseconds())/1e3, "p50-µs")
				b.ReportMetric(float64(took[b.N*99/100].Nanoseconds())/1e3, "p99-µs")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "per-s")
			})
		}
	}
}

func listed(c *http.Client, r *http.Request) error {
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "OPEN INCIDENTS")) {
		err = fmt.Errorf("%d %s", resp.StatusCode, body)
	}
	return err
}

// What docs/benchmarks.md measures can be measured: a call at the door alone, and one with a token of the token endpoint's kind
// and a proof of its key, which is taken once.
func TestAToolCallIsAnsweredWithAndWithoutAToken(t *testing.T) {
	d := newDesk(t, places[0].at(t))
	_, err := d.w.Cycle(t.Context(), 0)
	fatal(t, err)
	for withToken, auth := range map[bool]mcp.Authenticator{false: believing{}, true: admitting{d}} {
		url := d.tools(t, auth)
		for _, r := range d.toolCalls(t, url, 2, withToken) {
			if err := listed(http.DefaultClient, r); err != nil {
				t.Errorf("token %v: %v", withToken, err)
			}
		}
	}
}
