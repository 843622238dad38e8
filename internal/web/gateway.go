package web

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway"
)

// Upstreams are the tools of other MCP servers, as they were last seen. Approving one takes a look at what it offers, and is a
// command: writ upstream show, and then pin.
type Upstreams interface {
	UpstreamTools(ctx context.Context, by writ.Principal) ([]writ.UpstreamTool, error)
	Unpin(ctx context.Context, by writ.Principal, name writ.UpstreamToolName, reason string) (writ.UpstreamTool, error)
}

const (
	// maxTools bounds the tools of one page, which must stay light; the command lists them all.
	maxTools = 40
	// maxArguments bounds the names of arguments that stand with a tool.
	maxArguments = 12
)

// A gatewayView is what agents may read through other servers.
type gatewayView struct {
	Upstreams []upstreamView
	More      int // tools beyond those shown
}

// An upstreamView is one upstream with its tools.
type upstreamView struct {
	writ.UpstreamGlance
	Tools []toolView
}

// A toolView is one tool, with what was approved of it in words.
type toolView struct {
	writ.UpstreamTool
	Description string
	Arguments   []string
	Unread      bool // what was approved cannot be shown in words
}

// gateway shows what needs somebody first: tools that are off, then those that nobody approved.
func (d *door) gateway(ctx context.Context, by writ.Principal, _ *http.Request) (view, error) {
	tools, err := d.Upstreams.UpstreamTools(ctx, by)
	if err != nil {
		return view{}, err
	}
	v := gatewayView{}
	for _, g := range writ.GlanceUpstreams(tools) {
		v.Upstreams = append(v.Upstreams, upstreamView{UpstreamGlance: g})
	}
	rank := map[writ.ToolState]int{writ.ToolOff: 0, writ.ToolUnpinned: 1, writ.ToolOn: 2}
	tools = slices.Clone(tools)
	slices.SortStableFunc(tools, func(a, b writ.UpstreamTool) int { return rank[a.State] - rank[b.State] })
	v.More = max(0, len(tools)-maxTools)
	for _, t := range tools[:min(len(tools), maxTools)] {
		i := slices.IndexFunc(v.Upstreams, func(u upstreamView) bool { return u.Name == t.Name.Upstream })
		v.Upstreams[i].Tools = append(v.Upstreams[i].Tools, inWords(t))
	}
	return view{title: "Gateway", data: v}, nil
}

// inWords takes description and names of arguments out of what was approved.
func inWords(t writ.UpstreamTool) toolView {
	v := toolView{UpstreamTool: t}
	if len(t.Definition) == 0 {
		return v
	}
	d, err := gateway.ParseDefinition(t.Definition)
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err != nil || json.Unmarshal(d.InputSchema, &schema) != nil {
		v.Unread = true
		return v
	}
	v.Description, v.Arguments = d.Description, slices.Sorted(maps.Keys(schema.Properties))
	v.Arguments = v.Arguments[:min(len(v.Arguments), maxArguments)]
	return v
}

// unpin turns a tool off. Any person may, as with a freeze.
func (d *door) unpin(ctx context.Context, by writ.Principal, r *http.Request, f form) (string, error) {
	name, err := writ.ParseUpstreamToolName(r.PathValue("tool"))
	if err != nil {
		return "", writ.ErrNotFound
	}
	because, err := f.reason()
	if err != nil {
		return "", err
	}
	_, err = d.Upstreams.Unpin(ctx, by, name, because)
	return "/gateway", err
}
