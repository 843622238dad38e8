package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// DEP-03: a secret that lies in one control plane does not come out of another. What is read is redacted before an agent sees it,
// what is not of the incident's service is not read at all, and no operation writes text of an agent's choice anywhere.
func TestDEP03ASecretOfOnePlaneIsNotWrittenInAnother(t *testing.T) {
	t.Parallel()
	const secret = "hunter22-Kx8vQ2mZ"
	x := openShop(t, func(x *counter, o *setup.Options) {
		vault, err := storefront.Start(t.Context(), storefront.Config{Rate: fewCustomers})
		must(t, err)
		t.Cleanup(vault.Stop)
		o.Targets = append(o.Targets, install.Shop(t, vault, "vault"))
		must(t, vault.Plant(t.Context(), storefront.Checkout, "password: "+secret))
	}).fails()
	must(t, x.shop.SetRate(0)) // or others' lines would follow it
	must(t, x.shop.Plant(t.Context(), storefront.Checkout, "password: "+secret))

	// Reading: redacted at the incident's own target, and nothing at the other.
	d := x.agent(t, diagnoser)
	ask := map[string]any{"incident": string(x.incident), "kind": "httpapi/service.logs", "target": string(storefrontAt), "query": `{"service":"checkout","lines":3}`}
	if a := d.call(t, "read_evidence", ask); a.refuse || strings.Contains(a.text, secret) || !strings.Contains(a.text, "password") {
		t.Errorf("the agent reads %s", a.text)
	}
	ask["target"] = "httpapi://vault"
	if a := d.call(t, "read_evidence", ask); !a.refuse || strings.Contains(a.text, "password") {
		t.Errorf("of another target the agent reads %s", a.text)
	}

	must(t, x.shop.SetRate(fewCustomers))
	x.look()

	// Writing: an agent that has the value all the same finds no way to put it anywhere.
	on := func(more map[string]any) map[string]any {
		with := map[string]any{"service": storefront.Checkout}
		for k, v := range more {
			with[k] = v
		}
		return with
	}
	x.refusedAll(map[string]map[string]any{
		"set-env": on(map[string]any{"name": "PASSWORD", "value": secret}), "set-environment": on(map[string]any{"PASSWORD": secret}), "patch-configmap": on(map[string]any{"data": secret}),
		"copy-secret": on(map[string]any{"from": "vault", "to": "shop"}), "set-image": on(map[string]any{"image": "x/" + secret}),
		"rollback-release#value": on(map[string]any{"to": secret}), "rollback-release#more": on(map[string]any{"to": "v41", "env": secret}),
		"set-flag#name": on(map[string]any{"flag": secret, "on": true}), "set-flag#value": on(map[string]any{"flag": "one-click", "on": secret}),
		"scale-service#annotation": on(map[string]any{"replicas": 4, "annotation": secret}), "restart-service#vault": {"service": "vault/checkout"},
	})
	for _, e := range x.entries(t) {
		if strings.Contains(string(e.Record.Body), secret) {
			t.Errorf("entry %s of the ledger holds the secret", e.Record.Kind)
		}
	}
	for _, name := range []string{storefront.Checkout, storefront.Payments} {
		v, err := x.shop.Look(name)
		must(t, err)
		if strings.Contains(fmt.Sprint(v), secret) {
			t.Errorf("%s holds the secret: %+v", name, v)
		}
	}
}

// olderSymptom is what a playbook that puts a release back demands besides: the symptom was not there before the release.
const olderSymptom = `guards:
  - {name: began-with-it, reader: httpapi/service.metrics, with: {service: $service}, fact: before_release_permille, op: at_most, value: 40}
`

// ROB-07: a symptom that is older than a change is not that change's doing. Writ reads itself what was before the roll-out, and an
// agent that blames the roll-out gets no plan that runs; where the symptom began with it, the same ask is carried out.
func TestROB07ASymptomThatIsOlderThanTheChangeDoesNotJustifyPuttingItBack(t *testing.T) {
	t.Parallel()
	x := openShop(t, func(_ *counter, o *setup.Options) {
		for i, b := range o.Playbooks {
			if strings.Contains(string(b), "name: rollback-release") {
				o.Playbooks[i] = []byte(strings.Replace(string(b), "guards:\n", olderSymptom, 1))
			}
		}
	})
	fault := func(permille int) { must(t, x.shop.SetFault(storefront.Checkout, storefront.Fault{Errors: permille})) }
	fault(400) // the world outside, since before the roll-out
	await(t, "the errors to show", func() (bool, string) {
		r := x.shop.Rates(storefront.Checkout)
		return r.ErrorPermille >= 100 && r.Requests >= 20, fmt.Sprintf("%+v", r)
	})
	must(t, x.shop.Deploy(storefront.Checkout, "v40", "pipeline")) // which is blamed, and has nothing to do with it
	x.alarm()
	x.look()
	n := x.shop.WriteRequests()
	a := x.ask("rollback-release", rollbackTo("v41"))
	if a.State != string(writ.PlanRefused) && a.State != string(writ.PlanDenied) || !strings.Contains(a.text, "began-with-it") {
		t.Errorf("the plan is %s: %s", a.State, a.text)
	}
	x.untouched(n)
	if c := count(x.entries(t), writ.EntryGrant); c != 0 {
		t.Errorf("%d grants", c)
	}

	fault(0)
	await(t, "the errors to go", func() (bool, string) {
		r := x.shop.Rates(storefront.Checkout)
		return r.ErrorPermille == 0 && r.Requests >= 20, fmt.Sprintf("%+v", r)
	})
	must(t, x.shop.Deploy(storefront.Checkout, "v42", "pipeline")) // this one is to blame
	x.look()
	a = x.ask("rollback-release", rollbackTo("v41"))
	if r := x.ends(a.Plan); r.State != writ.RunSucceeded {
		t.Errorf("where the symptom began with it, the run is %s (%s): %s", r.State, r.Reason, a.text)
	}
}
