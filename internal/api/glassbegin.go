package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type breakGlassBeginIn struct {
	Body struct {
		Incident   writ.IncidentID  `json:"incident,omitempty" doc:"the open incident; none for a drill"`
		Service    string           `json:"service" minLength:"1" maxLength:"253" doc:"the incident's; for a drill, what it is run on"`
		Playbook   writ.PlaybookRef `json:"playbook" doc:"the emergency playbook that was shown, by name, version and digest"`
		Parameters writ.Parameters  `json:"parameters,omitempty" doc:"all of them, defaults filled in"`
	} `nameHint:"BreakGlassBeginRequest"`
}

type breakGlassBegunOut struct{ Body writ.BreakGlassBegun }

func (d *door) registerBreakGlassBegin() {
	register(d, call{id: "begin-breakglass", method: http.MethodPost, path: "/v1/breakglass/begin", kinds: people, body: strict,
		summary: "Make the statement that the caller's passkey is to sign to ask for break-glass; the answer is for navigator.credentials.get, at the origin for approving"},
		func(ctx context.Context, by writ.Principal, in *breakGlassBeginIn) (*breakGlassBegunOut, error) {
			begun, err := d.BreakGlass.BeginBreakGlass(ctx, by, writ.BreakGlassWish(in.Body))
			return &breakGlassBegunOut{begun}, err
		})
}
