package web

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// An agentsView is who can ask.
type agentsView struct{ Items []writ.Agent }

func (d *door) agents(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	all, err := d.Agents.Agents(ctx, by)
	return view{title: "Agents", data: agentsView{all}}, err
}

// setAgent stops an agent, or lets it go on. What it has ends in the same transaction.
func (d *door) setAgent(to writ.AgentState) doer {
	return func(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
		name := r.PathValue("name")
		if !writ.IsName(name) {
			return "", writ.ErrNotFound
		}
		because, err := f.reason()
		if err != nil {
			return "", err
		}
		_, err = d.Agents.SetAgent(ctx, by, name, to, because)
		return "/agents", err
	}
}
