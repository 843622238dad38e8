package e2e_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
)

// TestAnAgentFetchesItsGrantAtTheTokenEndpointAndPresentsIt goes the whole way with whole processes: a platform's token,
// a control-plane token, a proposal under the agent's own key, the exchange at one replica, the presentation at another.
func TestAnAgentFetchesItsGrantAtTheTokenEndpointAndPresentsIt(t *testing.T) {
	t.Parallel()
	o, ask := newOffice(t)
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
