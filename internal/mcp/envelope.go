package mcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

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
		if err != nil || len(b) > maxBody || json.Unmarshal(b, &e) != nil {
			single.ServeHTTP(w, r) // which answers what is wrong with it
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

// mismatch answers a request whose head and body disagree.
func mismatch(w http.ResponseWriter, id json.RawMessage, method string) {
	what := fmt.Sprintf("the header %s must be present and equal params.taskId in %s", headerName, strings.TrimSpace(method))
	b, err := jsonrpc.Error{Code: mcp.CodeHeaderMismatch, Message: what}.For(id)
	if err != nil {
		http.Error(w, what, http.StatusBadRequest) // its id was read as JSON before
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(b) // a reader that is gone is its own trouble
}
