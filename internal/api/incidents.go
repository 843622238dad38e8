package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type incidentsIn struct {
	State   string `query:"state" enum:"open,resolved"`
	Service string `query:"service" maxLength:"253"`
	Limit   int    `query:"limit" minimum:"1" maximum:"200"`
	Cursor  string `query:"cursor" maxLength:"512"`
}

type incidentsOut struct{ Body Page[writ.Incident] }

type incidentIn struct {
	ID string `path:"id"`
}

type incidentOut struct{ Body writ.IncidentStatus }

type undoIn struct {
	ID   string `path:"id"`
	Body struct {
		Run     string `json:"run,omitempty" maxLength:"40" doc:"the oldest run to be put back; all without it"`
		Because string `json:"because,omitempty" maxLength:"4096"`
	} `nameHint:"UndoRequest"`
}

type undoOut struct{ Body writ.Undo }

func (d *door) registerIncidents() {
	register(d, call{id: "list-incidents", method: http.MethodGet, path: "/v1/incidents", kinds: askers, summary: "Incidents, newest first"},
		func(ctx context.Context, by writ.Principal, in *incidentsIn) (*incidentsOut, error) {
			if in.Service != "" && !writ.IsName(in.Service) {
				return nil, notName("service")
			}
			f := writ.IncidentFilter{State: writ.IncidentState(in.State), Service: in.Service, Limit: orDefault(in.Limit), Cursor: in.Cursor}
			items, next, err := d.Incidents.Incidents(ctx, by, f)
			return &incidentsOut{pageOf(items, next)}, err
		})
	register(d, call{id: "get-incident", method: http.MethodGet, path: "/v1/incidents/{id}", kinds: askers,
		summary: "One incident with evidence, plans and timeline"},
		func(ctx context.Context, by writ.Principal, in *incidentIn) (*incidentOut, error) {
			id, err := writ.ParseIncidentID(in.ID)
			if err != nil {
				return nil, err
			}
			i, err := d.Incidents.Incident(ctx, by, id)
			return &incidentOut{i}, err
		})
	register(d, call{id: "undo", method: http.MethodPost, path: "/v1/incidents/{id}/undo", kinds: people, body: strict,
		summary: "Put the incident's runs back, newest first, each by a plan of its own; the answer lists them"},
		func(ctx context.Context, by writ.Principal, in *undoIn) (*undoOut, error) {
			id, err := writ.ParseIncidentID(in.ID)
			if err != nil {
				return nil, err
			}
			ask := writ.UndoAsk{Because: in.Body.Because}
			if err := optional(&ask.Run, in.Body.Run, writ.ParseRunID); err != nil {
				return nil, err
			}
			u, err := d.Incidents.Undo(ctx, by, id, ask)
			return &undoOut{u}, err
		})
}
