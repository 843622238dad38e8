package mcp_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/mcp"
)

// FuzzABodyOfAnyKindIsAnswered posts bodies as they come: the door reads each before the SDK does.
func FuzzABodyOfAnyKindIsAnswered(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`, `[]`, `{`, "", `{"id":{},"method":"tasks/get","params":{"taskId":7}}`,
		`{"jsonrpc":"2.0","id":"\u0000","method":"tasks/cancel","params":{"taskId":"` + plan + `","_meta":{"progressToken":[1]}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_plan","arguments":{"plan_id":"` + plan + `"},"_meta":{"progressToken":"p"}}}`,
	} {
		f.Add(s, "", current)
	}
	c := &fakeControl{state: writ.PlanWaiting}
	h := mcp.Handler(mcp.Config{Authenticator: c, Playbooks: c, Diagnosis: c, HandOffs: c, Proposer: c, Runs: c, ExternalURL: "https://writ.test", Version: "test", Log: slog.New(slog.DiscardHandler)})
	f.Fuzz(func(t *testing.T, body, name, revision string) {
		r := httptest.NewRequest(http.MethodPost, mcp.Path, strings.NewReader(body)).WithContext(t.Context())
		r.Header = http.Header{"Authorization": {"Bearer repair-token"}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
		r.Header.Set("Mcp-Protocol-Version", revision)
		if name != "" {
			r.Header.Set("Mcp-Name", name)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%d %s for %q", w.Code, w.Body, body)
		}
	})
}
