package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"

	"github.com/writ-dev/writ"
)

// UpstreamTools are the tools of upstreams that the configuration allows, as they were last seen.
func (c *Client) UpstreamTools(ctx context.Context) iter.Seq2[writ.UpstreamTool, error] {
	return pages[writ.UpstreamTool](ctx, c, "/v1/upstreams", nil)
}

// VerifyUpstream asks an upstream what it offers now. What is not what was approved is off afterwards.
func (c *Client) VerifyUpstream(ctx context.Context, upstream string) ([]writ.UpstreamTool, error) {
	var out struct {
		Items []writ.UpstreamTool `json:"items"`
	}
	err := c.do(ctx, call{method: http.MethodPost, path: "/v1/upstreams/" + url.PathEscape(upstream) + "/verify"}, &out)
	return out.Items, err
}

// Pin approves one definition of one tool as a reading.
func (c *Client) Pin(ctx context.Context, ask writ.PinAsk) (writ.UpstreamTool, error) {
	var t writ.UpstreamTool
	return t, c.do(ctx, call{method: http.MethodPost, path: "/v1/upstreams/pin", body: ask}, &t)
}

// Unpin turns a tool off until it is approved again.
func (c *Client) Unpin(ctx context.Context, name writ.UpstreamToolName, reason string) (writ.UpstreamTool, error) {
	var t writ.UpstreamTool
	return t, c.do(ctx, call{method: http.MethodPost, path: "/v1/upstreams/unpin", body: struct {
		Name   writ.UpstreamToolName `json:"name"`
		Reason string                `json:"reason"`
	}{name, reason}}, &t)
}
