package api

import (
	"context"
	"net/http"

	"github.com/writ-dev/writ"
)

// Upstreams are the tools of other MCP servers that the configuration allows, and what people have approved of them.
type Upstreams interface {
	UpstreamTools(ctx context.Context, by writ.Principal) ([]writ.UpstreamTool, error)
	VerifyUpstream(ctx context.Context, by writ.Principal, upstream string) ([]writ.UpstreamTool, error)
	Pin(ctx context.Context, by writ.Principal, ask writ.PinAsk) (writ.UpstreamTool, error)
	Unpin(ctx context.Context, by writ.Principal, name writ.UpstreamToolName, reason string) (writ.UpstreamTool, error)
}

type upstreamToolsOut struct{ Body Page[writ.UpstreamTool] }

type upstreamToolOut struct{ Body writ.UpstreamTool }

type upstreamIn struct {
	Upstream string `path:"upstream" maxLength:"24"`
}

type pinIn struct {
	Body struct {
		Name     string `json:"name" maxLength:"64" doc:"<upstream>__<tool>"`
		Digest   string `json:"digest" maxLength:"80" doc:"of the definition that you looked at"`
		Read     bool   `json:"read" doc:"you say that the tool only reads"`
		Declared bool   `json:"declared,omitempty" doc:"you vouch for that although its name or annotations say otherwise"`
		Reason   string `json:"reason" minLength:"1" maxLength:"4096"`
	} `nameHint:"PinRequest"`
}

type unpinIn struct {
	Body struct {
		Name   string `json:"name" maxLength:"64" doc:"<upstream>__<tool>"`
		Reason string `json:"reason" minLength:"1" maxLength:"4096"`
	} `nameHint:"UnpinRequest"`
}

func (d *door) registerUpstreams() {
	register(d, call{id: "list-upstream-tools", method: http.MethodGet, path: "/v1/upstreams", kinds: people, summary: "Tools of upstreams that the configuration allows, and what is approved of them"},
		func(ctx context.Context, by writ.Principal, _ *struct{}) (*upstreamToolsOut, error) {
			items, err := d.Upstreams.UpstreamTools(ctx, by)
			return &upstreamToolsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "verify-upstream", method: http.MethodPost, path: "/v1/upstreams/{upstream}/verify", kinds: people,
		summary: "Ask an upstream what it offers now; what is not what was approved is turned off"},
		func(ctx context.Context, by writ.Principal, in *upstreamIn) (*upstreamToolsOut, error) {
			items, err := d.Upstreams.VerifyUpstream(ctx, by, in.Upstream)
			return &upstreamToolsOut{pageOf(items, "")}, err
		})
	register(d, call{id: "pin-upstream-tool", method: http.MethodPost, path: "/v1/upstreams/pin", kinds: people, body: strict,
		summary: "Approve one definition of one tool as a reading; people of the upstream's team alone may"},
		func(ctx context.Context, by writ.Principal, in *pinIn) (*upstreamToolOut, error) {
			ask := writ.PinAsk{Read: in.Body.Read, Declared: in.Body.Declared, Reason: in.Body.Reason}
			var err error
			if ask.Name, err = toolNamed(in.Body.Name); err != nil {
				return nil, err
			}
			if ask.Digest, err = writ.ParseDigest(in.Body.Digest); err != nil || ask.Digest.IsZero() {
				return nil, &writ.Refusal{
					Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "digest: it must be sha256: and 64 hexadecimal digits in lower case, as the tool is offered with",
					Hint: "writ upstream show " + ask.Name.String() + " tells it",
				}
			}
			t, err := d.Upstreams.Pin(ctx, by, ask)
			return &upstreamToolOut{t}, err
		})
	register(d, call{id: "unpin-upstream-tool", method: http.MethodPost, path: "/v1/upstreams/unpin", kinds: people, body: strict,
		summary: "Turn a tool off until it is approved again"},
		func(ctx context.Context, by writ.Principal, in *unpinIn) (*upstreamToolOut, error) {
			name, err := toolNamed(in.Body.Name)
			if err != nil {
				return nil, err
			}
			t, err := d.Upstreams.Unpin(ctx, by, name, in.Body.Reason)
			return &upstreamToolOut{t}, err
		})
}

// toolNamed reads the member name of a body.
func toolNamed(s string) (writ.UpstreamToolName, error) {
	name, err := writ.ParseUpstreamToolName(s)
	if err != nil {
		err = &writ.Refusal{
			Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: "name: it must be <upstream>__<tool>, such as grafana__query_prometheus: lower-case letters, digits, _ and -, at most 64 characters",
			Hint: "writ upstream list shows those that there are",
		}
	}
	return name, err
}
