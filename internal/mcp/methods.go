package mcp

import (
	"context"
	"fmt"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// methods are all that the door answers. The SDK would answer for prompts, resources and logging too, with empty lists of what
// the door does not declare.
var methods = map[string]struct{}{
	"initialize": {}, "ping": {}, "server/discover": {}, "subscriptions/listen": {}, "tools/list": {}, "tools/call": {},
	"tasks/get": {}, "tasks/update": {}, "tasks/cancel": {},
}

// onlyMethods refuses every other call. Notifications pass: those that mean nothing here have no answer.
func onlyMethods(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		if _, ok := methods[method]; !ok && !strings.HasPrefix(method, "notifications/") {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: fmt.Sprintf("this server has tools alone, and no method %q", method)}
		}
		return next(ctx, method, r)
	}
}
