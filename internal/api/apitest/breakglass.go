package apitest

import (
	"context"

	"github.com/writ-dev/writ"
)

func (c *Control) BeginBreakGlass(_ context.Context, _ writ.Principal, w writ.BreakGlassWish) (writ.BreakGlassBegun, error) {
	return writ.BreakGlassBegun(ToSign()), c.Called("begin break-glass %s %s %s %s", w.Incident, w.Service, w.Playbook.Name, text(w.Parameters))
}

func (c *Control) AskBreakGlass(_ context.Context, _ writ.Principal, ask writ.BreakGlassAsk) (writ.BreakGlass, error) {
	return BreakGlass(), c.Called("ask break-glass %s %s %s %s %s", ask.Statement, proof(ask.Signature, ask.Passkey), text(ask.Parameters), ask.Evidence, ask.Justification)
}

func (c *Control) BreakGlassOf(_ context.Context, _ writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error) {
	return BreakGlass(), c.Called("break-glass %s", id)
}

func (c *Control) BreakGlasses(_ context.Context, _ writ.Principal, state writ.BreakGlassState, _ int, _ string) ([]writ.BreakGlass, string, error) {
	return []writ.BreakGlass{BreakGlass()}, "", c.Called("break-glasses %s", state)
}

func (c *Control) ReviewBreakGlass(_ context.Context, _ writ.Principal, id writ.BreakGlassID, verdict writ.ReviewVerdict, note string) (writ.BreakGlass, error) {
	return BreakGlass(), c.Called("review %s %s %s", id, verdict, note)
}

func (c *Control) RepeatDrill(_ context.Context, _ writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error) {
	return BreakGlass(), c.Called("repeat %s", id)
}
