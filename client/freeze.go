package client

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// Freeze stops everything in a scope, in flight too. value names what; it is empty for writ.FreezeAll.
func (c *Client) Freeze(ctx context.Context, scope writ.FreezeScope, value, reason string) (writ.Freeze, error) {
	var f writ.Freeze
	return f, c.do(ctx, call{method: http.MethodPost, path: "/v1/freezes", creates: true, body: struct {
		Scope  writ.FreezeScope `json:"scope"`
		Value  string           `json:"value,omitempty"`
		Reason string           `json:"reason"`
	}{scope, value, reason}}, &f)
}

// Unfreeze lifts a freeze.
func (c *Client) Unfreeze(ctx context.Context, id writ.FreezeID, reason string) error {
	return c.do(ctx, call{method: http.MethodPost, path: "/v1/freezes/" + string(id) + "/lift", body: struct {
		Reason string `json:"reason"`
	}{reason}}, &writ.Freeze{})
}

// Status is the control plane at a glance.
func (c *Client) Status(ctx context.Context) (writ.Status, error) {
	var s writ.Status
	return s, c.do(ctx, call{method: http.MethodGet, path: "/v1/status"}, &s)
}
