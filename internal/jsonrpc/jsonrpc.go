// Package jsonrpc writes errors of JSON-RPC 2.0, for what is refused before anything of MCP has read the request.
package jsonrpc

import "encoding/json"

// An Error answers one request; see section 5.1 of the specification.
type Error struct {
	Code    int
	Message string // UTF-8; what of it a stranger wrote is made printable by the caller
}

// For is the message that answers the request with this id, as the request wrote it; none is null, for a request whose id
// could not be read. An id that is not JSON is an error.
func (e Error) For(id json.RawMessage) ([]byte, error) {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	type body struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
	return json.Marshal(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Error   body            `json:"error"`
	}{"2.0", id, body(e)})
}
