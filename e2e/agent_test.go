package e2e_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// An agent is a client of the official MCP SDK. It knows its token and what the tools answer.
type agent struct {
	s       *site
	session *mcp.ClientSession
}

// bearer adds a token to each request.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

func (s *site) agent(t testing.TB, name string) agent {
	t.Helper()
	return s.connect(t, bearer{s.tokenOf(name), http.DefaultTransport})
}

func (s *site) connect(t testing.TB, auth http.RoundTripper) agent {
	t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil)
	session, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: s.url + "/mcp", HTTPClient: &http.Client{Transport: auth}, DisableStandaloneSSE: true,
	}, nil)
	must(t, err)
	t.Cleanup(func() { session.Close() })
	return agent{s, session}
}

// An answer is a tool's text and the part of it that is for programs.
type answer struct {
	text   string
	refuse bool
	Plan   writ.PlanID `json:"plan"`
	Run    writ.RunID  `json:"run"`
	State  string      `json:"state"`
	Reason writ.Reason `json:"reason"`
}

// first is the line that names the state.
func (a answer) first() string { s, _, _ := strings.Cut(a.text, "\n"); return s }

func (a agent) call(t testing.TB, tool string, args map[string]any) answer {
	t.Helper()
	r, err := a.session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	var out answer
	for _, c := range r.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			out.text += text.Text
		}
	}
	out.refuse = r.IsError
	if r.StructuredContent != nil {
		b, err := json.Marshal(r.StructuredContent)
		must(t, err)
		must(t, json.Unmarshal(b, &out))
		a.s.heard(string(b))
	}
	a.s.heard(out.text)
	return out
}

// observe reads evidence and returns its id and the text.
func (a agent) observe(t testing.TB, incident writ.IncidentID, reader writ.OperationName, with map[string]any) (string, string) {
	t.Helper()
	b, err := json.Marshal(with)
	must(t, err)
	out := a.call(t, "read_evidence", map[string]any{"incident": string(incident), "kind": string(reader), "query": string(b)})
	words := strings.Fields(out.first())
	if out.refuse || len(words) < 2 || words[0] != "EVIDENCE" {
		t.Fatalf("%s could not be read: %s", reader, out.text)
	}
	return words[1], out.text
}

// propose asks for a repair and waits until it is decided.
func (a agent) propose(t testing.TB, incident writ.IncidentID, playbook string, with map[string]any, evidence ...string) answer {
	t.Helper()
	b, err := json.Marshal(with)
	must(t, err)
	out := a.call(t, "propose_plan", map[string]any{
		"incident": string(incident), "playbook": playbook, "parameters_json": string(b), "evidence_ids": strings.Join(evidence, ","), "because": "the newest revision is broken",
	})
	for !out.refuse && out.State == string(writ.PlanPlanning) {
		out = a.call(t, "get_plan", map[string]any{"plan_id": string(out.Plan), "wait_seconds": 20})
	}
	return out
}
