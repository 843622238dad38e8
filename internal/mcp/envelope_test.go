package mcp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/mcp"
)

// What does not have the protocol's form is refused in words of the door's own: nothing of it comes back, which may be a secret.
func TestI20ARequestThatCannotBeReadIsNotRepeated(t *testing.T) {
	const secret = "hunter2"
	h := handler(&fakeControl{state: writ.PlanWaiting})
	for name, body := range map[string]string{
		"a name that is no text":       `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":7,"arguments":{"password":"` + secret + `"}}}`,
		"params that are no object":    `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":["` + secret + `"]}`,
		"a list with a cursor of none": `{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"cursor":["` + secret + `"]}}`,
		"a task that is no text":       `{"jsonrpc":"2.0","id":7,"method":"tasks/get","params":{"taskId":{"x":"` + secret + `"}}}`,
		"a beginning without form":     `{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":["` + secret + `"]}}`,
		"a method without end":         `{"jsonrpc":"2.0","id":7,"method":"` + strings.Repeat(secret, 20000) + `"}`,
		"a method that is no text":     `{"jsonrpc":"2.0","id":7,"method":{"x":"` + secret + `"}}`,
	} {
		r := httptest.NewRequest(http.MethodPost, mcp.Path, strings.NewReader(body)).WithContext(t.Context())
		r.Header = http.Header{"Authorization": {"Bearer repair-token"}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
		r.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Body.String(); strings.Contains(got, secret) || !strings.Contains(got, `"code":-32602`) || !strings.Contains(got, `"id":7`) || len(got) > mcp.MaxAnswer {
			t.Errorf("%s: %d %.300s", name, w.Code, got)
		}
	}
}
