package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/writ-dev/writ"
)

// HandOff passes an incident on to another agent; only agents may.
func (c *Client) HandOff(ctx context.Context, ask writ.HandOffAsk) (writ.HandOffStatus, error) {
	var h writ.HandOffStatus
	return h, c.do(ctx, call{method: http.MethodPost, path: "/v1/hand-offs", creates: true, body: ask}, &h)
}

// HandOffs are those of an incident, in order; of all incidents when it is empty.
func (c *Client) HandOffs(ctx context.Context, incident writ.IncidentID) iter.Seq2[writ.HandOffStatus, error] {
	return pages[writ.HandOffStatus](ctx, c, "/v1/hand-offs", values("incident", string(incident)))
}

// HandedOff returns one hand-off.
func (c *Client) HandedOff(ctx context.Context, id writ.HandOffID) (writ.HandOffStatus, error) {
	var h writ.HandOffStatus
	return h, c.do(ctx, call{method: http.MethodGet, path: "/v1/hand-offs/" + string(id)}, &h)
}

// RevokeHandOff takes a hand-off back, with what was passed on from it.
func (c *Client) RevokeHandOff(ctx context.Context, id writ.HandOffID) (writ.HandOffStatus, error) {
	var h writ.HandOffStatus
	return h, c.do(ctx, call{method: http.MethodPost, path: "/v1/hand-offs/" + string(id) + "/revoke"}, &h)
}
