package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type agentsOut struct{ Body Page[writ.Agent] }

type agentIn struct {
	Name string `path:"name" maxLength:"253"`
}

type agentOut struct{ Body writ.Agent }

type agentAddIn struct {
	Body struct {
		Name    string           `json:"name" minLength:"1" maxLength:"253" doc:"a plain name; never given twice"`
		Iss     string           `json:"iss" minLength:"1" maxLength:"1024"`
		Sub     string           `json:"sub" minLength:"1" maxLength:"1024"`
		Team    string           `json:"team" minLength:"1" maxLength:"253" doc:"a team of the caller, who becomes the agent's owner"`
		Roles   []writ.AgentRole `json:"roles" minItems:"1" maxItems:"2" enum:"diagnose,repair"`
		Classes []string         `json:"classes,omitempty" maxItems:"64" doc:"of playbooks that it may ask for; without any, policy alone decides"`
	} `nameHint:"AgentRequest"`
}

type agentStateIn struct {
	Name string `path:"name" maxLength:"253"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"4096"`
	} `nameHint:"AgentStateRequest"`
}

type agentRotateIn struct {
	Name string `path:"name" maxLength:"253"`
	Body struct {
		Iss    string `json:"iss" minLength:"1" maxLength:"1024"`
		Sub    string `json:"sub" minLength:"1" maxLength:"1024"`
		Reason string `json:"reason" minLength:"1" maxLength:"4096"`
	} `nameHint:"AgentRotateRequest"`
}

func (d *door) registerAgents() {
	register(d, call{id: "list-agents", method: http.MethodGet, path: "/v1/agents", kinds: people, summary: "Registered agents by name, past ones too"},
		func(ctx context.Context, by writ.Principal, _ *struct{}) (*agentsOut, error) {
			items, err := d.Agents.Agents(ctx, by)
			return &agentsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "get-agent", method: http.MethodGet, path: "/v1/agents/{name}", kinds: people, summary: "One registered agent"},
		func(ctx context.Context, by writ.Principal, in *agentIn) (*agentOut, error) {
			a, err := d.Agents.Agent(ctx, by, in.Name)
			return &agentOut{a}, err
		})
	register(d, call{id: "add-agent", method: http.MethodPost, path: "/v1/agents", kinds: people, creates: true, body: strict,
		status: http.StatusCreated, summary: "Register an agent; the caller answers for it"},
		func(ctx context.Context, by writ.Principal, in *agentAddIn) (*agentOut, error) {
			b := in.Body
			a, err := d.Agents.AddAgent(ctx, by, writ.Agent{Name: b.Name, Iss: b.Iss, Sub: b.Sub, Team: b.Team, Roles: b.Roles, Classes: b.Classes})
			return &agentOut{a}, err
		})
	for _, v := range []struct {
		verb, summary string
		to            writ.AgentState
	}{
		{"suspend", "Suspend an agent: its plans, grants and runs end now, and every door refuses it", writ.AgentSuspended},
		{"resume", "Let a suspended agent go on", writ.AgentActive},
		{"remove", "Remove an agent for good, with everything it has", writ.AgentRemoved},
	} {
		register(d, call{id: v.verb + "-agent", method: http.MethodPost, path: "/v1/agents/{name}/" + v.verb, kinds: people, body: strict, summary: v.summary},
			func(ctx context.Context, by writ.Principal, in *agentStateIn) (*agentOut, error) {
				a, err := d.Agents.SetAgent(ctx, by, in.Name, v.to, in.Body.Reason)
				return &agentOut{a}, err
			})
	}
	register(d, call{id: "rotate-agent", method: http.MethodPost, path: "/v1/agents/{name}/rotate", kinds: people, body: strict,
		summary: "Give an agent a new identity; the old one ends with everything it has"},
		func(ctx context.Context, by writ.Principal, in *agentRotateIn) (*agentOut, error) {
			b := in.Body
			a, err := d.Agents.RotateAgent(ctx, by, in.Name, b.Iss, b.Sub, b.Reason)
			return &agentOut{a}, err
		})
}
