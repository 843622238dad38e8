package client

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// TestNotice has the server send the caller a notice that is marked as a test, by one channel. What becomes of it stands in
// Status, at the channel, and in the ledger.
func (c *Client) TestNotice(ctx context.Context, channel string) (writ.NoticeTrial, error) {
	var t writ.NoticeTrial
	return t, c.do(ctx, call{method: http.MethodPost, path: "/v1/notices/test", creates: true, body: struct {
		Channel string `json:"channel"`
	}{channel}}, &t)
}
