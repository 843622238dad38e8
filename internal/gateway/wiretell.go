package gateway

import (
	"context"
	"encoding/json"
	"time"

	"github.com/writ-dev/writ/internal/jsonrpc"
)

// sayTimeout is how long an upstream may take to hear what it need not answer.
const sayTimeout = 2 * time.Second

// A wireNotice is a message that is not answered; a wireReply answers a request of the upstream's.
type (
	wireNotice struct {
		JSONRPC string         `json:"jsonrpc"`
		Method  string         `json:"method"`
		Params  map[string]any `json:"params"`
	}
	wireReply struct {
		JSONRPC string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  struct{}        `json:"result"`
	}
)

// offersNothing answers every request but a ping (JSON-RPC 2.0 section 5.1: no such method).
var offersNothing = jsonrpc.Error{Code: -32601, Message: "this client offers nothing"}

// callBack tells the upstream that nobody waits for a request any more, if that is so: that a connection ends does not say it
// (MCP 2025-11-25, Streamable HTTP and "Cancellation"). Nobody waits for this either.
func (w *wire) callBack(ctx context.Context, id string) {
	if ctx.Err() == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	go func() { _ = w.say(ctx, wireNotice{"2.0", "notifications/cancelled", map[string]any{"requestId": id}}) }()
}

// reply answers what the upstream asks while it is asked: that somebody is there, and nothing else. A notice is no request.
func (w *wire) reply(ctx context.Context, asked wireMessage) error {
	switch {
	case asked.Method == "" || len(asked.ID) == 0:
		return nil
	case asked.Method == "ping":
		return w.say(ctx, wireReply{"2.0", asked.ID, struct{}{}})
	}
	no, err := offersNothing.For(asked.ID)
	if err != nil {
		return err
	}
	return w.say(ctx, json.RawMessage(no))
}

// say sends what has no answer.
func (w *wire) say(ctx context.Context, message any) error {
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	resp, err := w.send(ctx, message)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
