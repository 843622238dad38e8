package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	wire "github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ/internal/jsonrpc"
)

// headerName repeats in the head of a request what its body names, for proxies that route by it (SEP-2243; SEP-2663 extends
// it to tasks).
const headerName = "Mcp-Name"

// An envelope is what the door must know of a request before the SDK reads it.
type envelope struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		TaskID string `json:"taskId"`
		Meta   struct {
			ProgressToken json.RawMessage `json:"progressToken"`
		} `json:"_meta"`
	} `json:"params"`
}

// listens says whether the client asked to be told of progress.
func (e envelope) listens() bool {
	return len(e.Params.Meta.ProgressToken) > 0 && string(e.Params.Meta.ProgressToken) != "null"
}

// opened lets each request through to one of two handlers: answers are single JSON objects, which the weakest clients read,
// and event streams for clients that ask to be told of progress. A request about a task whose head names another one is
// refused here, since the SDK knows no tasks.
func opened(single, events http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			single.ServeHTTP(w, r)
			return
		}
		b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		rest := r.Body
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(b), rest), rest}
		var e envelope
		if err != nil || len(b) > maxBody || !isObject(b) {
			single.ServeHTTP(w, r) // which answers what is wrong with it
			return
		}
		if !formed(b, &e) {
			answer(w, http.StatusOK, e.ID, wire.CodeInvalidParams, "a member of params, or the method, is not of the type that the protocol gives it")
			return
		}
		if _, task := taskMethods[e.Method]; task && r.Header.Get(headerName) != e.Params.TaskID {
			mismatch(w, e.ID, e.Method)
			return
		}
		if e.listens() {
			events.ServeHTTP(w, r)
			return
		}
		single.ServeHTTP(w, r)
	})
}

// shapes are the params of the methods that clients call. The SDK repeats what it cannot read, secrets and all; so what does not
// fit is answered here.
var shapes = map[string]func() any{
	"initialize": func() any { return new(mcp.InitializeParams) }, "ping": func() any { return new(mcp.PingParams) },
	"tools/list": func() any { return new(mcp.ListToolsParams) }, "tools/call": func() any { return new(mcp.CallToolParamsRaw) },
	"server/discover": func() any { return new(mcp.DiscoverParams) }, "subscriptions/listen": func() any { return new(mcp.SubscriptionsListenParams) },
}

// maxMethod bounds the name of a method in bytes: an answer may repeat it, and the protocol's own are shorter.
const maxMethod = 100

// formed reads what the door must know of a request, and reports whether its members are of the protocol's types.
func formed(b []byte, e *envelope) bool {
	var whole struct {
		ID     json.RawMessage `json:"id"`
		Method json.RawMessage `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if json.Unmarshal(b, &whole) != nil {
		return false
	}
	if !isObject(whole.ID) && len(whole.ID) <= maxMethod {
		e.ID = whole.ID
	}
	if json.Unmarshal(b, e) != nil || len(e.Method) > maxMethod {
		return false
	}
	shape, known := shapes[e.Method]
	return !known || len(whole.Params) == 0 || json.Unmarshal(whole.Params, shape()) == nil
}

// isObject reports whether b is one JSON object.
func isObject(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) > 0 && b[0] == '{' && json.Valid(b)
}

// mismatch answers a request whose head and body disagree.
func mismatch(w http.ResponseWriter, id json.RawMessage, method string) {
	answer(w, http.StatusBadRequest, id, mcp.CodeHeaderMismatch, fmt.Sprintf("the header %s must be present and equal params.taskId in %s", headerName, strings.TrimSpace(method)))
}

// answer refuses a request before the SDK reads it.
func answer(w http.ResponseWriter, status int, id json.RawMessage, code int, message string) {
	b, err := jsonrpc.Error{Code: code, Message: message}.For(id)
	if err != nil {
		http.Error(w, message, status) // its id was read as JSON before
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a reader that is gone is its own trouble
}
