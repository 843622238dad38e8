package mcp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

// Who gets an incident passed on learns over the same door what was found: the evidence to look at and to cite, and the giver's words
// as words.
func TestARecipientIsToldWhatWasPassedOnAndTheCallThatUsesIt(t *testing.T) {
	f := &fakeControl{log: "first\nsecond"}
	s := connect(t, serve(t, f), "repair-token")
	if got, _ := call(t, s, "list_incidents", nil); !strings.Contains(got, `Next: get_hand_off(hand_off_id="…")`) {
		t.Errorf("%s", got)
	}
	hand := map[string]any{"hand_off_id": "hnd_" + ulid}
	got, r := call(t, s, "get_hand_off", hand)
	if r.IsError || f.by != repair || !strings.HasPrefix(got, "HAND_OFF_OPEN hnd_"+ulid+" for inc_"+ulid+", from diagnose to repair\nUnder it rollback-deployment may be asked for, up to T1, until ") ||
		!strings.Contains(got, "\nEvidence, 15 of 50: ev_"+ulid+",ev_") || !strings.Contains(got, "Nobody has verified it") || !strings.Contains(got, "\n| errors began with v42\nNext: ") ||
		!strings.HasSuffix(got, `then propose_plan(incident="inc_`+ulid+`", playbook="…", evidence_ids="…", hand_off_id="hnd_`+ulid+`").`) {
		t.Errorf("by %v:\n%s", f.by, got)
	}
	evidence := map[string]any{"evidence_id": "ev_" + ulid}
	got, r = call(t, s, "get_evidence", evidence)
	if r.IsError || !strings.HasPrefix(got, "EVIDENCE ev_"+ulid+" read at ") || !strings.Contains(got, "\nkubernetes/pod.logs of kubernetes://prod-eu1\nfact ready = 3\n") || !strings.Contains(got, "\n| first\n| second\nNext: ") {
		t.Errorf("%s", got)
	}
	f.erased = time.Date(2026, 11, 22, 3, 12, 0, 0, time.UTC)
	if got, _ = call(t, s, "get_evidence", evidence); !strings.Contains(got, "erased") || strings.Contains(got, "| ") {
		t.Errorf("erased: %s", got)
	}
	f.giver = true
	if got, _ = call(t, s, "get_hand_off", hand); !strings.HasSuffix(got, "Next: nothing for you. The other agent asks as itself.") {
		t.Errorf("the giver is told: %s", got)
	}
	f.passed = writ.HandOffRevoked
	if got, _ = call(t, s, "get_hand_off", hand); !strings.HasPrefix(got, "HAND_OFF_REVOKED ") || strings.Contains(got, "propose_plan(") {
		t.Errorf("revoked: %s", got)
	}
	f.refuse = &writ.Refusal{Code: writ.ReasonUnknownHandOff, Detail: "there is none to you", Kind: writ.ErrNotFound}
	if got, r = call(t, s, "get_hand_off", hand); !r.IsError || strings.Contains(got, "ev_") || strings.Contains(got, "v42") {
		t.Errorf("refused: %s", got)
	}
	for tool, field := range map[string]string{"get_hand_off": "hand_off_id", "get_evidence": "evidence_id"} {
		if got, r := call(t, s, tool, map[string]any{field: "hunter2"}); !r.IsError || !strings.Contains(got, field+" must be an id") || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %s", tool, got)
		}
	}
}
