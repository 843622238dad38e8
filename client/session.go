package client

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// RevokeSession ends one of the caller's own logins, at once and for all replicas.
func (c *Client) RevokeSession(ctx context.Context, id writ.SessionID) (writ.Session, error) {
	var s writ.Session
	return s, c.do(ctx, call{method: http.MethodPost, path: "/v1/sessions/" + string(id) + "/revoke"}, &s)
}
