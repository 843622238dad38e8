package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ/internal/eventstream"
)

// A session is one session with an upstream. The SDK begins and ends it, hears what the upstream tells, and speaks with commands.
// Over HTTP the two questions of every call are asked directly: the SDK decodes each message several times, through buffers of
// 32 KiB, which is most of what a call would cost.
type session struct {
	*mcp.ClientSession
	wire *wire // nil of a command
}

func (s *session) listTools(ctx context.Context, cursor string) (*mcp.ListToolsResult, error) {
	p := &mcp.ListToolsParams{Cursor: cursor}
	if s.wire == nil {
		return s.ListTools(ctx, p)
	}
	var r mcp.ListToolsResult
	return &r, s.wire.ask(ctx, "tools/list", p, &r)
}

func (s *session) callTool(ctx context.Context, name string, arguments []byte) (*mcp.CallToolResult, error) {
	p := &mcp.CallToolParams{Name: name, Arguments: json.RawMessage(arguments)}
	if s.wire == nil {
		return s.CallTool(ctx, p)
	}
	var r wireResult
	if err := s.wire.ask(ctx, "tools/call", p, &r); err != nil {
		return nil, err
	}
	return r.result()
}

// A wireResult is the result of a call, as far as it is looked at.
type wireResult struct {
	Content []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"content"`
	Structured    any             `json:"structuredContent"`
	IsError       bool            `json:"isError"`
	InputRequests json.RawMessage `json:"inputRequests"`
}

func (r wireResult) result() (*mcp.CallToolResult, error) {
	if len(r.InputRequests) > 0 {
		return nil, errInput
	}
	out := &mcp.CallToolResult{StructuredContent: r.Structured, IsError: r.IsError}
	for _, c := range r.Content {
		if c.Type == "text" {
			out.Content = append(out.Content, &mcp.TextContent{Text: c.Text})
		} else {
			out.Content = append(out.Content, &mcp.ImageContent{}) // whatever it is, it is no text
		}
	}
	return out, nil
}

var errInput = errors.New("it asks for input")

// A wire asks by HTTP in a session that is begun: MCP 2025-11-25, Streamable HTTP, "Sending Messages to the Server". Its requests
// have ids of their own, which are texts, since those of the SDK in the same session are numbers.
type wire struct {
	client  *http.Client // its transport bounds every answer
	url     string
	session string // "" when the upstream gives none
	version string
	last    atomic.Int64
}

type wireRequest struct {
	JSONRPC string `json:"jsonrpc"`
	ID      string `json:"id"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

type wireMessage struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
}

// ask sends one request, once, and decodes its result. What else the upstream says in the same stream is dropped, but for its
// requests: it has no capability of ours to ask for, and before each call its tools are looked at anyway. A request that is
// given up is called back.
func (w *wire) ask(ctx context.Context, method string, params, result any) error {
	id := "writ-" + strconv.FormatInt(w.last.Add(1), 10)
	resp, err := w.send(ctx, wireRequest{"2.0", id, method, params})
	if err != nil {
		w.callBack(ctx, id)
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers with status %d", resp.StatusCode)
	}
	m, err := w.answer(ctx, resp, id)
	switch {
	case err != nil:
		w.callBack(ctx, id)
		return err
	case len(m.Error) > 0:
		return errors.New("it answers with an error")
	case len(m.Result) == 0:
		return errors.New("it answers without a result")
	}
	return json.Unmarshal(m.Result, result)
}

// send posts one message.
func (w *wire) send(ctx context.Context, message any) (*http.Response, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, "+eventstream.ContentType)
	r.Header.Set("Mcp-Protocol-Version", w.version)
	if w.session != "" {
		r.Header.Set("Mcp-Session-Id", w.session)
	}
	return w.client.Do(r)
}

// answer reads the answer to one request: the body, or the first event of it that has the request's id.
func (w *wire) answer(ctx context.Context, resp *http.Response, id string) (m wireMessage, err error) {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return m, err
	}
	switch kind {
	case "application/json":
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return m, err
		}
		if ok, err := m.parse(b, id); !ok {
			return m, errors.Join(err, errors.New("it answers something else"))
		}
		return m, nil
	case eventstream.ContentType:
		events := eventstream.NewReader(resp.Body, maxWire)
		for {
			data, err := events.Next()
			if err != nil {
				return m, err
			}
			if ok, err := m.parse(data, id); ok || err != nil {
				return m, err
			}
			if err := w.reply(ctx, m); err != nil {
				return m, err
			}
		}
	}
	return m, errors.New("it answers neither in JSON nor in events")
}

// parse reads a message; ok is true when it answers the request of this id.
func (m *wireMessage) parse(b []byte, id string) (ok bool, err error) {
	*m = wireMessage{}
	if err := json.Unmarshal(b, m); err != nil {
		return false, err
	}
	return m.JSONRPC == "2.0" && m.Method == "" && string(m.ID) == strconv.Quote(id), nil
}
