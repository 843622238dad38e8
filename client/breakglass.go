package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/writ-dev/writ"
)

// AskBreakGlass asks for one emergency playbook, or for a drill, with a signed statement.
func (c *Client) AskBreakGlass(ctx context.Context, ask writ.BreakGlassAsk) (writ.BreakGlass, error) {
	var g writ.BreakGlass
	return g, c.do(ctx, call{method: http.MethodPost, path: "/v1/breakglass", creates: true, body: ask}, &g)
}

// BeginBreakGlass makes the statement that the caller's passkey is to sign. AskBreakGlass sends it with the assertion.
func (c *Client) BeginBreakGlass(ctx context.Context, w writ.BreakGlassWish) (writ.BreakGlassBegun, error) {
	var b writ.BreakGlassBegun
	return b, c.do(ctx, call{method: http.MethodPost, path: "/v1/breakglass/begin", body: struct {
		Incident   writ.IncidentID  `json:"incident,omitempty"`
		Service    string           `json:"service"`
		Playbook   writ.PlaybookRef `json:"playbook"`
		Parameters writ.Parameters  `json:"parameters,omitempty"`
	}{w.Incident, w.Service, w.Playbook, w.Parameters}}, &b)
}

// BreakGlass returns one use.
func (c *Client) BreakGlass(ctx context.Context, id writ.BreakGlassID) (writ.BreakGlass, error) {
	var g writ.BreakGlass
	return g, c.do(ctx, call{method: http.MethodGet, path: "/v1/breakglass/" + string(id)}, &g)
}

// BreakGlasses are newest first; an empty state means all.
func (c *Client) BreakGlasses(ctx context.Context, state writ.BreakGlassState) iter.Seq2[writ.BreakGlass, error] {
	return pages[writ.BreakGlass](ctx, c, "/v1/breakglass", values("state", string(state)))
}

// ReviewBreakGlass hands in the look back at one use.
func (c *Client) ReviewBreakGlass(ctx context.Context, id writ.BreakGlassID, verdict writ.ReviewVerdict, note string) (writ.BreakGlass, error) {
	var g writ.BreakGlass
	return g, c.do(ctx, call{method: http.MethodPost, path: "/v1/breakglass/" + string(id) + "/review", body: struct {
		Verdict writ.ReviewVerdict `json:"verdict"`
		Note    string             `json:"note"`
	}{verdict, note}}, &g)
}
