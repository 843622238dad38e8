package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type presentIn struct {
	Body struct {
		Grant string `json:"grant" minLength:"1" maxLength:"16384" doc:"the grant in compact form, as the token exchange answered it"`
		Proof string `json:"proof" minLength:"1" maxLength:"4096" doc:"a DPoP proof (RFC 9449) by the grant's key, made for this call: htm POST, htu the external URL of this path, ath of the grant"`
	} `nameHint:"PresentationRequest"`
}

type presentOut struct {
	Location string `header:"Location"`
	Body     writ.RunStatus
}

func (d *door) registerPresentations() {
	register(d, call{id: "present", method: http.MethodPost, path: "/v1/runs", kinds: agents, creates: true, body: strict, status: http.StatusAccepted,
		summary: "Present a grant that the calling agent holds; its runner judges it within the minute that the proof is good"},
		func(ctx context.Context, by writ.Principal, in *presentIn) (*presentOut, error) {
			r, err := d.Presents.Present(ctx, by, in.Body.Grant, in.Body.Proof)
			return &presentOut{"/v1/runs/" + string(r.ID), r}, err
		})
}
