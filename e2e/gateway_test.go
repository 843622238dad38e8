package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/writ-dev/writ"
)

// Several agents speak through one gateway, over connections that it shares between them. Each call is its own agent's by
// the proof that it carries; what the gateway says of who calls counts for nothing, and a call without a proof is refused.
func TestSeveralAgentsBehindOneGatewayAreToldApartCallByCall(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	to, err := url.Parse(x.url)
	must(t, err)
	one := &http.Transport{MaxConnsPerHost: 1}
	defer one.CloseIdleConnections()
	gateway := httptest.NewServer(&httputil.ReverseProxy{
		Transport: one,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Set("X-Forwarded-User", repairer)
			r.Out.Header.Set("X-Agent", repairer)
			r.Out.Header.Set("Mcp-Session-Id", "one-session-for-all")
		},
	})
	defer gateway.Close()
	ask := func(token string, n int) (int, string) {
		body := fmt.Sprintf(`{"incident":%q,"playbook":"scale-service","parameters":{"service":"checkout","replicas":%d},"evidence":[%q],"because":"x"}`, x.incident, n, x.evidence[0])
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway.URL+"/v1/proposals", strings.NewReader(body))
		must(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", fmt.Sprintf("gateway-%d-%d-0123456789", n, len(token)))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		return resp.StatusCode, readAll(t, resp.Body)
	}
	mine, others := x.tokenOf(repairer), x.tokenOf(diagnoser)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if code, text := ask(others, 4); code != http.StatusForbidden || !strings.Contains(text, string(writ.ReasonRoleMissing)) {
				t.Errorf("the diagnosing agent: %d %s", code, text)
			}
		})
		all.Go(func() {
			if code, text := ask("", 4); code != http.StatusUnauthorized {
				t.Errorf("nobody: %d %s", code, text)
			}
		})
		all.Go(func() {
			if code, text := ask(mine, 5); code >= 300 {
				t.Errorf("the repairing agent: %d %s", code, text)
			}
		})
	}
	all.Wait()
	for _, e := range x.entries(t) {
		if b, ok := e.Body.(*writ.ProposalBody); ok && b.By.Sub != repairer {
			t.Errorf("a proposal by %v", b.By)
		}
	}
	if c := count(x.entries(t), writ.EntryProposal); c != 1 {
		t.Errorf("%d proposals", c)
	}
}
