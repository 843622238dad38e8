package mcp_test

import (
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

func TestACallOfAToolThatIsNotThereIsRefusedAndRecorded(t *testing.T) {
	for _, name := range []string{"AccessEscalation", "approve", "PROPOSE_PLAN", "../propose_plan"} {
		f := &fakeControl{}
		s := connect(t, serve(t, f), "repair-token")
		if r, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: name}); err == nil && !r.IsError {
			t.Errorf("%q answers %+v", name, r)
		}
		if f.did != "tool "+string(writ.ReasonNotFound) || f.by.Kind != writ.KindAgent {
			t.Errorf("%q: recorded is %q of %v", name, f.did, f.by)
		}
	}
	f := &fakeControl{}
	s := connect(t, serve(t, f), "repair-token")
	if _, err := s.CallTool(t.Context(), &sdk.CallToolParams{Name: "list_playbooks"}); err != nil || f.did != "" {
		t.Errorf("a tool that is there: %v, recorded is %q", err, f.did)
	}
}
