package mcp_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

func TestADenialWithoutAHintOfItsOwnStillTellsWhatWouldBeAllowed(t *testing.T) {
	for _, code := range []writ.Reason{writ.ReasonNoGrantRule, writ.ReasonParameterBound, writ.ReasonUnknownPlaybook, writ.ReasonUnknownService, writ.ReasonFrozen} {
		f := &fakeControl{refuse: &writ.Refusal{Code: code, Detail: "no"}}
		got, r := call(t, connect(t, serve(t, f), "repair-token"), "propose_plan", map[string]any{"incident": "inc_" + ulid, "playbook": "x"})
		if !r.IsError || !strings.Contains(got, "Next: "+code.Nearest()) {
			t.Errorf("%s: %q", code, got)
		}
	}
}
