package client_test

import (
	"context"

	"github.com/writ-dev/writ"
)

const glassID = writ.BreakGlassID("bgl_" + ulid)

func (f *fake) glass() writ.BreakGlass {
	return writ.BreakGlass{ID: glassID, State: writ.BreakGlassUsed, Incident: incident, Service: "payments", Team: "payments",
		Playbook: f.plan("").Playbook, Asker: human, Plan: planID, AskedAt: at, Expires: at}
}

func (f *fake) AskBreakGlass(_ context.Context, _ writ.Principal, ask writ.BreakGlassAsk) (writ.BreakGlass, error) {
	if p := ask.Passkey; p != nil {
		return f.glass(), f.called("breakglass by passkey %s %s %s %s", p.Credential, p.AuthenticatorData, p.ClientData, p.Signature)
	}
	return f.glass(), f.called("breakglass %s %s %v %s %s", ask.Statement, ask.Signature, ask.Parameters, ask.Evidence, ask.Justification)
}

func (f *fake) BreakGlassOf(_ context.Context, _ writ.Principal, id writ.BreakGlassID) (writ.BreakGlass, error) {
	return f.glass(), f.called("breakglass %s", id)
}

func (f *fake) BreakGlasses(_ context.Context, _ writ.Principal, state writ.BreakGlassState, _ int, _ string) ([]writ.BreakGlass, string, error) {
	return []writ.BreakGlass{f.glass()}, "", f.called("breakglasses %s", state)
}

func (f *fake) ReviewBreakGlass(_ context.Context, _ writ.Principal, id writ.BreakGlassID, verdict writ.ReviewVerdict, note string) (writ.BreakGlass, error) {
	return f.glass(), f.called("review %s %s %s", id, verdict, note)
}

func (f *fake) BeginBreakGlass(_ context.Context, _ writ.Principal, w writ.BreakGlassWish) (writ.BreakGlassBegun, error) {
	return writ.BreakGlassBegun{Statement: []byte("{}"), Options: writ.RequestOptions{Challenge: "AAAA", Allow: []writ.CredentialDescriptor{}}}, f.called("begin breakglass %s %s %s %v", w.Incident, w.Service, w.Playbook.Name, w.Parameters)
}
