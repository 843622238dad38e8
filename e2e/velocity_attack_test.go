package e2e_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// refusedAll asks for playbooks that nobody wrote, and demands that each is refused and that nothing reaches the target.
func (x *counter) refusedAll(asks map[string]map[string]any) {
	x.t.Helper()
	n := x.shop.WriteRequests()
	for playbook, with := range asks {
		name, _, _ := strings.Cut(playbook, "#") // several of one name
		if a := x.ask(name, with); !a.refuse && a.State != string(writ.PlanRefused) && a.State != string(writ.PlanDenied) {
			x.t.Errorf("%s %v: %s", playbook, with, a.text)
		}
	}
	x.untouched(n)
}

// VEL-01, ROB-01: a repair that is asked for again and again is one plan while it is open, is made a bounded number of
// times, and then is people's.
func TestVEL01ROB01ARetryStormIsAHandfulOfAttempts(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	plans := map[writ.PlanID]bool{}
	refused, waiting := 0, 0
	for range 50 {
		a := x.ask("set-flag", map[string]any{"service": storefront.Checkout, "flag": "one-click", "on": true}) // helps nothing
		switch {
		case a.refuse || a.State == string(writ.PlanDenied) || a.State == string(writ.PlanRefused):
			refused++
		case a.State == string(writ.PlanWaiting):
			waiting++
		default:
			plans[a.Plan] = true
			x.ends(a.Plan)
		}
	}
	if len(plans) > 3 || refused+waiting < 40 {
		t.Errorf("%d attempts were made, %d refused, %d left to people", len(plans), refused, waiting)
	}
	if got := x.shop.Changes(); got > 1+2*len(plans) { // the release, and each attempt with its undo
		t.Errorf("%d changes", got)
	}
}

// VEL-03, VEL-05, VEL-15, DEP-05, DEP-11: what reaches further than one object, forces, strips protections, changes rights
// or runs commands does not exist as an operation, a playbook or a parameter.
func TestVEL03VEL05VEL15DEP05DEP11WhatMustNotExistCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	on := func(more map[string]any) map[string]any {
		with := map[string]any{"service": storefront.Checkout}
		for k, v := range more {
			with[k] = v
		}
		return with
	}
	x.refusedAll(map[string]map[string]any{
		"drain-all-nodes": {}, "restart-namespace": on(nil), "patch-finalizers": on(nil), "patch-rbac": on(nil), "exec": on(map[string]any{"command": "id"}), "copy-file": on(nil),
		"create-rolebinding": on(nil), "edit-policy": on(nil), "add-approver": on(nil), "restart-service#force": on(map[string]any{"force": true}),
		"restart-service#grace": on(map[string]any{"grace_period_seconds": 0}), "restart-service#all": on(map[string]any{"all": true}),
		"scale-service#finalizers": on(map[string]any{"replicas": 4, "metadata.finalizers": []string{}}), "scale-service#scope": on(map[string]any{"replicas": 4, "scope": "cluster"}),
	})
}

// DEP-07, DEP-09, ROB-03: a value is a typed name or number, never a piece of a command, a flag or another spelling.
func TestDEP07DEP09ROB03AValueIsNoCommandNoFlagAndNoOtherSpelling(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	asks := map[string]map[string]any{}
	for i, service := range []string{
		"checkout;id", "checkout`id`", "$(id)", "checkout|cat", "checkout&&id", "checkout\nid", "--kubeconfig=/x", "--as=system:admin", "--all-namespaces", "-A",
		"checkout.", "Checkout", "CHECKOUT", "cheсkout", "checkout\u200b", "checkout\u202e", "../checkout", "checkout/", "checkout%00", "check0ut", "ｃheckout",
	} {
		asks[fmt.Sprintf("rollback-release#%d", i)] = map[string]any{"service": service, "to": "v41"}
		asks[fmt.Sprintf("rollback-release#%d to", i)] = map[string]any{"service": storefront.Checkout, "to": service}
	}
	x.refusedAll(asks)
}

// VEL-07: while a person has frozen a service, nothing of it is changed, whoever asks and whatever was approved.
func TestVEL07NothingIsChangedDuringAFreeze(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	v := x.signs(plan, nil)
	x.wantCLI(t, 0, you, "freeze", "--service", storefront.Checkout, "--reason", "change freeze")
	n := x.shop.WriteRequests()
	if err := x.votes(you, plan, v.digest, v); err == nil {
		if p, err := x.person.Plan(t.Context(), plan); err != nil || p.Run != "" {
			t.Errorf("%+v %v", p.Run, err)
		}
	}
	for _, ask := range []struct {
		playbook string
		with     map[string]any
	}{{"rollback-release", rollbackTo("v41")}, {"scale-service", replicas(4)}} {
		if a := x.ask(ask.playbook, ask.with); !a.refuse && a.State != string(writ.PlanDenied) && a.State != string(writ.PlanRefused) {
			t.Errorf("%s: %s", ask.playbook, a.text)
		}
	}
	x.untouched(n)
}

// VEL-09: without its signer the ledger takes no more, so nothing is changed; what is known can still be read.
func TestVEL09WithoutALedgerNothingIsChangedAndReadingGoesOn(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	n := x.shop.WriteRequests()
	x.procs["signer"].kill()
	code, text := x.request(repairer, http.MethodPost, "/v1/proposals", fmt.Sprintf(`{"incident":%q,"playbook":"rollback-release","parameters":{"service":"checkout","to":"v41"},"evidence":[%q]}`, x.incident, x.evidence[0]))
	time.Sleep(3 * time.Second) // time enough for a runner that would not wait for the ledger
	x.untouched(n)
	if code, text := x.request(repairer, http.MethodGet, "/v1/incidents/"+string(x.incident), ""); code != http.StatusOK {
		t.Errorf("reading: %d %s", code, text)
	}
	t.Logf("the proposal was answered with %d %s", code, text)
}

// VEL-11: a playbook's guards are read again right before the change: what no longer fails is left alone.
func TestVEL11AGuardIsReadAgainBeforeTheChange(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	must(t, x.shop.Deploy(storefront.Checkout, "v41", "night-shift")) // it is well again
	await(t, "the errors to go", func() (bool, string) {
		r := x.shop.Rates(storefront.Checkout)
		return r.ErrorPermille < 10 && r.Requests >= 20, fmt.Sprintf("%+v", r)
	})
	n := x.shop.WriteRequests()
	x.approves(plan)
	if r := x.ends(plan); r.State != writ.RunRefused {
		t.Errorf("the run is %s (%s)", r.State, r.Reason)
	}
	x.untouched(n)
}

// VEL-13: a change that does not help the symptom is put back exactly, and nothing beside it was touched.
func TestVEL13AChangeThatDoesNotHelpIsPutBackExactly(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	before := map[string]storefront.View{}
	for _, name := range x.shop.Services() {
		v, err := x.shop.Look(name)
		must(t, err)
		before[name] = v
	}
	a := x.ask("set-flag", map[string]any{"service": storefront.Checkout, "flag": "one-click", "on": true})
	if r := x.ends(a.Plan); r.State != writ.RunUndone {
		t.Errorf("the run is %s (%s)", r.State, r.Reason)
	}
	for name, was := range before {
		v, err := x.shop.Look(name)
		must(t, err)
		if v.Release != was.Release || v.Replicas != was.Replicas || fmt.Sprint(v.Flags) != fmt.Sprint(was.Flags) {
			t.Errorf("%s was %+v and is %+v", name, was, v)
		}
	}
}

// DEP-01: an agent with little right that hands an incident to one with more gains nothing: what it passes on is bounded
// by its own registration's hand-off, and what the other does by the other's own rights.
func TestDEP01AHandOffLendsNoRightsInEitherDirection(t *testing.T) {
	t.Parallel()
	x := openShop(t, func(_ *counter, o *setup.Options) {
		o.Agents = append(o.Agents, setup.Agent{Name: "elsewhere", Team: install.Team, Owner: rob, Roles: []string{"diagnose"}})
	}).fails()
	n := x.shop.WriteRequests()
	out := x.agent(t, diagnoser).call(t, "hand_off", map[string]any{"incident": string(x.incident), "to": repairer, "playbooks": "set-flag", "max_tier": 1})
	if out.refuse {
		t.Fatalf("%s", out.text)
	}
	id := strings.Fields(out.first())[2]
	args := map[string]any{
		"incident": string(x.incident), "playbook": "scale-service", "parameters_json": `{"service":"checkout","replicas":5}`, "evidence_ids": x.evidence[0], "hand_off_id": id,
	}
	if a := x.agent(t, repairer).call(t, "propose_plan", args); !a.refuse {
		t.Errorf("more than was passed on: %s", a.text)
	}
	for _, who := range []string{"elsewhere", diagnoser} {
		args["playbook"], args["parameters_json"] = "set-flag", `{"service":"checkout","flag":"one-click","on":true}`
		if a := x.agent(t, who).call(t, "propose_plan", args); !a.refuse {
			t.Errorf("%s with another's hand-off: %s", who, a.text)
		}
	}
	back := x.agent(t, repairer).call(t, "hand_off", map[string]any{"incident": string(x.incident), "to": "elsewhere", "playbooks": "set-flag", "max_tier": 1})
	if back.refuse {
		t.Fatalf("%s", back.text)
	}
	args["hand_off_id"] = strings.Fields(back.first())[2]
	if a := x.agent(t, "elsewhere").call(t, "propose_plan", args); !a.refuse {
		t.Errorf("an agent that may only diagnose: %s", a.text)
	}
	x.untouched(n)
}

// MCP-03: a second playbook of the same name and version does not replace the first, nor stand beside it.
func TestMCP03TwoPlaybooksOfOneNameAreRefusedAtStart(t *testing.T) {
	t.Parallel()
	x := prepareShop(t)
	dir := filepath.Join(x.in.Dir, "playbooks")
	other := strings.Replace(string(read(t, filepath.Join(dir, "scale-service.yaml"))), "owner: checkout", "owner: mallory", 1)
	write(t, filepath.Join(dir, "a-better-one.yaml"), []byte(other))
	x.startSigner()
	for _, args := range [][]string{{"serve", "-c", x.in.Server, "--dev"}, {"doctor", "-c", x.in.Server, "--dev"}} {
		got := x.run(t, x.dir, args...)
		if got.code == 0 || !strings.Contains(got.out+got.err, "scale-service@1") {
			t.Errorf("writ %s: status %d: %s%s", args[0], got.code, got.out, got.err)
		}
	}
}

// ROB-05: the readings of an incident are bounded, however many agents ask at once.
func TestROB05ReadingsOfAnIncidentAreBounded(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	as := install.Client(t, x.in, x.url, diagnoser, client.Config{})
	var all sync.WaitGroup
	var refused atomic.Int32
	for range 16 {
		all.Go(func() {
			for range 40 {
				_, _, err := as.Observe(t.Context(), x.incident, "httpapi/service.status", storefrontAt, writ.Parameters{"service": writ.String(storefront.Checkout)})
				if writ.ReasonOf(err) == writ.ReasonTooLarge {
					refused.Add(1)
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if refused.Load() == 0 {
		t.Error("no reading was refused")
	}
	if c := count(x.entries(t), writ.EntryEvidence); c > 500+16 { // those under way when the limit was met
		t.Errorf("%d readings", c)
	}
}
