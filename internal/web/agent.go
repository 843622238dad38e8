package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/writ-dev/writ"
)

// An agentsView is who can ask.
type agentsView struct{ Items []agentView }

// An agentView is one agent with its record; none when nothing became of it yet.
type agentView struct {
	writ.Agent
	Record   *writ.AgentRecord
	DecideAt string // where a passkey gives it T1 back; empty where none can
}

func (d *door) agents(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	all, err := d.Agents.Agents(ctx, by)
	if err != nil {
		return view{}, err
	}
	records, err := d.Autonomy.AgentRecords(ctx, by, "")
	var out []agentView
	for _, a := range all {
		v := agentView{Agent: a, DecideAt: d.decideAt("/agent/" + a.Name)}
		if i := slices.IndexFunc(records, func(r writ.AgentRecord) bool {
			return r.Agent == a.Principal() && (r.Runs+r.Denied+r.Rejected+r.Proposals+len(r.Denials) > 0 || r.LastSeen != nil)
		}); i >= 0 {
			v.Record = &records[i]
		}
		out = append(out, v)
	}
	return view{title: "Agents", data: agentsView{out}}, err
}

// topDenials is how many reasons a card names; writ agent record has all.
const topDenials = 5

// Top are the reasons that were given most often.
func (v agentView) Top() []writ.DenialCount { return v.Record.TopDenials(topDenials) }

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
