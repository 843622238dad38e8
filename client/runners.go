package client

import (
	"context"
	"iter"
	"net/http"

	"github.com/writ-dev/writ"
)

// RunnerKeys are the keys and open invitations of runners, past keys too.
func (c *Client) RunnerKeys(ctx context.Context) iter.Seq2[writ.RunnerKey, error] {
	return pages[writ.RunnerKey](ctx, c, "/v1/runners", nil)
}

// InviteRunner makes a code with which the runner of that name or id can enrol once. The code is a secret.
func (c *Client) InviteRunner(ctx context.Context, name string) (writ.RunnerInvitation, error) {
	var inv writ.RunnerInvitation
	return inv, c.do(ctx, call{method: http.MethodPost, path: "/v1/runners/invite", body: struct {
		Runner string `json:"runner"`
	}{name}}, &inv)
}

// RemoveRunner takes a runner's keys away, or the one of that fingerprint, at once and for all replicas.
func (c *Client) RemoveRunner(ctx context.Context, name, key, reason string) ([]writ.RunnerKey, error) {
	var out struct {
		Items []writ.RunnerKey `json:"items"`
	}
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/runners/remove", body: struct {
		Runner string `json:"runner"`
		Key    string `json:"key,omitempty"`
		Reason string `json:"reason"`
	}{name, key, reason}}, &out)
	return out.Items, err
}
