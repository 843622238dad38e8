package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type runsIn struct {
	State    string `query:"state" enum:"granted,running,succeeded,undone,failed,refused,uncertain,expired"`
	Incident string `query:"incident"`
	Plan     string `query:"plan"`
	Limit    int    `query:"limit" minimum:"1" maximum:"200"`
	Cursor   string `query:"cursor" maxLength:"512"`
}

type runsOut struct{ Body Page[writ.RunStatus] }

type runIn struct {
	ID     string `path:"id"`
	Prefer string `header:"Prefer" maxLength:"200" doc:"wait=20 waits up to 20 s for the state to move on"`
}

type runOut struct {
	Applied string `header:"Preference-Applied"`
	Body    writ.RunStatus
}

type settlementIn struct {
	ID   string `path:"id"`
	Body struct {
		Step   int    `json:"step" minimum:"1" maximum:"20" doc:"number of the step, from 1"`
		As     string `json:"as" enum:"applied,not_applied" doc:"applied: what the step was to change stands"`
		Reason string `json:"reason" minLength:"1" maxLength:"4096" doc:"what you saw; stays off the ledger"`
	} `nameHint:"SettlementRequest"`
}

func (d *door) registerRuns() {
	register(d, call{id: "list-runs", method: http.MethodGet, path: "/v1/runs", kinds: askers, summary: "Runs, newest first"},
		func(ctx context.Context, by writ.Principal, in *runsIn) (*runsOut, error) {
			f := writ.RunFilter{State: writ.RunState(in.State), Limit: orDefault(in.Limit), Cursor: in.Cursor}
			if err := optional(&f.Incident, in.Incident, writ.ParseIncidentID); err != nil {
				return nil, err
			}
			if err := optional(&f.Plan, in.Plan, writ.ParsePlanID); err != nil {
				return nil, err
			}
			items, next, err := d.Runs.Runs(ctx, by, f)
			return &runsOut{pageOf(items, next)}, err
		})
	register(d, call{id: "get-run", method: http.MethodGet, path: "/v1/runs/{id}", kinds: askers, summary: "One run with its story"},
		func(ctx context.Context, by writ.Principal, in *runIn) (*runOut, error) {
			id, err := writ.ParseRunID(in.ID)
			if err != nil {
				return nil, err
			}
			span := wait(in.Prefer)
			r, err := d.Runs.Run(ctx, by, id, span)
			return &runOut{applied(span), r}, err
		})
	register(d, call{id: "stop", method: http.MethodPost, path: "/v1/runs/{id}/stop", kinds: people, body: strict,
		summary: "Stop a run at the next step boundary"},
		func(ctx context.Context, by writ.Principal, in *becauseIn) (*runOut, error) {
			id, err := writ.ParseRunID(in.ID)
			if err != nil {
				return nil, err
			}
			r, err := d.Runs.Stop(ctx, by, id, in.Body.Because)
			return &runOut{Body: r}, err
		})
	register(d, call{id: "settle", method: http.MethodPost, path: "/v1/runs/{id}/settlement", kinds: people, body: strict,
		summary: "Say what a step of an uncertain run did; 409 when it is not in doubt or was settled before"},
		func(ctx context.Context, by writ.Principal, in *settlementIn) (*runOut, error) {
			id, err := writ.ParseRunID(in.ID)
			if err != nil {
				return nil, err
			}
			var as writ.Effect
			if err := as.UnmarshalText([]byte(in.Body.As)); err != nil {
				return nil, err
			}
			r, err := d.Runs.Settle(ctx, by, id, in.Body.Step, as, in.Body.Reason)
			return &runOut{Body: r}, err
		})
}
