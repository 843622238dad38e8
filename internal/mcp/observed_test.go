package mcp_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/mcp"
)

// What an agent reads when a playbook is in observe mode: that nothing was run, what would have been, and that asking again
// is no use. It never reads as a run, as a wait, or as a plain denial.
func TestAnAgentReadsThatAnObservedPlaybookRunsNothing(t *testing.T) {
	f := &fakeControl{state: writ.PlanObserved}
	s := connect(t, serve(t, f), "repair-token")
	for name, detail := range map[string]string{
		"allowed":         "observed: it would have been allowed. Nothing was run, and nothing will be.",
		"asks for people": "observed: it would have asked for 1 of owner. Nothing was run, and nothing will be.",
		"denied":          "observed: it would have been denied (limit): A change freeze is in force. Nothing was run, and nothing will be.",
		"hostile":         "observed: \x1b[2J\u202eit ran" + strings.Repeat(" and ran", 1000),
	} {
		f.detail = detail
		for tool, args := range map[string]map[string]any{"get_plan": {"plan_id": "pln_" + ulid}, "propose_plan": {"incident": "inc_" + ulid, "playbook": "x"}} {
			got, r := call(t, s, tool, args)
			lines := strings.Split(got, "\n")
			if !strings.HasPrefix(got, "OBSERVED_ONLY pln_"+ulid+": nothing was run\n") || !strings.Contains(got, "carries out nothing") ||
				!strings.HasPrefix(lines[len(lines)-1], "Next: tell a person what should be done. Proposing it again changes nothing.") {
				t.Errorf("%s, %s:\n%s", name, tool, got)
			}
			if tool == "get_plan" && name != "hostile" && !strings.Contains(got, detail) {
				t.Errorf("%s: it does not say what would have been:\n%s", name, got)
			}
			for _, no := range []string{"RUNNING", "WAITING_FOR_APPROVAL", "get_run", "run_", "wait_seconds", "\x1b", "\u202e"} {
				if strings.Contains(got, no) {
					t.Errorf("%s, %s: %q in\n%s", name, tool, no, got)
				}
			}
			if r.IsError || len([]rune(got)) > mcp.MaxAnswer {
				t.Errorf("%s, %s: an error (%t), or %d characters", name, tool, r.IsError, len([]rune(got)))
			}
		}
	}
}
