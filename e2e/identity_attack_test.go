package e2e_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// staging makes checkout's environment staging; payments stays prod. Both are services of one target, with the same
// operations and names of parameters.
func staging(_ *counter, o *setup.Options) {
	head, tail, _ := bytes.Cut(o.Services, []byte("name: checkout"))
	o.Services = append(append(head, "name: checkout"...), bytes.Replace(tail, []byte("environment: prod"), []byte("environment: staging"), 1)...)
}

// CAP-03, NHI-05: what an incident of staging gives reaches nothing of production, and environment and owner come from the
// catalogue's record of the service, whatever an alert or an agent says.
func TestCAP03NHI05WhatStagingGivesReachesNoProduction(t *testing.T) {
	t.Parallel()
	x := openShop(t, staging)
	must(t, x.shop.Deploy(storefront.Checkout, "v42", "pipeline"))
	hook := install.Webhook(t, install.Alert{Name: "ErrorRate", Service: storefront.Checkout, Severity: "critical", Group: `{}:{alertname="ErrorRate"}`})
	code, text := x.post(t, bytes.ReplaceAll(hook, []byte(`"prod"`), []byte(`"staging"`)))
	if code/100 != 2 {
		t.Fatalf("alert: %d %s", code, text)
	}
	var in writ.Incident
	must(t, json.Unmarshal([]byte(text), &in))
	x.incident = in.ID
	x.look()
	n := x.shop.WriteRequests()
	for playbook, with := range map[string]map[string]any{
		"scale-service":    {"service": storefront.Payments, "replicas": 5},
		"rollback-release": {"service": storefront.Payments, "to": "v18"},
		"restart-service":  {"service": storefront.Payments},
	} {
		if a := x.ask(playbook, with); !a.refuse && a.State != string(writ.PlanRefused) && a.State != string(writ.PlanDenied) {
			t.Errorf("%s under an incident of staging: %s", playbook, a.text)
		}
	}
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	v := x.signs(plan, nil)

	// An alert that calls a service of production one of staging opens nothing.
	hook = install.Webhook(t, install.Alert{Name: "ErrorRate", Service: storefront.Payments, Severity: "critical", Group: `{}:{alertname="Payments"}`})
	if code, text := x.post(t, bytes.ReplaceAll(hook, []byte(`"prod"`), []byte(`"staging"`))); code != http.StatusUnprocessableEntity || !strings.Contains(text, string(writ.ReasonUnknownService)) {
		t.Errorf("the environment was believed: %d %s", code, text)
	}
	// An approval of the staging plan serves nothing else, and its own.
	x.waits(plan)
	x.untouched(n)
	must(t, x.votes(you, plan, v.digest, v))
	x.ends(plan)
	if got, err := x.shop.Look(storefront.Payments); err != nil || got.Release == "v18" && got.By == "writ" {
		t.Errorf("%+v %v", got, err)
	}
}

// CAP-09: hand-offs do not run in circles and not deeper than three, and the refusal names the chain. What is refused is
// in the ledger.
func TestCAP09HandOffsEndAtThreeHopsAndRunInNoCircle(t *testing.T) {
	t.Parallel()
	more := []string{"second", "third", "fourth"}
	x := openShop(t, func(_ *counter, o *setup.Options) {
		for _, name := range more {
			o.Agents = append(o.Agents, setup.Agent{Name: name, Team: install.Team, Owner: rob, Roles: []string{"diagnose", "repair"}})
		}
	}).fails()
	pass := func(from, to string, parent writ.HandOffID) (writ.HandOffStatus, error) {
		return install.Client(t, x.in, x.url, from, client.Config{}).HandOff(t.Context(), writ.HandOffAsk{
			Incident: x.incident, To: to, Parent: parent, Playbooks: []string{"rollback-release"}, MaxTier: 1,
		})
	}
	first, err := pass(diagnoser, "second", "")
	must(t, err)
	second, err := pass("second", "third", first.ID)
	must(t, err)
	for _, to := range []string{diagnoser, "second"} {
		if _, err := pass("third", to, second.ID); writ.ReasonOf(err) != writ.ReasonHandOff || !strings.Contains(err.Error(), to) {
			t.Errorf("back to %s: %v", to, err)
		}
	}
	if _, err := pass("third", "third", second.ID); writ.ReasonOf(err) != writ.ReasonHandOff {
		t.Errorf("to itself: %v", err)
	}
	third, err := pass("third", "fourth", second.ID)
	must(t, err)
	if _, err := pass("fourth", repairer, third.ID); writ.ReasonOf(err) != writ.ReasonHandOff || !strings.Contains(err.Error(), "second") {
		t.Errorf("a fourth hop: %v", err)
	}
	if got := x.denied(writ.ReasonHandOff); got < 4 {
		t.Errorf("the ledger has %d refusals", got)
	}
	if c := count(x.entries(t), writ.EntryHandOff); c != 3 {
		t.Errorf("%d hops", c)
	}
}

// NHI-01: whatever an agent finds in files of Writ's own, tokens, keys and configurations, is no credential at the target.
func TestNHI01NothingThatLiesInFilesOfWritOpensTheTarget(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	tried := 0
	must(t, filepath.WalkDir(x.in.Dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(file, ".secret") { // the runner's own, which it exchanges for leases
			return err
		}
		for line := range strings.Lines(string(read(t, file))) {
			line = strings.TrimSpace(line)
			if len(line) < 16 || len(line) > 4096 || strings.ContainsAny(line, " \x00") {
				continue
			}
			tried++
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, x.shop.AdminURL()+"/services/checkout/release", strings.NewReader(`{"release":"v41"}`))
			must(t, err)
			r.Header.Set("Authorization", "Bearer "+strings.Map(func(c rune) rune {
				if c < ' ' || c > '~' {
					return -1
				}
				return c
			}, line))
			resp, err := http.DefaultClient.Do(r)
			must(t, err)
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("a line of %s: %s", filepath.Base(file), resp.Status)
			}
		}
		return nil
	}))
	if tried < 5 {
		t.Fatalf("only %d were tried", tried)
	}
	if v, err := x.shop.Look(storefront.Checkout); err != nil || v.Release != "v42" {
		t.Errorf("%+v %v", v, err)
	}
}
