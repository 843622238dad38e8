package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type breakGlassIn struct {
	Body struct {
		Statement     []byte            `json:"statement" doc:"the canonical bytes that were signed"`
		Signature     string            `json:"signature,omitempty" minLength:"1" maxLength:"16384" doc:"armored SSH signature in the namespace breakglass@writ.dev; this or passkey"`
		Passkey       *AssertionRequest `json:"passkey,omitempty" doc:"over the statement that begin-breakglass made"`
		Parameters    writ.Parameters   `json:"parameters,omitempty" doc:"all of them, defaults filled in, as the statement's digest covers them"`
		Evidence      []writ.EvidenceID `json:"evidence,omitempty" maxItems:"20"`
		Justification string            `json:"justification" minLength:"1" maxLength:"4096" doc:"stays off the ledger"`
	} `nameHint:"BreakGlassRequest"`
}

type breakGlassOut struct{ Body writ.BreakGlass }

type breakGlassesIn struct {
	State  string `query:"state" enum:"asked,used,reviewed,over"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200"`
	Cursor string `query:"cursor" maxLength:"512"`
}

type breakGlassesOut struct{ Body Page[writ.BreakGlass] }

type breakGlassOf struct {
	ID string `path:"id"`
}

type reviewIn struct {
	ID   string `path:"id"`
	Body struct {
		Verdict writ.ReviewVerdict `json:"verdict" enum:"justified,not_justified"`
		Note    string             `json:"note" minLength:"1" maxLength:"4096" doc:"what was found; stays off the ledger"`
	} `nameHint:"ReviewRequest"`
}

func (d *door) registerBreakGlass() {
	register(d, call{id: "breakglass", method: http.MethodPost, path: "/v1/breakglass", kinds: people, creates: true, body: strict,
		status: http.StatusCreated, summary: "Ask for break-glass, or for a drill, with a signed statement"},
		func(ctx context.Context, by writ.Principal, in *breakGlassIn) (*breakGlassOut, error) {
			b := in.Body
			if (b.Signature == "") == (b.Passkey == nil) {
				return nil, &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "an ask has a signature or a passkey, and not both"}
			}
			g, err := d.BreakGlass.AskBreakGlass(ctx, by, writ.BreakGlassAsk{
				Statement: b.Statement, Signature: b.Signature, Passkey: (*writ.Assertion)(b.Passkey), Parameters: b.Parameters, Evidence: b.Evidence, Justification: b.Justification,
			})
			return &breakGlassOut{g}, err
		})
	d.registerBreakGlassBegin()
	register(d, call{id: "list-breakglass", method: http.MethodGet, path: "/v1/breakglass", kinds: people, summary: "Uses of break-glass, newest first"},
		func(ctx context.Context, by writ.Principal, in *breakGlassesIn) (*breakGlassesOut, error) {
			items, next, err := d.BreakGlass.BreakGlasses(ctx, by, writ.BreakGlassState(in.State), in.Limit, in.Cursor)
			return &breakGlassesOut{pageOf(items, next)}, err
		})
	register(d, call{id: "get-breakglass", method: http.MethodGet, path: "/v1/breakglass/{id}", kinds: people, summary: "One use of break-glass"},
		func(ctx context.Context, by writ.Principal, in *breakGlassOf) (*breakGlassOut, error) {
			id, err := writ.ParseBreakGlassID(in.ID)
			if err != nil {
				return nil, err
			}
			g, err := d.BreakGlass.BreakGlassOf(ctx, by, id)
			return &breakGlassOut{g}, err
		})
	register(d, call{id: "review-breakglass", method: http.MethodPost, path: "/v1/breakglass/{id}/review", kinds: people, body: strict,
		summary: "Look back at one use; not by who asked for it"},
		func(ctx context.Context, by writ.Principal, in *reviewIn) (*breakGlassOut, error) {
			id, err := writ.ParseBreakGlassID(in.ID)
			if err != nil {
				return nil, err
			}
			g, err := d.BreakGlass.ReviewBreakGlass(ctx, by, id, in.Body.Verdict, in.Body.Note)
			return &breakGlassOut{g}, err
		})
}
