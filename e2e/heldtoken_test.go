package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/token"
)

// TestAnAgentFetchesItsGrantAtTheTokenEndpointAndPresentsIt goes the whole way with whole processes: a platform's token,
// a control-plane token, a proposal under the agent's own key, the exchange at one replica, the presentation at another. Both
// replicas demand a nonce in each proof (RFC 9449 sections 8 and 9), and take each other's.
func TestAnAgentFetchesItsGrantAtTheTokenEndpointAndPresentsIt(t *testing.T) {
	t.Parallel()
	o, ask := newOffice(t, func(c *config.Server) { c.Tokens.Nonce = "required" })
	key, err := client.NewKey()
	must(t, err)
	ask.Holder, err = client.Thumbprint(&key.PublicKey)
	must(t, err)
	at := func(i int) *client.Client {
		source := &client.Source{Key: key, Assertion: func(context.Context) (string, error) { return o.platformToken(), nil }}
		c, err := client.New(o.servers[i].url, client.Config{Source: source, ExternalURL: o.external})
		must(t, err)
		return c
	}
	one, two := at(0), at(1)
	before := o.shops[0].Changes()
	p, err := one.Propose(t.Context(), ask)
	must(t, err)
	await(t, "the plan", func() (bool, string) {
		p, err = one.Plan(t.Context(), p.ID)
		must(t, err)
		return p.State == writ.PlanReady, string(p.State) + " " + p.Detail
	})
	shown, err := o.people[0].Plan(t.Context(), p.ID)
	must(t, err)
	runner := shown.Plan.Runner
	if _, err := one.Exchange(t.Context(), p.ID, p.Digest, runner+"x"); writ.ReasonOf(err) != writ.ReasonRunnerAltered {
		t.Errorf("for another runner: %v", err)
	}
	g, err := one.Exchange(t.Context(), p.ID, p.Digest, runner)
	must(t, err)
	again, err := two.Exchange(t.Context(), p.ID, p.Digest, runner)
	if err != nil || again.Token != g.Token {
		t.Errorf("asked again at a second replica: another grant, %v", err)
	}
	r, err := two.Present(t.Context(), g.Token, key)
	if err != nil || r.ID != g.Run {
		t.Fatalf("%s %v", r.ID, err)
	}
	o.ended(0, p.ID, before)

	// Without the client: the question is an error of its own, and the answer to it is good at the other replica.
	raw := o.platformToken()
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {raw}}
	asks := func(i int, nonce string) (said, string) {
		proof, err := token.ProveBareWith(key, token.Proof{Method: "POST", URL: o.external + "/token", Nonce: nonce}, time.Now(), rand.Reader)
		must(t, err)
		req, err := http.NewRequestWithContext(t.Context(), "POST", o.servers[i].url+"/token", strings.NewReader(form.Encode()))
		must(t, err)
		req.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Dpop": {proof}}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		out := said{status: resp.StatusCode, raw: readAll(t, resp.Body)}
		_ = json.Unmarshal([]byte(out.raw), &out.body) // what is no object has no members
		return out, resp.Header.Get("DPoP-Nonce")
	}
	got, nonce := asks(0, "")
	if got.status != http.StatusBadRequest || got.text("error") != "use_dpop_nonce" || nonce == "" {
		t.Errorf("without a nonce: %d %s %q", got.status, got.raw, nonce)
	}
	if got, _ := asks(1, nonce); got.status != http.StatusOK {
		t.Errorf("with it, at a second replica: %d %s", got.status, got.raw)
	}
	o.whole()

	// The same agent behind the bridge: its platform's token lies in a file, and each call carries a proof of the bridge's own key.
	file := filepath.Join(t.TempDir(), "platform.token")
	write(t, file, []byte(o.platformToken()))
	cmd := exec.Command(o.bed.writ, "mcp", "--server", o.servers[1].url, "--external-url", o.external, "--assertion-file", file)
	cmd.Stderr = t.Output()
	behind, err := mcp.NewClient(&mcp.Implementation{Name: "e2e-proofs", Version: "1"}, nil).Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	must(t, err)
	defer behind.Close()
	for range 2 {
		got, err := behind.CallTool(t.Context(), &mcp.CallToolParams{Name: "get_plan", Arguments: map[string]any{"plan_id": string(p.ID)}})
		if err != nil || got.IsError {
			t.Fatalf("behind the bridge: %v %v", got, err)
		}
	}
}
