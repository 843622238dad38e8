package client

import (
	"context"
	"iter"
	"net/http"
	"time"

	"github.com/writ-dev/writ"
)

// Recall takes one's own approval of a plan back, until its run has begun.
func (c *Client) Recall(ctx context.Context, id writ.PlanID) (writ.PlanStatus, error) {
	var p writ.PlanStatus
	return p, c.do(ctx, call{method: http.MethodPost, path: "/v1/plans/" + string(id) + "/recall"}, &p)
}

// OnCalls says for each group who is on call, and how that is known.
func (c *Client) OnCalls(ctx context.Context) iter.Seq2[writ.OnCallGroup, error] {
	return pages[writ.OnCallGroup](ctx, c, "/v1/on-call", nil)
}

// Delegate hands one's own turn to another member of the group, until a time.
func (c *Client) Delegate(ctx context.Context, ask writ.DelegationAsk) (writ.Delegation, error) {
	var d writ.Delegation
	return d, c.do(ctx, call{method: http.MethodPost, path: "/v1/on-call/delegations", creates: true, body: struct {
		Group string    `json:"group"`
		Iss   string    `json:"iss"`
		Sub   string    `json:"sub"`
		Until time.Time `json:"until"`
	}{ask.Group, ask.To.Iss, ask.To.Sub, ask.Until}}, &d)
}

// EndDelegation gives a turn back before its time.
func (c *Client) EndDelegation(ctx context.Context, id writ.DelegationID) (writ.Delegation, error) {
	var d writ.Delegation
	return d, c.do(ctx, call{method: http.MethodPost, path: "/v1/on-call/delegations/" + string(id) + "/return"}, &d)
}
