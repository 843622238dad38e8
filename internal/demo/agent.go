package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// An agent is a scripted MCP client. It knows its token, what the tools answer, and nothing else.
type agent struct {
	name    string
	session *mcp.ClientSession
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func connect(ctx context.Context, name, url, token string) (*agent, error) {
	c := mcp.NewClient(&mcp.Implementation{Name: name, Version: "1"}, nil)
	s, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url + "/mcp", HTTPClient: &http.Client{Transport: bearer(token)}, DisableStandaloneSSE: true}, nil)
	if err != nil {
		return nil, fmt.Errorf("agent %s cannot connect: %w", name, err)
	}
	return &agent{name, s}, nil
}

// An answer is a tool's text with its structured part.
type answer struct {
	text   string
	refuse bool
	Plan   writ.PlanID `json:"plan"`
	Run    writ.RunID  `json:"run"`
	State  string      `json:"state"`
	Reason writ.Reason `json:"reason"`
}

// first returns the answer's first line: the state.
func (a answer) first() string { s, _, _ := strings.Cut(a.text, "\n"); return s }

func (a *agent) call(ctx context.Context, tool string, args map[string]any) (answer, error) {
	r, err := a.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		return answer{}, fmt.Errorf("agent %s, %s: %w", a.name, tool, err)
	}
	var out answer
	for _, c := range r.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			out.text += t.Text
		}
	}
	out.refuse = r.IsError
	if r.StructuredContent != nil {
		b, err := json.Marshal(r.StructuredContent)
		if err != nil {
			return out, err
		}
		if err := json.Unmarshal(b, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// incident waits for an open incident of a service.
func (a *agent) incident(ctx context.Context, service string) (string, error) {
	for {
		out, err := a.call(ctx, "list_incidents", nil)
		if err != nil {
			return "", err
		}
		for line := range strings.SplitSeq(out.text, "\n") {
			if strings.Contains(line, "service "+service+" ") {
				id, _, _ := strings.Cut(line, " ")
				return id, nil
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return "", fmt.Errorf("no incident of %s was opened: %w", service, ctx.Err())
		}
	}
}

// read reads evidence and returns its id and text.
func (a *agent) read(ctx context.Context, incident string, q query) (id, text string, err error) {
	b, err := json.Marshal(q.with)
	if err != nil {
		return "", "", err
	}
	out, err := a.call(ctx, "read_evidence", map[string]any{"incident": incident, "kind": q.reader, "query": string(b)})
	if err != nil {
		return "", "", err
	}
	f := strings.Fields(out.first())
	if out.refuse || len(f) < 2 || f[0] != "EVIDENCE" {
		return "", "", fmt.Errorf("agent %s could not read %s: %s", a.name, q.reader, out.text)
	}
	return f[1], out.text, nil
}

// propose asks for a repair and waits until it is decided.
func (a *agent) propose(ctx context.Context, incident string, r repair, evidence []string, because string) (answer, error) {
	b, err := json.Marshal(r.with)
	if err != nil {
		return answer{}, err
	}
	out, err := a.call(ctx, "propose_plan", map[string]any{
		"incident": incident, "playbook": r.playbook, "parameters_json": string(b), "evidence_ids": strings.Join(evidence, ","), "because": because,
	})
	for err == nil && !out.refuse && out.State == string(writ.PlanPlanning) {
		out, err = a.call(ctx, "get_plan", map[string]any{"plan_id": string(out.Plan), "wait_seconds": 20})
	}
	return out, err
}

// follow waits until a plan's run has ended.
func (a *agent) follow(ctx context.Context, plan writ.PlanID) (answer, error) {
	out, err := a.call(ctx, "get_plan", map[string]any{"plan_id": string(plan)})
	for err == nil && out.Run == "" && !writ.PlanState(out.State).Final() {
		out, err = a.call(ctx, "get_plan", map[string]any{"plan_id": string(plan), "wait_seconds": 20})
	}
	if err != nil || out.Run == "" {
		return out, err
	}
	run := string(out.Run)
	for {
		out, err = a.call(ctx, "get_run", map[string]any{"run_id": run, "wait_seconds": 5})
		if err != nil || out.refuse || writ.RunState(out.State).Final() {
			return out, err
		}
	}
}
