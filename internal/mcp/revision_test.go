package mcp_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/mcp"
)

// current is the newest revision of the protocol; the others begin with a handshake.
const current = "2026-07-28"

var older = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}

// A raw client writes its requests by hand, as a client of another language would.
type raw struct {
	t   *testing.T
	url string
}

// A reply is one answer as it stands on the wire.
type reply struct {
	code   int
	header http.Header
	body   string
	Result map[string]any `json:"result"`
	Error  *struct {
		Code    int            `json:"code"`
		Message string         `json:"message"`
		Data    map[string]any `json:"data"`
	} `json:"error"`
}

func (c raw) post(header map[string]string, body string) reply {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer repair-token")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	out := reply{code: resp.StatusCode, header: resp.Header, body: string(b)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(b, &out); err != nil {
			c.t.Fatalf("%v: %s", err, b)
		}
	}
	return out
}

// now sends one request of the current revision, which names itself in each request.
func (c raw) now(method, name, params string, extensions string) reply {
	c.t.Helper()
	header := map[string]string{"Mcp-Protocol-Version": current, "Mcp-Method": method}
	if name != "" {
		header["Mcp-Name"] = name
	}
	meta := fmt.Sprintf(`"_meta":{"io.modelcontextprotocol/protocolVersion":%q,"io.modelcontextprotocol/clientCapabilities":{"extensions":{%s}}}`, current, extensions)
	if params != "" {
		params += ","
	}
	return c.post(header, fmt.Sprintf(`{"jsonrpc":"2.0","id":7,"method":%q,"params":{%s%s}}`, method, params, meta))
}

// text is the text of a tool's answer.
func (r reply) text() string {
	content, _ := r.Result["content"].([]any)
	if len(content) == 0 {
		return ""
	}
	part, _ := content[0].(map[string]any)
	s, _ := part["text"].(string)
	return s
}

func TestOlderRevisionsAreSpokenWithoutASession(t *testing.T) {
	c := raw{t, serve(t, &fakeControl{state: writ.PlanWaiting})}
	for _, revision := range older {
		got := c.post(nil, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":%q,"capabilities":{},"clientInfo":{"name":"raw","version":"1"}}}`, revision))
		if got.code != http.StatusOK || got.Result["protocolVersion"] != revision || got.header.Get("Mcp-Session-Id") != "" {
			t.Errorf("%s: initialize: %d %s", revision, got.code, got.body)
		}
		header := map[string]string{"Mcp-Protocol-Version": revision}
		if got := c.post(header, `{"jsonrpc":"2.0","method":"notifications/initialized"}`); got.code != http.StatusAccepted {
			t.Errorf("%s: initialized: %d %s", revision, got.code, got.body)
		}
		got = c.post(header, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		if tools, _ := got.Result["tools"].([]any); got.code != http.StatusOK || len(tools) != 13 {
			t.Errorf("%s: tools/list: %d %s", revision, got.code, got.body)
		}
		got = c.post(header, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"get_plan","arguments":{"plan_id":"pln_`+ulid+`"}}}`)
		if got.code != http.StatusOK || !strings.HasPrefix(got.text(), "WAITING_FOR_APPROVAL pln_") {
			t.Errorf("%s: tools/call: %d %s", revision, got.code, got.body)
		}
	}
	if got := c.post(map[string]string{"Mcp-Protocol-Version": "1999-01-01"}, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`); got.code != http.StatusBadRequest {
		t.Errorf("an unknown revision: %d %s", got.code, got.body)
	}
}

func TestTheCurrentRevisionNeedsNoHandshake(t *testing.T) {
	c := raw{t, serve(t, &fakeControl{state: writ.PlanWaiting})}
	got := c.now("server/discover", "", "", "")
	capabilities, _ := got.Result["capabilities"].(map[string]any)
	extensions, _ := capabilities["extensions"].(map[string]any)
	if _, ok := extensions["io.modelcontextprotocol/tasks"]; got.code != http.StatusOK || !ok || !strings.Contains(got.body, current) {
		t.Errorf("discover: %d %s", got.code, got.body)
	}
	got = c.now("tools/call", "get_plan", `"name":"get_plan","arguments":{"plan_id":"pln_`+ulid+`"}`, "")
	if got.code != http.StatusOK || got.Result["resultType"] != "complete" || !strings.HasPrefix(got.text(), "WAITING_FOR_APPROVAL pln_") {
		t.Errorf("tools/call: %d %s", got.code, got.body)
	}
	if got := c.now("tools/call", "list_incidents", `"name":"get_plan","arguments":{}`, ""); got.code != http.StatusBadRequest || got.Error == nil || got.Error.Code != -32020 {
		t.Errorf("head and body name different tools: %d %s", got.code, got.body)
	}
	for _, method := range []string{"initialize", "ping", "prompts/list", "resources/list", "completion/complete", "logging/setLevel", "approve_plan"} {
		if got := c.now(method, "", "", ""); got.code != http.StatusNotFound {
			t.Errorf("%s: %d %s", method, got.code, got.body)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		r, _ := http.NewRequestWithContext(t.Context(), method, c.url, nil)
		r.Header.Set("Authorization", "Bearer repair-token")
		r.Header.Set("Accept", "text/event-stream")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s, which only sessions need: %s", method, resp.Status)
		}
	}
}

func TestAPageOfAnotherOriginCannotCallTheDoor(t *testing.T) {
	c := raw{t, serve(t, &fakeControl{})}
	ping := `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	if got := c.post(map[string]string{"Sec-Fetch-Site": "cross-site"}, ping); got.code != http.StatusForbidden {
		t.Errorf("a request from another site: %d", got.code)
	}
	if got := c.post(map[string]string{"Origin": "https://evil.example"}, ping); got.code != http.StatusForbidden {
		t.Errorf("a request from another origin: %d", got.code)
	}
	if got := c.post(nil, ping); got.code != http.StatusOK {
		t.Errorf("a request of no page: %d %s", got.code, got.body)
	}
}

func TestACallerWhoIsKnownAndNotLetInHearsInsufficientScope(t *testing.T) {
	f := &fakeControl{admit: &writ.Refusal{Code: writ.ReasonAgentUnregistered, Detail: "nobody has registered this agent", Kind: writ.ErrDenied}}
	got := raw{t, serve(t, f)}.post(nil, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	says := got.header.Get("WWW-Authenticate")
	if got.code != http.StatusForbidden || !strings.HasPrefix(says, `Bearer error="insufficient_scope"`) || !strings.Contains(says, mcp.PathMetadata) || !strings.Contains(got.body, "agent_unregistered") {
		t.Errorf("%d %q %s", got.code, says, got.body)
	}
}

func TestAClientThatListensIsToldOfProgress(t *testing.T) {
	f := &fakeControl{state: writ.PlanWaiting}
	c := raw{t, serve(t, f)}
	ask := func(token string) reply {
		return c.post(map[string]string{"Mcp-Protocol-Version": "2025-11-25"}, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"get_plan","arguments":{"plan_id":"pln_`+ulid+`","wait_seconds":12}`+token+`}}`)
	}
	got := ask(`,"_meta":{"progressToken":"p1"}`)
	if got.header.Get("Content-Type") != "text/event-stream" || strings.Count(got.body, "notifications/progress") != 3 || !strings.Contains(got.body, `"progressToken":"p1"`) || !strings.Contains(got.body, `"total":12`) {
		t.Errorf("with a token: %s", got.body)
	}
	if i, j := strings.LastIndex(got.body, "notifications/progress"), strings.Index(got.body, "WAITING_FOR_APPROVAL"); i < 0 || j < i {
		t.Errorf("the answer does not come last: %s", got.body)
	}
	if waits := f.waits; len(waits) != 4 || waits[0] != 0 || waits[1].Seconds() != 5 || waits[3].Seconds() != 2 {
		t.Errorf("it waited %v", waits)
	}
	f.waits = nil
	if got := ask(""); !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") || strings.Contains(got.body, "notifications/progress") || len(f.waits) != 1 {
		t.Errorf("without a token: %s, waits %v", got.body, f.waits)
	}
}

func TestNoCallWaitsLongerThanTwentySeconds(t *testing.T) {
	f := &fakeControl{state: writ.PlanWaiting}
	c := raw{t, serve(t, f)}
	for _, seconds := range []string{"21", "-1", "100000000000"} {
		for tool, id := range map[string]string{"get_plan": `"plan_id":"pln_`, "get_run": `"run_id":"run_`} {
			got := c.post(nil, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"`+tool+`","arguments":{`+id+ulid+`","wait_seconds":`+seconds+`}}}`)
			if got.Result["isError"] != true || !strings.Contains(got.text(), "wait_seconds must be 0 to 20") {
				t.Errorf("%s for %s s: %s", tool, seconds, got.body)
			}
		}
	}
	if len(f.waits) != 0 {
		t.Errorf("it waited %v", f.waits)
	}
}
