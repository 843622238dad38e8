package mcp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// TestAPlansAnswerTellsWhatAPersonWantsToSeeAndWhatToReadNext: the question reaches the agent where it waits, and nowhere else.
func TestAPlansAnswerTellsWhatAPersonWantsToSeeAndWhatToReadNext(t *testing.T) {
	asked := time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	f := &fakeControl{state: writ.PlanWaiting, wanted: []writ.EvidenceAsk{{At: asked, Text: "the error rate\x1b[2J since 03:00" + strings.Repeat(" x", 900)}}}
	s := connect(t, serve(t, f), "repair-token")
	plan := map[string]any{"plan_id": "pln_" + ulid}
	last := func(got string) string { return got[strings.LastIndexByte(got, '\n')+1:] }

	got, _ := call(t, s, "get_plan", plan)
	if !strings.HasPrefix(got, "WAITING_FOR_APPROVAL pln_") || !strings.Contains(got, "EVIDENCE_ASKED_FOR by a person at 03:12:00Z: the error rate") || strings.Contains(got, "\x1b") ||
		!strings.HasPrefix(last(got), `Next: read_evidence(incident="inc_`+ulid+`"`) || !strings.Contains(last(got), `get_plan(plan_id="pln_`+ulid) || len([]rune(got)) > 2000 {
		t.Errorf("asked:\n%s", got)
	}
	f.since = []writ.Evidence{{ID: "ev_" + ulid, At: asked.Add(time.Second)}}
	if got, _ = call(t, s, "get_plan", plan); !strings.HasPrefix(last(got), "Next: get_plan(") {
		t.Errorf("after it was read:\n%s", got)
	}
	f.state = writ.PlanRejected
	if got, _ = call(t, s, "get_plan", plan); strings.Contains(got, "EVIDENCE_ASKED_FOR") {
		t.Errorf("a plan that is over:\n%s", got)
	}
}
