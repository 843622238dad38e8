package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// A counter is an installation whose target is a storefront: three whole processes and no cluster.
type counter struct {
	*site
	shop     *storefront.Shop
	incident writ.IncidentID
	evidence []string
}

// storefrontAt is where the storefront is.
const storefrontAt = writ.Location("httpapi://shop")

// fewCustomers are enough to fill a window of the shop's rates in two seconds; several shops are open at a time.
const fewCustomers = 15

// prepareShop opens the shop and installs Writ for it; nothing is started. changes are made to what is installed.
func prepareShop(t testing.TB, changes ...func(*counter, *setup.Options)) *counter {
	t.Helper()
	shop, err := storefront.Start(t.Context(), storefront.Config{Rate: fewCustomers})
	must(t, err)
	t.Cleanup(shop.Stop)
	sources, err := storefront.Playbooks()
	must(t, err)
	var books [][]byte
	for _, b := range sources {
		books = append(books, bytes.ReplaceAll(b, []byte("within_seconds: 5}"), []byte("within_seconds: 20}"))) // the machine is busier than a shop's
	}
	o := install.Options(t)
	o.Services, o.Playbooks, o.Targets = storefront.CatalogInfo(), books, []setup.Target{install.Shop(t, shop, "shop")}
	x := &counter{site: &site{bed: bed{writ: install.Binary(t)}, t: t, topology: threeProcesses, dir: t.TempDir(), procs: map[string]*process{}}, shop: shop}
	for _, f := range changes {
		f(x, &o)
	}
	x.install(o)
	return x
}

// openShop is prepareShop with all processes running.
func openShop(t testing.TB, changes ...func(*counter, *setup.Options)) *counter {
	t.Helper()
	x := prepareShop(t, changes...)
	x.start()
	return x
}

// fails rolls out a release of checkout that fails, has the alert posted and lets the diagnosing agent read.
func (x *counter) fails() *counter {
	x.t.Helper()
	must(x.t, x.shop.Deploy(storefront.Checkout, "v42", "pipeline"))
	x.alarm()
	x.look()
	return x
}

// alarm posts what Alertmanager posts about checkout.
func (x *counter) alarm() {
	x.t.Helper()
	hook := install.Webhook(x.t, install.Alert{Name: "ErrorRate", Service: storefront.Checkout, Severity: "critical", Group: `{}:{alertname="ErrorRate"}`})
	code, text := x.post(x.t, hook)
	if code != http.StatusOK && code != http.StatusCreated {
		x.t.Fatalf("alert: %d %s", code, text)
	}
	var in writ.Incident
	must(x.t, json.Unmarshal([]byte(text), &in))
	x.incident = in.ID
}

// look waits until the failures show, and reads evidence.
func (x *counter) look() {
	x.t.Helper()
	a := x.agent(x.t, diagnoser)
	await(x.t, "the errors to show", func() (bool, string) {
		r := x.shop.Rates(storefront.Checkout)
		return r.ErrorPermille >= 100 && r.Requests >= 20, fmt.Sprintf("%+v", r)
	})
	id, _ := a.observe(x.t, x.incident, "httpapi/service.metrics", map[string]any{"service": storefront.Checkout})
	x.evidence = []string{id}
}

// ask lets the repairing agent propose through its door.
func (x *counter) ask(playbook string, with map[string]any) answer {
	x.t.Helper()
	return x.agent(x.t, repairer).propose(x.t, x.incident, playbook, with, x.evidence...)
}

// wants is ask with the state that the answer must be in.
func (x *counter) wants(playbook string, with map[string]any, want writ.PlanState) answer {
	x.t.Helper()
	a := x.ask(playbook, with)
	over := want == writ.PlanGranted && a.State == string(writ.PlanDone) // the run was faster than the answer
	if a.State != string(want) && !over {
		x.t.Fatalf("%s is %s, want %s: %s", playbook, a.State, want, a.text)
	}
	return a
}

func rollbackTo(release string) map[string]any {
	return map[string]any{"service": storefront.Checkout, "to": release}
}

func replicas(n int) map[string]any {
	return map[string]any{"service": storefront.Checkout, "replicas": n}
}

// approves signs for a plan on the command line.
func (x *counter) approves(id writ.PlanID) result {
	x.t.Helper()
	digest := digestIn(x.t, x.cli(x.t, you, "plan", "show", string(id)).out)
	return x.cli(x.t, you, "approve", string(id), "--digest", digest)
}

// ends waits for the end of a plan's run, with its leases dead.
func (x *counter) ends(id writ.PlanID) writ.RunStatus {
	x.t.Helper()
	var r writ.RunStatus
	await(x.t, "the end of the run", func() (bool, string) {
		p, err := x.person.Plan(x.t.Context(), id)
		if err != nil || p.Run == "" {
			return false, fmt.Sprint(p.State, err)
		}
		r, err = x.person.Run(x.t.Context(), p.Run)
		if err != nil {
			return false, err.Error()
		}
		for _, l := range r.Leases {
			if !l.Dead() {
				return false, string(r.State) + ", a lease lives"
			}
		}
		return r.State.Final(), string(r.State)
	})
	return r
}

// denied counts ledger entries that record a refusal with this code: of a call, of a decision, of a run's end.
func (x *counter) denied(code writ.Reason) (n int) {
	x.t.Helper()
	for _, e := range x.entries(x.t) {
		switch b := e.Body.(type) {
		case *writ.DenyBody:
			if b.Reason == code {
				n++
			}
		case *writ.DecisionBody:
			if b.Reason == code {
				n++
			}
		case *writ.PlanEndBody:
			if b.Reason == code {
				n++
			}
		}
	}
	return n
}

// request is a call at the people's door, as whoever's token this is.
func (x *counter) request(as, method, path, body string) (int, string) {
	x.t.Helper()
	r, err := http.NewRequestWithContext(x.t.Context(), method, x.url+path, bytes.NewBufferString(body))
	must(x.t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+x.tokenOf(as))
	r.Header.Set("Idempotency-Key", strings.ReplaceAll(x.t.Name(), "/", "-")+fmt.Sprint(time.Now().UnixNano()))
	resp, err := http.DefaultClient.Do(r)
	must(x.t, err)
	return resp.StatusCode, readAll(x.t, resp.Body)
}
