package client

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// Access is what policy would say, as advice: it grants nothing.
type Access struct {
	Allowed bool
	Reason  writ.Reason
	Because []string       // sentences for people
	Needs   map[string]int // group -> approvals that would turn it into an allow
}

// Access asks what policy would say to a question, over AuthZEN.
func (c *Client) Access(ctx context.Context, q writ.AccessQuestion) (Access, error) {
	kind := "agent"
	if q.Subject.Kind == writ.KindHuman {
		kind = "person"
	}
	about := map[string]string{}
	for name, v := range map[string]string{"incident": string(q.Incident), "plan": string(q.Plan), "playbook": q.Playbook} {
		if v != "" {
			about[name] = v
		}
	}
	var got struct {
		Decision bool `json:"decision"`
		Context  struct {
			Reason  writ.Reason `json:"reason"`
			Because []string    `json:"reason_user"`
			Request struct {
				Approvals map[string]int `json:"approvals"`
			} `json:"access_request"`
		} `json:"context"`
	}
	err := c.do(ctx, call{method: http.MethodPost, path: "/access/v1/evaluation", body: map[string]any{
		"subject":  map[string]string{"type": kind, "id": q.Subject.Iss + "|" + q.Subject.Sub},
		"action":   map[string]string{"name": q.Action},
		"resource": map[string]string{"type": "service", "id": q.Service},
		"context":  about,
	}}, &got)
	return Access{Allowed: got.Decision, Reason: got.Context.Reason, Because: got.Context.Because, Needs: got.Context.Request.Approvals}, err
}
