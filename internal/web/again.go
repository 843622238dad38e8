package web

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// Anew reports whether a plan can be asked for anew: nothing will come of this one, and it was no undo, which the
// incident's page asks for.
func (v planView) Anew() bool {
	return (v.Moved || v.State == writ.PlanExpired) && (v.Plan == nil || v.Plan.Reverts == "") && v.Emergency == nil
}

// askAgain asks for the same as a plan that came to nothing. The runner resolves it against the world as it is now, and
// policy decides it like any other.
func (d *door) askAgain(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	id, err := writ.ParsePlanID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	p, err := d.Plans.Plan(ctx, by, id, 0)
	if err != nil {
		return "", err
	}
	if v := d.planView(by, p); !v.Anew() {
		return "", &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrConflict, Detail: "only a plan whose world moved, or whose time is over, is asked for anew", Hint: "writ plan new asks for any other"}
	}
	ask := writ.Ask{Incident: p.Incident, Playbook: p.Playbook.Name, Parameters: p.Parameters, Because: because}
	for _, e := range p.Evidence {
		ask.Evidence = append(ask.Evidence, e.ID)
	}
	next, err := d.Plans.Propose(ctx, by, ask)
	return "/plans/" + string(next.ID), err
}

// readAgain has the same read once more, and goes on to the two side by side.
func (d *door) readAgain(ctx context.Context, by writ.Principal, r *http.Request, _ form) (string, error) {
	id, err := writ.ParseEvidenceID(r.PathValue("id"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	was, _, err := d.Readings.Evidence(ctx, by, id)
	if err != nil {
		return "", err
	}
	is, _, err := d.Readings.Observe(ctx, by, was.Incident, was.Query.Reader, was.Query.Target, was.Query.With)
	return "/evidence/" + string(is.ID) + "?against=" + string(id), err
}
