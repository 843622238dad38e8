package bridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/writ-dev/writ"
)

// metaRevision is where a message of the current revision says which one it follows.
const metaRevision = "io.modelcontextprotocol/protocolVersion"

// A message is what the bridge must know of one: its id if it wants an answer, and what HTTP repeats in the head.
type message struct {
	raw     []byte
	ID      json.RawMessage // nil for a notification, a response and a batch
	Method  string
	tool    string // of a tool call
	name    string // in the head: of a tool, a prompt, a resource or a task
	meta    string // revision in the message itself
	cancels string // id of the call that it ends
}

// parse reads one line. A batch, which revisions before 2025-06-18 had, is carried as it is.
func parse(text []byte) (message, error) {
	m := message{raw: text}
	if bytes.HasPrefix(text, []byte("[")) && json.Valid(text) {
		return m, nil
	}
	var in struct {
		ID     json.RawMessage `json:"id"`
		Method *string         `json:"method"`
		Params json.RawMessage `json:"params"`
	}
	if err := json.Unmarshal(text, &in); err != nil || len(text) == 0 || text[0] != '{' {
		return m, fmt.Errorf("%w: a line holds one JSON-RPC message", writ.ErrInvalid)
	}
	if len(in.ID) > 0 && in.ID[0] != '"' && in.ID[0] != '-' && (in.ID[0] < '0' || in.ID[0] > '9') {
		return m, fmt.Errorf("%w: an id is a string or a number", writ.ErrInvalid)
	}
	if in.Method == nil {
		return m, nil // a response: the door asks clients for nothing, and will say so
	}
	m.ID, m.Method = in.ID, *in.Method
	var params struct {
		Name      string                     `json:"name"`
		URI       string                     `json:"uri"`
		TaskID    string                     `json:"taskId"`
		RequestID json.RawMessage            `json:"requestId"`
		Meta      map[string]json.RawMessage `json:"_meta"`
	}
	if len(in.Params) > 0 && json.Unmarshal(in.Params, &params) != nil {
		return m, nil // which the server refuses in its own words
	}
	switch m.Method {
	case "tools/call":
		m.tool, m.name = params.Name, params.Name
	case "prompts/get":
		m.name = params.Name
	case "resources/read":
		m.name = params.URI
	case "tasks/get", "tasks/update", "tasks/cancel":
		m.name = params.TaskID
	case "notifications/cancelled":
		m.cancels = string(params.RequestID)
	}
	if v, ok := params.Meta[metaRevision]; ok {
		_ = json.Unmarshal(v, &m.meta) // what is no string, the server refuses
	}
	return m, nil
}

// header is what HTTP wants in the head of a message. agreed is the revision that initialize agreed on, "" for none.
func (m message) header(agreed string) http.Header {
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	revision := m.meta
	if revision == "" {
		revision = agreed
	}
	if m.Method == "initialize" {
		revision = "" // it is what is being agreed on
	}
	if revision != "" {
		h.Set("Mcp-Protocol-Version", printable(revision))
	}
	if m.meta != "" { // the current revision
		h.Set("Mcp-Method", printable(m.Method))
		if m.name != "" {
			h.Set("Mcp-Name", printable(m.name))
		}
	}
	return h
}

// printable keeps a value within a header's line; one that has more in it is refused by the server, since it then differs.
func printable(s string) string { return writ.Printable(s, 200) }
