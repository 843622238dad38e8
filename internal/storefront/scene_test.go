package storefront_test

import (
	"errors"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/connector/httpapi"
	"github.com/writ-dev/writ/internal/storefront"
)

// repair carries a playbook out as a runner does, without its checks, and undoes it if it does not help. It reports
// whether the repair was verified, and what the undo did if not.
func repair(t *testing.T, x *httpapi.Connector, file, service string, with writ.Parameters) (verified bool, u connector.Undone) {
	t.Helper()
	with["service"] = writ.String(service)
	b, err := book(t, file).Bind(with)
	if err != nil {
		t.Fatal(err)
	}
	scope := writ.Location("httpapi://shop/services/" + service)
	for _, g := range b.Guards {
		if !holds(t, x, scope, g) {
			t.Fatalf("guard %s does not hold", g.Name)
		}
	}
	p, err := x.Plan(t.Context(), connector.Draft{Key: "pln_scene.1", Operation: b.Steps[0].Operation, With: b.Steps[0].With, Scope: []writ.Location{scope}})
	if err != nil {
		t.Fatal(err)
	}
	r := connector.LeaseRequest{Name: "writ-scene", Run: "run_scene", Tier: p.Step.Tier, Steps: []connector.Prepared{p}, TTL: time.Minute}
	l, err := x.Lease(t.Context(), r, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	out := l.Do(t.Context(), p)
	if out.Effect != writ.Applied {
		t.Fatalf("%+v", out)
	}
	dead(t, l)
	verified = true
	for _, c := range b.Verify {
		verified = verified && holds(t, x, scope, c)
	}
	if verified || p.Step.Inverse.Kind == writ.InverseNone {
		return verified, u
	}
	r.Undo = true
	if l, err = x.Lease(t.Context(), r, func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	u = l.Undo(t.Context(), p, out.After)
	dead(t, l)
	return false, u
}

func dead(t *testing.T, l connector.Lease) {
	t.Helper()
	if err := l.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, err := l.Probe(t.Context()); err != nil || !p.PowerGone || !p.IdentityGone {
		t.Fatalf("the lease lives on: %+v, %v", p, err)
	}
}

// Each scene breaks the shop and repairs it, or does not: what the demonstration shows is what happens.
func TestScenes(t *testing.T) {
	if testing.Short() {
		t.Skip("the shop's error rates are real: under the race detector its replicas are too slow for their customers")
	}
	for what, c := range map[string]struct {
		breakIt       func(s *storefront.Shop) error
		file, service string
		with          writ.Parameters
		helps         bool
	}{
		"a bad release is rolled back": {
			func(s *storefront.Shop) error { return s.Deploy("checkout", "v42", "pipeline") },
			"rollback-release.yaml", "checkout", writ.Parameters{"to": writ.String("v41")}, true,
		},
		"a rollback does not cure the outside world": {
			func(s *storefront.Shop) error { return s.SetFault("payments", storefront.Fault{Errors: 400}) },
			"rollback-release.yaml", "payments", writ.Parameters{"to": writ.String("v18")}, false,
		},
		"a slow release is no cure for a bad one": {
			func(s *storefront.Shop) error { return s.Deploy("checkout", "v42", "pipeline") },
			"rollback-release.yaml", "checkout", writ.Parameters{"to": writ.String("v43")}, false,
		},
		"the second gateway cures the outside world": {
			func(s *storefront.Shop) error { return s.SetFault("payments", storefront.Fault{Errors: 400}) },
			"set-flag.yaml", "payments", writ.Parameters{"flag": writ.String("backup-gateway"), "on": writ.Bool(true)}, true,
		},
		"more replicas carry a surge": {
			func(s *storefront.Shop) error { // eight slots of six, and of twelve afterwards; see unhurried
				return errors.Join(s.SetFault(storefront.Checkout, storefront.Fault{Delay: 220 * time.Millisecond}), s.SetRate(32))
			},
			"scale-service.yaml", "checkout", writ.Parameters{"replicas": writ.Int(6)}, true,
		},
		"a restart frees wedged replicas": {
			func(s *storefront.Shop) error { return s.Wedge("catalog") },
			"restart-service.yaml", "catalog", writ.Parameters{}, true,
		},
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t, storefront.Config{})
			x := connect(t, s)
			settled(t, s)
			if err := c.breakIt(s); err != nil {
				t.Fatal(err)
			}
			eventually(t, "errors", func() bool { return s.Rates(c.service).ErrorPermille >= 60 })
			began := time.Now()
			verified, u := repair(t, x, c.file, c.service, c.with)
			t.Logf("took %v", time.Since(began))
			if verified != c.helps || !c.helps && !u.Restored {
				t.Errorf("verified %v, undo %+v", verified, u)
			}
		})
	}
}
