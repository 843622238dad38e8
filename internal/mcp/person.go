package mcp

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// pagesKey is in the context of a call whose client can bring its person to a page.
type pagesKey struct{}

// withPerson notes that this very request declares that its client opens URLs for a person (elicitation in mode url), and is not
// the same call again after it did.
func withPerson(ctx context.Context, r *mcp.CallToolRequest) context.Context {
	capabilities, _ := r.Params.GetMeta()[mcp.MetaKeyClientCapabilities].(map[string]any)
	elicitation, _ := capabilities["elicitation"].(map[string]any)
	if _, ok := elicitation["url"].(map[string]any); !ok || len(r.Params.InputResponses) > 0 {
		return ctx
	}
	return context.WithValue(ctx, pagesKey{}, true)
}

// emergency is the answer to an agent that proposes a playbook which people alone ask for: the client may bring its person to the incident's
// page. The address holds no secret, and the page finds out who opens it. What the client answers is never an approval: the same call
// again is refused like any other. It returns nil when err is another refusal, or the client cannot.
func (d door) emergency(ctx context.Context, err error, incident writ.IncidentID) *mcp.CallToolResult {
	if can, _ := ctx.Value(pagesKey{}).(bool); !can || d.PageURL == "" || writ.ReasonOf(err) != writ.ReasonBreakGlass {
		return nil
	}
	return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{"page": &mcp.ElicitParams{
		Mode: "url", URL: d.PageURL + "/incidents/" + string(incident), ElicitationID: string(incident),
		Message: "This playbook is for emergencies, and people alone ask for it, with a passkey or security key. The page of the incident leads there.",
	}}}
}
