package web_test

import (
	"context"
	"encoding/json"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway"
)

func (f *fake) UpstreamTools(context.Context, writ.Principal) ([]writ.UpstreamTool, error) {
	return f.tools, f.Err
}

// usualTools are tools in all their states.
func usualTools() []writ.UpstreamTool {
	name := func(upstream, tool string) writ.UpstreamToolName {
		return writ.UpstreamToolName{Upstream: upstream, Tool: tool}
	}
	definition := func(upstream, tool, description string) json.RawMessage {
		d := gateway.Definition{V: 1, Upstream: upstream, Name: tool, Description: description, InputSchema: json.RawMessage(`{"properties":{"limit":{"type":"integer"},"namespace":{"type":"string"}},"type":"object"}`)}
		return d.Canonical()
	}
	return []writ.UpstreamTool{
		{Name: name("kube", "list_pods"), State: writ.ToolOn, Team: "platform", Pinned: digest.String(), By: other, Since: &at, Definition: definition("kube", "list_pods", "List the pods of a namespace.")},
		{Name: name("kube", "top_pods"), State: writ.ToolOff, Team: "platform", Reason: writ.ReasonToolChanged, Detail: "the upstream stopped offering it", Pinned: digest.String(), By: other, Since: &at, Declared: true, Definition: definition("kube", "top_pods", "What pods use.")},
		{Name: name("grafana", "query_prometheus"), State: writ.ToolUnpinned, Team: "checkout"},
	}
}
