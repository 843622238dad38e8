package api_test

import (
	"context"
	"encoding/json"

	"github.com/writ-dev/writ"
)

func (f *fake) UpstreamTools(context.Context, writ.Principal) ([]writ.UpstreamTool, error) {
	return []writ.UpstreamTool{upstreamTool()}, nil
}

func (f *fake) VerifyUpstream(context.Context, writ.Principal, string) ([]writ.UpstreamTool, error) {
	return []writ.UpstreamTool{upstreamTool()}, nil
}

func (f *fake) Pin(context.Context, writ.Principal, writ.PinAsk) (writ.UpstreamTool, error) {
	return upstreamTool(), nil
}

func (f *fake) Unpin(context.Context, writ.Principal, writ.UpstreamToolName, string) (writ.UpstreamTool, error) {
	return upstreamTool(), nil
}

func upstreamTool() writ.UpstreamTool {
	return writ.UpstreamTool{Name: writ.UpstreamToolName{Upstream: "kube", Tool: "list_pods"}, State: writ.ToolOn, Definition: json.RawMessage(`{}`), Team: "ops"}
}
