package e2e_test

import (
	"context"
	"testing"

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
}
