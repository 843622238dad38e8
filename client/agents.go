package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/writ-dev/writ"
)

// Agents are the registrations, by name.
func (c *Client) Agents(ctx context.Context) iter.Seq2[writ.Agent, error] {
	return pages[writ.Agent](ctx, c, "/v1/agents", nil)
}

// Agent returns one registration.
func (c *Client) Agent(ctx context.Context, name string) (writ.Agent, error) {
	var a writ.Agent
	return a, c.do(ctx, call{method: http.MethodGet, path: "/v1/agents/" + url.PathEscape(name)}, &a)
}

// AddAgent registers an agent. The caller becomes its owner; what the members Owner, State and By say is not sent.
func (c *Client) AddAgent(ctx context.Context, a writ.Agent) (writ.Agent, error) {
	var made writ.Agent
	return made, c.do(ctx, call{method: http.MethodPost, path: "/v1/agents", creates: true, body: struct {
		Name    string           `json:"name"`
		Iss     string           `json:"iss"`
		Sub     string           `json:"sub"`
		Team    string           `json:"team"`
		Roles   []writ.AgentRole `json:"roles"`
		Classes []string         `json:"classes,omitempty"`
	}{a.Name, a.Iss, a.Sub, a.Team, a.Roles, a.Classes}}, &made)
}

// SuspendAgent stops an agent: its plans, grants and runs end before this returns, and every door refuses it.
func (c *Client) SuspendAgent(ctx context.Context, name, reason string) (writ.Agent, error) {
	return c.setAgent(ctx, name, "suspend", reason)
}

// ResumeAgent lets a suspended agent go on. What it had does not come back.
func (c *Client) ResumeAgent(ctx context.Context, name, reason string) (writ.Agent, error) {
	return c.setAgent(ctx, name, "resume", reason)
}

// RemoveAgent removes an agent for good, as SuspendAgent does.
func (c *Client) RemoveAgent(ctx context.Context, name, reason string) (writ.Agent, error) {
	return c.setAgent(ctx, name, "remove", reason)
}

func (c *Client) setAgent(ctx context.Context, name, verb, reason string) (writ.Agent, error) {
	var a writ.Agent
	return a, c.do(ctx, call{method: http.MethodPost, path: "/v1/agents/" + url.PathEscape(name) + "/" + verb, body: struct {
		Reason string `json:"reason"`
	}{reason}}, &a)
}

// RotateAgent gives an agent a new identity. The old one ends with everything it has.
func (c *Client) RotateAgent(ctx context.Context, name, iss, sub, reason string) (writ.Agent, error) {
	var a writ.Agent
	return a, c.do(ctx, call{method: http.MethodPost, path: "/v1/agents/" + url.PathEscape(name) + "/rotate", body: struct {
		Iss    string `json:"iss"`
		Sub    string `json:"sub"`
		Reason string `json:"reason"`
	}{iss, sub, reason}}, &a)
}
