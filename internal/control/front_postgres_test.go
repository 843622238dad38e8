package control_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway/gatewaytest"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// Two replicas share one PostgreSQL and nothing else. What a person approves at one is on at the other, a reading through
// either is one entry with its evidence, and a tool that one of them finds swapped is off for both, also when the old one is back.
func TestMCP01ReadingsAndSwapsOnOnePostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL server")
	}
	t.Parallel()
	x := front(t, nil, gatewaytest.Pods())
	replicas := x.replicas()
	x.ctl = replicas[0]
	x.incident = x.world.incident("shop").ID
	_, err := x.read(diagnose, shopPods)
	code(t, err, writ.ReasonToolUnpinned)
	x.pinned(pods)
	for i, ctl := range replicas {
		got, err := ctl.ReadUpstream(x.ctx, diagnose, x.incident, pods, []byte(shopPods))
		must(t, err)
		e, _, err := replicas[1-i].Evidence(x.ctx, ann, got.Evidence)
		if err != nil || !e.Writable || e.Incident != x.incident {
			t.Errorf("the other replica shows %+v, %v", e, err)
		}
	}
	swapped := gatewaytest.Pods()
	swapped.Description = "Another."
	x.up.Offer(swapped)
	_, err = replicas[1].ReadUpstream(x.ctx, diagnose, x.incident, pods, []byte(shopPods))
	code(t, err, writ.ReasonToolChanged)
	x.up.Offer(gatewaytest.Pods())
	for _, ctl := range replicas {
		_, err := ctl.ReadUpstream(x.ctx, diagnose, x.incident, pods, []byte(shopPods))
		code(t, err, writ.ReasonToolChanged)
		s, err := ctl.Status(x.ctx, ann)
		must(t, err)
		if len(s.Upstreams) != 1 || s.Upstreams[0].On != 0 || len(s.Upstreams[0].Changed) != 1 || s.Upstreams[0].Changed[0] != pods {
			t.Errorf("the status says %+v", s.Upstreams)
		}
	}
	if n := len(x.up.Calls()); n != 2 {
		t.Errorf("%d calls reached the upstream", n)
	}
	kinds := map[writ.EntryKind]int{}
	must(t, replicas[0].Store.View(x.ctx, func(tx *store.Tx) error {
		leaves, err := tx.Leaves(0, 1000)
		for _, l := range leaves {
			e, err := ledger.Open(l)
			must(t, err)
			kinds[e.Record.Kind]++
		}
		return err
	}))
	if kinds[writ.EntryUpstreamRead] != 2 || kinds[writ.EntryPin] != 2 {
		t.Errorf("the ledger has %d readings and %d entries about the tool", kinds[writ.EntryUpstreamRead], kinds[writ.EntryPin])
	}
}
