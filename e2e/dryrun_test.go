package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/storefront"
)

// TestADryRunMakesNothingAtAnyDoor asks for the same two repairs, one that would run at once and one that would wait, as dry
// runs by MCP, by HTTP and on the command line. Each is decided and logged, and nothing else comes of it: no plan is open, no
// grant, lease or step is entered, nobody is asked, no token of the target lives, no attempt counts, and the agent's record is as before.
func TestADryRunMakesNothingAtAnyDoor(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	n, before := x.shop.WriteRequests(), len(x.entries(t))
	repair := x.agent(t, repairer)
	file := filepath.Join(x.in.Dir, "cli-agent.yaml")
	write(t, file, []byte("server: "+x.url+"\ntoken_file: tokens/"+repairer+"\n"))
	for _, c := range []struct {
		playbook string
		with     map[string]any
		says     string
	}{
		{"rollback-release", rollbackTo("v41"), "would run at once"},
		{"scale-service", replicas(5), "approval"},
	} {
		parameters, err := json.Marshal(c.with)
		must(t, err)

		a := repair.call(t, "propose_plan", map[string]any{
			"incident": string(x.incident), "playbook": c.playbook, "parameters_json": string(parameters), "evidence_ids": x.evidence[0], "dry_run": true,
		})
		for !a.refuse && a.State == string(writ.PlanPlanning) {
			a = repair.call(t, "get_plan", map[string]any{"plan_id": string(a.Plan), "wait_seconds": 20})
		}
		if a.refuse || !strings.HasPrefix(a.text, "DRY_RUN "+string(a.Plan)) || !strings.Contains(a.text, c.says) || a.Run != "" {
			t.Errorf("MCP, %s: %s", c.playbook, a.text)
		}

		code, text := x.request(repairer, http.MethodPost, "/v1/proposals", fmt.Sprintf(`{"incident":%q,"playbook":%q,"parameters":%s,"evidence":[%q],"dry_run":true}`, x.incident, c.playbook, parameters, x.evidence[0]))
		var p writ.PlanStatus
		if code >= 300 {
			t.Fatalf("HTTP, %s: %d %s", c.playbook, code, text)
		}
		must(t, json.Unmarshal([]byte(text), &p))
		await(t, "the dry run", func() (bool, string) {
			p, err = x.person.Plan(t.Context(), p.ID)
			must(t, err)
			return p.State != writ.PlanPlanning, string(p.State)
		})
		if p.State != writ.PlanWithdrawn || p.Reason != writ.ReasonDryRun || !p.DryRun || !strings.Contains(p.Detail, c.says) || p.Run != "" {
			t.Errorf("HTTP, %s: %+v", c.playbook, p)
		}

		args := []string{"plan", "new", c.playbook, "--dry-run", "--incident", string(x.incident), "--evidence", x.evidence[0], "--config", file}
		for name, v := range c.with {
			args = append(args, "--param", fmt.Sprintf("%s=%v", name, v))
		}
		if r := x.run(t, x.dir, args...); r.code != 0 || !strings.Contains(r.out, "dry_run") || !strings.Contains(r.out, c.says) {
			t.Errorf("the command line, %s: status %d, %s%s", c.playbook, r.code, r.out, r.err)
		}
	}

	x.untouched(n)
	for _, client := range []string{storefront.ClientT1, storefront.ClientT2} {
		if live := x.shop.LiveTokens(client); live != 0 {
			t.Errorf("%d tokens of %s live at the target", live, client)
		}
	}
	kinds := map[writ.EntryKind]int{}
	for _, e := range x.entries(t)[before:] {
		kinds[e.Record.Kind]++
	}
	for kind, c := range kinds {
		switch kind {
		case writ.EntryProposal, writ.EntryPlan, writ.EntryDecision, writ.EntryPlanEnd:
			if c != 6 {
				t.Errorf("%d entries of kind %s, for six dry runs", c, kind)
			}
		default:
			t.Errorf("a dry run has left %d entries of kind %s", c, kind)
		}
	}
	s, err := x.person.Status(t.Context())
	must(t, err)
	if s.Waiting != 0 || s.Running != 0 || s.LeasesAlive != 0 {
		t.Errorf("%d plans wait, %d runs are active, %d leases live", s.Waiting, s.Running, s.LeasesAlive)
	}
	for _, load := range s.Services {
		if load.Open != 0 || load.Runs != 0 || len(load.Locks) != 0 || len(load.Cooling) != 0 {
			t.Errorf("%s has %+v", load.Service, load)
		}
	}
	if r := x.wantCLI(t, 0, you, "inbox"); strings.Contains(r.out, "pln_") {
		t.Errorf("a person is asked: %s", r.out)
	}
	if r := x.wantCLI(t, 0, you, "run", "list"); strings.Contains(r.out, "run_") {
		t.Errorf("there is a run: %s", r.out)
	}
	// In earnest it is another ask, and the dry runs have taken nothing from it.
	if r := x.ends(x.wants("rollback-release", rollbackTo("v41"), writ.PlanGranted).Plan); r.State != writ.RunSucceeded {
		t.Errorf("in earnest the run is %s (%s)", r.State, r.Reason)
	}
	must(t, os.Remove(file))
}
