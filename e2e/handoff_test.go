package e2e_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// TestI11AHandOffFromDiagnosisToRepair plays a hand-off between two agents, each over its own MCP connection, on a real
// cluster: one diagnoses and passes the incident on, the other finds it among its incidents and repairs. What was not
// passed on is refused, the record verifies, and people see the lineage.
func TestI11AHandOffFromDiagnosisToRepair(t *testing.T) {
	t.Parallel()
	s := newSite(t, oneProcess, "handoff")
	x := s.broken(t, "handoff").diagnosed()
	diagnose, repair := s.agent(t, diagnoser), s.agent(t, repairer)
	out := diagnose.call(t, "hand_off", map[string]any{
		"incident": string(x.incident), "to": repairer, "playbooks": "rollback-deployment", "max_tier": 1, "evidence_ids": strings.Join(x.evidence, ","),
		"because": "the newest revision never starts",
	})
	words := strings.Fields(out.first())
	if out.refuse || len(words) < 3 || words[0] != "HANDED" {
		t.Fatalf("%s", out.text)
	}
	id := words[2]
	if list := repair.call(t, "list_incidents", nil); !strings.Contains(list.text, "HANDED TO YOU "+id) {
		t.Fatalf("the recipient is not told: %s", list.text)
	}
	if list := diagnose.call(t, "list_incidents", nil); strings.Contains(list.text, "HANDED TO YOU") {
		t.Errorf("the giver is told as if it were the recipient: %s", list.text)
	}
	ask := map[string]any{
		"incident": string(x.incident), "playbook": "restart-workload", "parameters_json": `{"kind":"deployment","namespace":"` + x.ns + `","name":"` + deployment + `"}`,
		"evidence_ids": strings.Join(x.evidence, ","), "hand_off_id": id,
	}
	if out := repair.call(t, "propose_plan", ask); !out.refuse || !strings.Contains(out.text, string(writ.ReasonHandOff)) {
		t.Fatalf("a playbook that was not passed on: %s", out.text)
	}
	ask["playbook"], ask["parameters_json"] = "rollback-deployment", `{"namespace":"`+x.ns+`","name":"`+deployment+`"}`
	out = repair.call(t, "propose_plan", ask)
	for !out.refuse && out.State == string(writ.PlanPlanning) {
		out = repair.call(t, "get_plan", map[string]any{"plan_id": string(out.Plan), "wait_seconds": 20})
	}
	if out.State != string(writ.PlanGranted) {
		t.Fatalf("%s", out.text)
	}
	r := x.ended(out.Plan, writ.RunSucceeded)
	x.fixed()
	x.dead(r.ID)
	if shown := s.wantCLI(t, 0, you, "plan", "show", string(out.Plan)); !strings.Contains(shown.out, "Passed on  by agent:"+diagnoser) {
		t.Errorf("the plan does not show who passed it on:\n%s", shown.out)
	}
	if shown := s.wantCLI(t, 0, you, "handoff", "show", id); !strings.Contains(shown.out, "the newest revision never starts") || !strings.Contains(shown.out, "not verified") {
		t.Errorf("%s", shown.out)
	}
	if story := s.wantCLI(t, 0, you, "incident", "timeline", string(x.incident)); !strings.Contains(story.out, "handed the incident to") {
		t.Errorf("%s", story.out)
	}
	s.verified(t)
}
