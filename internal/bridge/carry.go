package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/eventstream"
	"github.com/writ-dev/writ/internal/jsonrpc"
)

// How long the bridge tries while the server is away, with growing pauses: longer than a restart takes, and shorter than the
// minute after which clients give a call up.
const (
	patience   = 40 * time.Second
	firstPause = 250 * time.Millisecond
	maxPause   = 3 * time.Second
)

// once are the tools that are not called again when the answer got lost on the way: the second call may do a second thing, or be told
// that the first one is done. All others read, or give the same answer to the same call.
var once = map[string]bool{"hand_off": true, "withdraw_plan": true, "stop_run": true}

// Codes of JSON-RPC errors that the bridge itself gives.
const (
	codeParse   = -32700
	codeInvalid = -32600
	codeServer  = -32000
)

// carry sends m and writes what comes back. A call whose context has ended gets no answer.
func (b *Bridge) carry(ctx context.Context, m message) {
	b.mu.Lock()
	agreed := b.revision
	b.mu.Unlock()
	resp, err := b.send(ctx, m, m.header(agreed))
	if err == nil {
		defer resp.Body.Close()
		err = b.answer(resp, m)
	}
	if err != nil && ctx.Err() == nil {
		b.log.Warn("a message got no answer", "method", writ.Printable(m.Method, 60), "error", err)
		b.fail(m.ID, codeServer, err.Error())
	}
}

// send sends m, again while the server is away: when the connection could not be made, when the server says that it is busy, and when
// the connection broke off under a call that may be repeated.
func (b *Bridge) send(ctx context.Context, m message, header http.Header) (*http.Response, error) {
	pause, waited := firstPause, time.Duration(0)
	for {
		resp, err := b.server.MCP(ctx, header, m.raw)
		wait := pause
		switch {
		case err == nil && resp.StatusCode != http.StatusServiceUnavailable && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusBadGateway:
			return resp, nil
		case err == nil:
			if n, e := strconv.Atoi(resp.Header.Get("Retry-After")); e == nil && n > 0 {
				wait = max(wait, time.Duration(n)*time.Second)
			}
			if waited+wait > patience {
				return resp, nil
			}
			resp.Body.Close()
		case !errors.Is(err, writ.ErrUnavailable) || ctx.Err() != nil:
			return nil, err
		case once[m.tool] && !unsent(err):
			return nil, fmt.Errorf("the connection to Writ broke off before the answer of %s: look whether it was done before you call it again", m.tool)
		case waited+wait > patience:
			return nil, fmt.Errorf("writ cannot be reached: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		waited += wait
		pause = min(2*pause, maxPause)
	}
}

// unsent says whether a call failed before anything of it left.
func unsent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// answer writes the messages of a response.
func (b *Bridge) answer(resp *http.Response, m message) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // "" when there is none
	if kind == eventstream.ContentType && resp.StatusCode == http.StatusOK {
		return b.events(resp.Body, m.ID != nil)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("the answer broke off: %w", err)
	case len(body) > maxAnswer:
		return fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	case resp.StatusCode == http.StatusAccepted:
		return nil
	case kind == "application/json" && isAnswer(body):
		if m.Method == "initialize" {
			b.agree(body)
		}
		b.write(body)
		return nil
	}
	return refused(resp, body)
}

// isAnswer says whether a body is JSON-RPC, whatever its status, and not a problem of HTTP.
func isAnswer(body []byte) bool {
	var v struct {
		Version string `json:"jsonrpc"`
	}
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) && json.Valid(body) || json.Unmarshal(body, &v) == nil && v.Version == "2.0"
}

// agree keeps the revision that the server chose.
func (b *Bridge) agree(body []byte) {
	var v struct {
		Result struct {
			Revision string `json:"protocolVersion"`
		} `json:"result"`
	}
	if json.Unmarshal(body, &v) == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.revision = v.Result.Revision
	}
}

// events writes the messages of an event stream. With asked, one of them has to be the answer.
func (b *Bridge) events(r io.Reader, asked bool) error {
	events := eventstream.NewReader(r, maxAnswer)
	for {
		data, err := events.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the answer broke off: %w", err)
		}
		b.write(data)
		asked = asked && !isResponse(data)
	}
	if asked {
		return errors.New("the answer broke off: the stream ended before it")
	}
	return nil
}

// isResponse says whether a message answers a call, and does not only tell of its progress.
func isResponse(m []byte) bool {
	var v struct {
		Method *string `json:"method"`
	}
	return json.Unmarshal(m, &v) == nil && v.Method == nil
}

// refused puts a refusal of HTTP in one sentence, with what helps.
func refused(resp *http.Response, body []byte) error {
	var p struct{ Code, Detail, Hint string }
	said := ""
	if json.Unmarshal(body, &p) == nil && p.Code != "" {
		said = ": " + writ.Printable(p.Code, 80)
		if p.Detail != "" {
			said += ", " + writ.Printable(p.Detail, 400)
		}
		if p.Hint != "" {
			said += " (" + writ.Printable(p.Hint, 300) + ")"
		}
	}
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("writ does not take this agent's token (401)%s; renew it where the bridge reads it", said)
	case http.StatusForbidden:
		return fmt.Errorf("writ knows this agent and does not let it in (403)%s", said)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway:
		return fmt.Errorf("writ is busy or away (%d)%s; call again in a minute", resp.StatusCode, said)
	}
	return fmt.Errorf("the answer of %d is not one of Writ's%s; is --server its address?", resp.StatusCode, said)
}

// fail answers a message with an error. What wanted no answer gets none, but for a line that is no message.
func (b *Bridge) fail(id json.RawMessage, code int, what string) {
	if id == nil && code == codeServer {
		return
	}
	m, err := jsonrpc.Error{Code: code, Message: what}.For(id)
	if err != nil {
		b.log.Error("an error could not be written", "error", err)
		return
	}
	b.write(m)
}
