package apitest

import (
	"context"

	"github.com/writ-dev/writ"
)

func (c *Control) Agents(context.Context, writ.Principal) ([]writ.Agent, error) {
	return []writ.Agent{Registration()}, c.Called("agents")
}

func (c *Control) Agent(_ context.Context, _ writ.Principal, name string) (writ.Agent, error) {
	return Registration(), c.Called("agent %s", name)
}

func (c *Control) AddAgent(_ context.Context, _ writ.Principal, a writ.Agent) (writ.Agent, error) {
	return Registration(), c.Called("add %s %s %s %s %v %v", a.Name, a.Iss, a.Sub, a.Team, a.Roles, a.Classes)
}

func (c *Control) SetAgent(_ context.Context, _ writ.Principal, name string, to writ.AgentState, reason string) (writ.Agent, error) {
	return Registration(), c.Called("agent %s %s %s", name, to, reason)
}

func (c *Control) RotateAgent(_ context.Context, _ writ.Principal, name, iss, sub, reason string) (writ.Agent, error) {
	return Registration(), c.Called("rotate %s %s %s %s", name, iss, sub, reason)
}

func (c *Control) HandOff(_ context.Context, _ writ.Principal, ask writ.HandOffAsk) (writ.HandOffStatus, error) {
	return HandOff(), c.Called("hand off %v", ask)
}

func (c *Control) HandedOff(_ context.Context, _ writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error) {
	return HandOff(), c.Called("handed off %s", id)
}

func (c *Control) HandOffs(_ context.Context, _ writ.Principal, in writ.IncidentID) ([]writ.HandOffStatus, error) {
	return []writ.HandOffStatus{HandOff()}, c.Called("hand-offs %s", in)
}

func (c *Control) RevokeHandOff(_ context.Context, _ writ.Principal, id writ.HandOffID) (writ.HandOffStatus, error) {
	return HandOff(), c.Called("revoke %s", id)
}

func (c *Control) InviteRunner(_ context.Context, _ writ.Principal, name string) (writ.RunnerInvitation, error) {
	return Invitation(), c.Called("invite runner %s", name)
}

func (c *Control) RunnerKeys(context.Context, writ.Principal) ([]writ.RunnerKey, error) {
	return []writ.RunnerKey{RunnerKey(writ.RunnerDeclared)}, c.Called("runner keys")
}

func (c *Control) RemoveRunner(_ context.Context, _ writ.Principal, name, key, reason string) ([]writ.RunnerKey, error) {
	return []writ.RunnerKey{RunnerKey(writ.RunnerRemoved)}, c.Called("remove runner %s %s %s", name, key, reason)
}

func (c *Control) UpstreamTools(context.Context, writ.Principal) ([]writ.UpstreamTool, error) {
	return []writ.UpstreamTool{Tool()}, c.Called("upstreams")
}

func (c *Control) VerifyUpstream(_ context.Context, _ writ.Principal, upstream string) ([]writ.UpstreamTool, error) {
	return []writ.UpstreamTool{Tool()}, c.Called("verify upstream %s", upstream)
}

func (c *Control) Pin(_ context.Context, by writ.Principal, ask writ.PinAsk) (writ.UpstreamTool, error) {
	return Tool(), c.Called("pin %s %s %s %t %t %q", by.Sub, ask.Name, ask.Digest, ask.Read, ask.Declared, ask.Reason)
}

func (c *Control) Unpin(_ context.Context, by writ.Principal, name writ.UpstreamToolName, reason string) (writ.UpstreamTool, error) {
	return Tool(), c.Called("unpin %s %s %q", by.Sub, name, reason)
}
