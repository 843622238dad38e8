package mcp_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// The next step is one that can be taken: nothing is read for what is over, and with nothing open there is nothing to read.
func TestTheNextStepAfterAListFitsWhatIsInIt(t *testing.T) {
	many := make([]writ.Incident, 10)
	for i := range many {
		many[i] = writ.Incident{ID: "inc_" + ulid, Service: "checkout", Environment: "prod", Severity: 2, Title: strings.Repeat("errors ", 40)}
	}
	for name, x := range map[string]struct {
		f           fakeControl
		args        map[string]any
		first, last string
	}{
		"open":       {fakeControl{}, nil, "1 OPEN INCIDENTS", "Next: get_hand_off("},
		"none to it": {fakeControl{passed: writ.HandOffRevoked}, nil, "1 OPEN INCIDENTS", "Next: list_readers("},
		"none":       {fakeControl{found: []writ.Incident{}}, nil, "0 OPEN INCIDENTS", "Next: nothing; there is nothing to repair."},
		"resolved":   {fakeControl{}, map[string]any{"state": "resolved"}, "1 RESOLVED INCIDENTS", "Next: nothing is read or repaired for these; list_incidents()"},
		"more than an answer holds": {fakeControl{found: many, more: "cursor"}, map[string]any{"service": "checkout"},
			"THE NEWEST 10 OPEN INCIDENTS; name a service to see others", "Next: get_hand_off("},
	} {
		got, r := call(t, connect(t, serve(t, &x.f), "repair-token"), "list_incidents", x.args)
		lines := strings.Split(got, "\n")
		if r.IsError || lines[0] != x.first || !strings.HasPrefix(lines[len(lines)-1], x.last) || strings.Contains(got, "… cut …") {
			t.Errorf("%s: %s", name, got)
		}
		if want, _ := x.args["service"].(string); x.f.filter.Service != want {
			t.Errorf("%s: asked of service %q", name, x.f.filter.Service)
		}
	}
}

// A reader that nobody knows leads to those that there are, and what the agent itself took back is not proposed again.
func TestANextStepIsNeverTheOneThatWasJustUndone(t *testing.T) {
	s := connect(t, serve(t, &fakeControl{}), "repair-token")
	if got, r := call(t, s, "read_evidence", map[string]any{"incident": "inc_" + ulid, "kind": "metrics"}); !r.IsError || !strings.Contains(got, "Next: list_readers(") {
		t.Errorf("%s", got)
	}
	if got, _ := call(t, s, "withdraw_plan", map[string]any{"plan_id": plan, "because": "it recovered"}); !strings.Contains(got, "Next: nothing; it was taken back") {
		t.Errorf("%s", got)
	}
}
