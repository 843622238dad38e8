package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

type plansIn struct {
	State    string `query:"state" enum:"planning,refused,denied,waiting,ready,granted,rejected,expired,withdrawn,stale,done,observed"`
	Incident string `query:"incident"`
	Limit    int    `query:"limit" minimum:"1" maximum:"200"`
	Cursor   string `query:"cursor" maxLength:"512"`
}

type plansOut struct{ Body Page[writ.PlanStatus] }

type planIn struct {
	ID     string `path:"id"`
	Prefer string `header:"Prefer" maxLength:"200" doc:"wait=20 waits up to 20 s for the state to move on"`
}

type planOut struct {
	ETag    string `header:"ETag" doc:"the plan digest, once there is one; what If-Match of an approval names"`
	Applied string `header:"Preference-Applied"`
	Body    writ.PlanStatus
}

type becauseIn struct {
	ID   string `path:"id"`
	Body struct {
		Because string `json:"because,omitempty" maxLength:"4096"`
	} `nameHint:"Because"`
}

func (d *door) registerPlans() {
	register(d, call{id: "list-plans", method: http.MethodGet, path: "/v1/plans", kinds: askers, summary: "Plans, newest first"},
		func(ctx context.Context, by writ.Principal, in *plansIn) (*plansOut, error) {
			f := writ.PlanFilter{State: writ.PlanState(in.State), Limit: orDefault(in.Limit), Cursor: in.Cursor}
			if err := optional(&f.Incident, in.Incident, writ.ParseIncidentID); err != nil {
				return nil, err
			}
			items, next, err := d.Proposals.Plans(ctx, by, f)
			return &plansOut{pageOf(items, next)}, err
		})
	register(d, call{id: "get-plan", method: http.MethodGet, path: "/v1/plans/{id}", kinds: askers, summary: "One plan"},
		func(ctx context.Context, by writ.Principal, in *planIn) (*planOut, error) {
			id, err := writ.ParsePlanID(in.ID)
			if err != nil {
				return nil, err
			}
			span := wait(in.Prefer)
			p, err := d.Proposals.Plan(ctx, by, id, span)
			return &planOut{etag(p.Digest), applied(span), p}, err
		})
	register(d, call{id: "withdraw", method: http.MethodPost, path: "/v1/plans/{id}/withdrawal", kinds: askers, body: strict,
		summary: "Take one's own plan back"},
		func(ctx context.Context, by writ.Principal, in *becauseIn) (*planOut, error) {
			id, err := writ.ParsePlanID(in.ID)
			if err != nil {
				return nil, err
			}
			p, err := d.Proposals.Withdraw(ctx, by, id, in.Body.Because)
			return &planOut{ETag: etag(p.Digest), Body: p}, err
		})
}

// optional parses s into to, unless it is empty.
func optional[T any](to *T, s string, parse func(string) (T, error)) error {
	if s == "" {
		return nil
	}
	v, err := parse(s)
	if err == nil {
		*to = v
	}
	return err
}
