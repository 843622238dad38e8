package mcp_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/mcp"
)

// callRaw calls a tool with arguments as they stand, and returns the text of its answer.
func callRaw(t *testing.T, h http.Handler, tool, arguments string) (string, bool) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments)
	r := httptest.NewRequest(http.MethodPost, mcp.Path, strings.NewReader(body)).WithContext(t.Context())
	r.Header = http.Header{"Authorization": {"Bearer repair-token"}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var answer struct {
		Result struct {
			Content []struct{ Text string }
			IsError bool
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Result.Content) != 1 {
		return "", false
	}
	return answer.Result.Content[0].Text, answer.Result.IsError
}

func handler(f *fakeControl) http.Handler {
	return mcp.Handler(mcp.Config{
		Authenticator: f, Playbooks: f, Diagnosis: f, HandOffs: f, Proposer: f, Runs: f, ExternalURL: "https://writ.test", Version: "test", Log: slog.New(slog.DiscardHandler),
	})
}

// A wrong argument is refused like everything else: the state first, the argument and what is allowed there, the call as it
// should be last, and nothing of what was given.
func TestAWrongArgumentIsNamedWithWhatIsAllowedThere(t *testing.T) {
	const secret = "hunter2"
	h := handler(&fakeControl{state: writ.PlanPlanning})
	ask := func(more string) string {
		return `{"incident":"inc_` + ulid + `","playbook":"rollback-deployment"` + more + `}`
	}
	for name, x := range map[string]struct{ tool, arguments, says, next string }{
		"another type":              {"list_incidents", `{"state":7}`, "state must be text: open or resolved", "call list_incidents(), with state, service if needed"},
		"an object for text":        {"propose_plan", ask(`,"parameters_json":{"password":"` + secret + `"}`), "parameters_json must be text: the playbook's parameters as one JSON object in text", "call propose_plan(incident=…, playbook=…), with parameters_json"},
		"a list for text":           {"propose_plan", ask(`,"evidence_ids":["` + secret + `"]`), "evidence_ids must be text", "call propose_plan("},
		"a number as text":          {"get_plan", `{"plan_id":"` + plan + `","wait_seconds":"5"}`, "wait_seconds must be a whole number without quotes: 0 to 20", "call get_plan(plan_id=…), with wait_seconds"},
		"true as text":              {"propose_plan", ask(`,"dry_run":"true"`), "dry_run must be true or false without quotes", "call propose_plan("},
		"a fraction":                {"get_plan", `{"plan_id":"` + plan + `","wait_seconds":1.5}`, "wait_seconds must be a whole number", "call get_plan("},
		"missing":                   {"propose_plan", `{}`, "incident is missing: id of an open incident: inc_ and 26 characters", "call propose_plan(incident=…, playbook=…)"},
		"null where it must be":     {"describe_playbook", `{"name":null}`, "name must be text", "call describe_playbook(name=…)"},
		"one that is not known":     {"describe_playbook", `{"name":"x","` + strings.Repeat("\\u202e"+secret, 40) + `":1}`, "describe_playbook takes no argument", "call describe_playbook(name=…)"},
		"the same twice":            {"describe_playbook", `{"name":"x","name":"` + secret + `"}`, "names each argument once", "call describe_playbook(name=…)"},
		"no object":                 {"describe_playbook", `["` + secret + `"]`, "the arguments must be one JSON object", "call describe_playbook(name=…)"},
		"more than an answer holds": {"propose_plan", ask(`,"evidence_ids":["` + strings.Repeat(secret, 5000) + `"]`), "evidence_ids must be text", "call propose_plan("},
	} {
		got, refused := callRaw(t, h, x.tool, x.arguments)
		lines := strings.Split(got, "\n")
		if !refused || len(lines) != 3 || lines[0] != "DENIED form" || !strings.Contains(lines[1], x.says) || !strings.HasPrefix(lines[2], "Next: "+x.next) {
			t.Errorf("%s: %q", name, got)
		}
		if name != "one that is not known" && strings.Contains(got, secret) || utf8.RuneCountInString(got) > 400 || strings.ContainsRune(got, '\u202e') {
			t.Errorf("%s: what was given comes back: %q", name, got)
		}
	}
	// Some clients send every parameter, and null for those that are left out.
	for _, arguments := range []string{ask(`,"parameters_json":null,"evidence_ids":null,"hand_off_id":null,"dry_run":null,"because":null`), ask("")} {
		if got, refused := callRaw(t, h, "propose_plan", arguments); refused || !strings.HasPrefix(got, "PLANNING ") {
			t.Errorf("%s: %q", arguments, got)
		}
	}
	if got, refused := callRaw(t, h, "list_playbooks", "null"); refused || !strings.Contains(got, "PLAYBOOKS") {
		t.Errorf("no arguments: %q", got)
	}
}

// FuzzArgumentsOfAnyKind gives every tool whatever there is: an answer, never more than fits, and no panic.
func FuzzArgumentsOfAnyKind(f *testing.F) {
	for _, s := range []string{`{}`, `null`, `[]`, `{"incident":null}`, `{"plan_id":"` + plan + `","wait_seconds":0}`, `{"max_tier":1e99}`, `{"a":{"a":{}}}`, `{"\u0000":"\ud800"}`} {
		f.Add(s)
	}
	h := handler(&fakeControl{state: writ.PlanWaiting})
	f.Fuzz(func(t *testing.T, arguments string) {
		if !json.Valid([]byte(arguments)) || strings.Contains(arguments, "wait_seconds") {
			return
		}
		for _, tool := range []string{"list_incidents", "list_playbooks", "list_readers", "describe_playbook", "read_evidence", "propose_plan", "hand_off", "get_hand_off", "get_evidence", "get_plan", "get_run", "withdraw_plan", "stop_run"} {
			if got, _ := callRaw(t, h, tool, arguments); utf8.RuneCountInString(got) > mcp.MaxAnswer {
				t.Errorf("%s answers %d characters", tool, utf8.RuneCountInString(got))
			}
		}
	})
}
