package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type freezeIn struct {
	Body struct {
		Scope  writ.FreezeScope `json:"scope" enum:"all,agent,service,playbook,target"`
		Value  string           `json:"value,omitempty" maxLength:"1100" doc:"what is frozen, by a name that exists; an agent is its registered name, and any identity its issuer, a space and its subject; empty for all"`
		Reason string           `json:"reason" minLength:"1" maxLength:"4096"`
	} `nameHint:"FreezeRequest"`
}

type freezeOut struct{ Body writ.Freeze }

type freezesOut struct{ Body Page[writ.Freeze] }

type liftIn struct {
	ID   string `path:"id"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"4096"`
	} `nameHint:"LiftRequest"`
}

func (d *door) registerFreezes() {
	register(d, call{id: "list-freezes", method: http.MethodGet, path: "/v1/freezes", kinds: anyone, summary: "Freezes that hold now"},
		func(ctx context.Context, by writ.Principal, _ *struct{}) (*freezesOut, error) {
			items, err := d.Freezes.Freezes(ctx, by)
			return &freezesOut{pageOf(items, "")}, err
		})
	register(d, call{id: "freeze", method: http.MethodPost, path: "/v1/freezes", kinds: people, creates: true, body: strict,
		status: http.StatusCreated, summary: "Stop everything in a scope, in flight too"},
		func(ctx context.Context, by writ.Principal, in *freezeIn) (*freezeOut, error) {
			b := in.Body
			if (b.Scope == writ.FreezeAll) != (b.Value == "") {
				return nil, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid,
					Detail: "value names what is frozen, and is empty for the scope all and only then"}
			}
			f, err := d.Freezes.Freeze(ctx, by, b.Scope, b.Value, b.Reason)
			return &freezeOut{f}, err
		})
	register(d, call{id: "unfreeze", method: http.MethodPost, path: "/v1/freezes/{id}/lift", kinds: people, body: strict,
		summary: "Lift a freeze; the answer is what was lifted"},
		func(ctx context.Context, by writ.Principal, in *liftIn) (*freezeOut, error) {
			id, err := writ.ParseFreezeID(in.ID)
			if err != nil {
				return nil, err
			}
			f, err := d.Freezes.Unfreeze(ctx, by, id, in.Body.Reason)
			return &freezeOut{f}, err
		})
}
