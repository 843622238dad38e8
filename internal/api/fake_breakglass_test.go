package api_test

import (
	"context"
	"fmt"

	"github.com/writ-dev/writ"
)

const glassID = writ.BreakGlassID("bgl_" + ulid)

func (f *fake) glass() writ.BreakGlass {
	return writ.BreakGlass{ID: glassID, State: writ.BreakGlassAsked, Incident: incident, Service: "payments", Team: "payments", Playbook: f.playbook, Asker: human, Plan: planID, AskedAt: at, Expires: at}
}

func (f *fake) AskBreakGlass(_ context.Context, _ writ.Principal, ask writ.BreakGlassAsk) (writ.BreakGlass, error) {
	if p := ask.Passkey; p != nil {
		return f.glass(), f.called(fmt.Sprintf("breakglass by passkey %s %s", p.Credential, ask.Signature))
	}
	return f.glass(), f.called(fmt.Sprintf("breakglass %s %s %s", ask.Statement, ask.Signature, ask.Justification))
}

func (f *fake) BreakGlassOf(context.Context, writ.Principal, writ.BreakGlassID) (writ.BreakGlass, error) {
	return f.glass(), f.called("breakglass of")
}

func (f *fake) BreakGlasses(_ context.Context, _ writ.Principal, state writ.BreakGlassState, _ int, _ string) ([]writ.BreakGlass, string, error) {
	return []writ.BreakGlass{f.glass()}, "", f.called("breakglasses " + string(state))
}

func (f *fake) ReviewBreakGlass(_ context.Context, _ writ.Principal, _ writ.BreakGlassID, verdict writ.ReviewVerdict, note string) (writ.BreakGlass, error) {
	return f.glass(), f.called(fmt.Sprintf("review %s %s", verdict, note))
}

func (f *fake) BeginBreakGlass(_ context.Context, _ writ.Principal, w writ.BreakGlassWish) (writ.BreakGlassBegun, error) {
	return writ.BreakGlassBegun{Statement: []byte("{}"), Options: writ.RequestOptions{Challenge: "AAAA", Allow: []writ.CredentialDescriptor{}}}, f.called(fmt.Sprintf("begin breakglass %s %s %s", w.Incident, w.Service, w.Playbook.Name))
}
