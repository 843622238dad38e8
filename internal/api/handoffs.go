package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type handOffIn struct {
	Body struct {
		Incident  string    `json:"incident" maxLength:"40"`
		To        string    `json:"to" minLength:"1" maxLength:"253" doc:"the recipient's registered name"`
		Parent    string    `json:"parent,omitempty" maxLength:"40" doc:"the hand-off by which the caller got the incident"`
		Playbooks []string  `json:"playbooks" minItems:"1" maxItems:"16" doc:"exact names that may be asked for under it"`
		MaxTier   writ.Tier `json:"max_tier" doc:"of plans under it, T1 to T4"`
		Evidence  []string  `json:"evidence,omitempty" maxItems:"64"`
		Because   string    `json:"because,omitempty" maxLength:"4096" doc:"the caller's words; shown as unverified"`
		Seconds   int       `json:"seconds,omitempty" minimum:"0" maximum:"900" doc:"how long it can be taken up; the longest when left out"`
	} `nameHint:"HandOffRequest"`
}

type handOffOut struct{ Body writ.HandOffStatus }

type handOffsIn struct {
	Incident string `query:"incident" maxLength:"40"`
}

type handOffsOut struct{ Body Page[writ.HandOffStatus] }

type handOffIDIn struct {
	ID string `path:"id"`
}

func (d *door) registerHandOffs() {
	register(d, call{id: "hand-off", method: http.MethodPost, path: "/v1/hand-offs", kinds: askers, creates: true, body: strict,
		status: http.StatusCreated, summary: "Pass an incident on to another agent: context, never power"},
		func(ctx context.Context, by writ.Principal, in *handOffIn) (*handOffOut, error) {
			b := in.Body
			ask := writ.HandOffAsk{To: b.To, Playbooks: b.Playbooks, MaxTier: b.MaxTier, Because: b.Because, Seconds: b.Seconds}
			var err error
			if ask.Incident, err = writ.ParseIncidentID(b.Incident); err != nil {
				return nil, err
			}
			if err := optional(&ask.Parent, b.Parent, writ.ParseHandOffID); err != nil {
				return nil, err
			}
			for _, s := range b.Evidence {
				id, err := writ.ParseEvidenceID(s)
				if err != nil {
					return nil, err
				}
				ask.Evidence = append(ask.Evidence, id)
			}
			h, err := d.HandOffs.HandOff(ctx, by, ask)
			return &handOffOut{h}, err
		})
	register(d, call{id: "list-hand-offs", method: http.MethodGet, path: "/v1/hand-offs", kinds: askers, summary: "Hand-offs in order: all for people, an agent's own for it"},
		func(ctx context.Context, by writ.Principal, in *handOffsIn) (*handOffsOut, error) {
			var incident writ.IncidentID
			if err := optional(&incident, in.Incident, writ.ParseIncidentID); err != nil {
				return nil, err
			}
			items, err := d.HandOffs.HandOffs(ctx, by, incident)
			return &handOffsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "get-hand-off", method: http.MethodGet, path: "/v1/hand-offs/{id}", kinds: askers, summary: "One hand-off with its lineage"},
		func(ctx context.Context, by writ.Principal, in *handOffIDIn) (*handOffOut, error) {
			id, err := writ.ParseHandOffID(in.ID)
			if err != nil {
				return nil, err
			}
			h, err := d.HandOffs.HandedOff(ctx, by, id)
			return &handOffOut{h}, err
		})
	register(d, call{id: "revoke-hand-off", method: http.MethodPost, path: "/v1/hand-offs/{id}/revoke", kinds: askers,
		summary: "Take a hand-off back, with what was passed on from it: open plans end and runs stop"},
		func(ctx context.Context, by writ.Principal, in *handOffIDIn) (*handOffOut, error) {
			id, err := writ.ParseHandOffID(in.ID)
			if err != nil {
				return nil, err
			}
			h, err := d.HandOffs.RevokeHandOff(ctx, by, id)
			return &handOffOut{h}, err
		})
}
