package mcp

import (
	"context"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
)

// Denials records that a call was refused at the door, before any use case had seen it.
type Denials interface {
	Denied(ctx context.Context, what string, by writ.Principal, code writ.Reason, plan writ.PlanID)
}

// recording records calls of tools that are not there: an agent that asks for one may have been talked into it.
func (d door) recording(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		out, err := next(ctx, method, r)
		if c, ok := r.(*mcp.CallToolRequest); ok && method == methodCall && err != nil {
			d.Denials.Denied(ctx, "tool", caller(c), writ.ReasonNotFound, "")
		}
		return out, err
	}
}
