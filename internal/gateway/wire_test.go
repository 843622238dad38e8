package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway/gatewaytest"
)

// scripted is an upstream that says to every tools/call what the script makes of the request's id.
func scripted(t testing.TB, script func(w http.ResponseWriter, id json.RawMessage)) string {
	t.Helper()
	u := gatewaytest.Start(t, gatewaytest.Pods())
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // it offers no stream of notices
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if json.Unmarshal(body, &m) == nil && m.Method == "tools/call" {
			script(w, m.ID)
			return
		}
		ask, err := http.NewRequestWithContext(r.Context(), r.Method, u.URL, bytes.NewReader(body))
		if err != nil {
			return
		}
		ask.Header = r.Header.Clone()
		got, err := http.DefaultClient.Do(ask)
		if err != nil {
			return
		}
		defer got.Body.Close()
		for name := range got.Header {
			w.Header().Set(name, got.Header.Get(name))
		}
		w.WriteHeader(got.StatusCode)
		io.Copy(w, got.Body)
	}))
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return h.URL
}

const result = `"result":{"content":[{"type":"text","text":"two pods"}]}`

func TestAnAnswerComesInJSONOrInEvents(t *testing.T) {
	events := func(format string) func(http.ResponseWriter, json.RawMessage) {
		return func(w http.ResponseWriter, id json.RawMessage) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
			io.WriteString(w, strings.ReplaceAll(format, "ID", string(id)))
		}
	}
	plain := func(status int, kind, format string) func(http.ResponseWriter, json.RawMessage) {
		return func(w http.ResponseWriter, id json.RawMessage) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			io.WriteString(w, strings.ReplaceAll(format, "ID", string(id)))
		}
	}
	whole := `{"jsonrpc":"2.0","id":ID,` + result + `}`
	for name, script := range map[string]func(http.ResponseWriter, json.RawMessage){
		"JSON":                      plain(200, "application/json", whole),
		"one event":                 events("event: message\ndata: " + whole + "\n\n"),
		"events of others first":    events(": a comment\n\nid: 1\ndata:\n\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{}}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\",\"params\":{}}\n\ndata: " + whole + "\n\n"),
		"in two lines, with CR":     events("data: {\"jsonrpc\":\"2.0\",\"id\":ID,\r\ndata: " + result + "}\r\n\r\n"),
		"more after the answer":     events("data: " + whole + "\n\ndata: no JSON\n\n"),
		"an error after the answer": events("data: " + whole + "\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":ID,\"error\":{\"code\":1,\"message\":\"x\"}}\n\n"),
	} {
		t.Run(name, func(t *testing.T) {
			g := to(t, scripted(t, script))
			a, err := g.Call(t.Context(), pods, may(offered(t, g).Digest(), []byte(`{"namespace":"shop"}`)))
			if err != nil || a.Text != "two pods" {
				t.Errorf("%q %v", a.Text, err)
			}
		})
	}
	for name, script := range map[string]func(http.ResponseWriter, json.RawMessage){
		"another id":              plain(200, "application/json", `{"jsonrpc":"2.0","id":"writ-0",`+result+`}`),
		"a number for an id":      plain(200, "application/json", `{"jsonrpc":"2.0","id":1,`+result+`}`),
		"a request":               plain(200, "application/json", `{"jsonrpc":"2.0","id":ID,"method":"x",`+result+`}`),
		"a batch":                 plain(200, "application/json", "["+whole+"]"),
		"no version":              plain(200, "application/json", `{"id":ID,`+result+`}`),
		"two messages":            plain(200, "application/json", whole+whole),
		"an error":                plain(200, "application/json", `{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"secret"}}`),
		"nothing":                 plain(200, "application/json", `{"jsonrpc":"2.0","id":ID}`),
		"a result that is none":   plain(200, "application/json", `{"jsonrpc":"2.0","id":ID,"result":[]}`),
		"a wish":                  plain(200, "application/json", `{"jsonrpc":"2.0","id":ID,"result":{"content":[],"inputRequests":{"a":{}}}}`),
		"accepted":                plain(202, "application/json", ""),
		"a failure":               plain(500, "application/json", whole),
		"a page":                  plain(200, "text/html", whole),
		"no kind":                 plain(200, "", whole),
		"a stream that ends":      events("data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n"),
		"half an event":           events("data: " + whole + "\n"),
		"an event of no JSON":     events("data: x\n\ndata: " + whole + "\n\n"),
		"events without an end":   func(w http.ResponseWriter, _ json.RawMessage) { endless(w, "text/event-stream", ": x\n") },
		"one line without an end": func(w http.ResponseWriter, _ json.RawMessage) { endless(w, "text/event-stream", "data: x") },
		"JSON without an end":     func(w http.ResponseWriter, _ json.RawMessage) { endless(w, "application/json", " ") },
	} {
		t.Run(name, func(t *testing.T) {
			g := to(t, scripted(t, script))
			a, err := g.Call(t.Context(), pods, may(offered(t, g).Digest(), []byte(`{"namespace":"shop"}`)))
			if !errors.Is(err, writ.ErrUnavailable) || strings.Contains(fmt.Sprint(err), "secret") || a.Text != "" {
				t.Errorf("%q %v", a.Text, err)
			}
		})
	}
}

// endless writes until the reader has had enough.
func endless(w http.ResponseWriter, kind, text string) {
	w.Header().Set("Content-Type", kind)
	part := strings.Repeat(text, 10000)
	for {
		if _, err := io.WriteString(w, part); err != nil {
			return
		}
	}
}

// A ping is answered, and whatever else an upstream asks is refused, while it is asked: it may wait for that before it answers.
func TestWhatAnUpstreamAsksMeanwhileIsAnswered(t *testing.T) {
	for ask, want := range map[string]string{
		`"id":"p","method":"ping"`:                             `{"jsonrpc":"2.0","id":"p","result":{}}`,
		`"id":7,"method":"sampling/createMessage","params":{}`: `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"this client offers nothing"}}`,
	} {
		replies := make(chan string, 1)
		behind, err := url.Parse(scripted(t, func(w http.ResponseWriter, id json.RawMessage) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",%s}\n\n", ask)
			http.NewResponseController(w).Flush()
			if got := <-replies; got != want {
				t.Errorf("%s is answered with %s", ask, got)
			}
			fmt.Fprintf(w, "data: {\"jsonrpc\":\"2.0\",\"id\":%s,%s}\n\n", id, result)
		}))
		must(t, err)
		proxy := httputil.NewSingleHostReverseProxy(behind)
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil && r.Method == http.MethodPost && r.Header.Get("Mcp-Session-Id") != "" && !bytes.Contains(body, []byte(`"params"`)) {
				replies <- string(body)
				w.WriteHeader(http.StatusAccepted)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
		g := to(t, h.URL)
		if a, err := g.Call(t.Context(), pods, may(offered(t, g).Digest(), []byte(`{"namespace":"shop"}`))); err != nil || a.Text != "two pods" {
			t.Errorf("%s: %q %v", ask, a.Text, err)
		}
	}
}

// A call that nobody waits for ends at the upstream too, and the session, which others use, does not.
func TestACallThatIsGivenUpIsCalledBack(t *testing.T) {
	begun, ended := make(chan bool, 1), make(chan bool, 1)
	u := gatewaytest.Start(t, gatewaytest.Pods())
	u.Answer(func(ctx context.Context, c gatewaytest.Call) (*mcp.CallToolResult, error) {
		begun <- true
		<-ctx.Done()
		ended <- true
		return nil, ctx.Err()
	})
	g := to(t, u.URL)
	pinned := offered(t, g).Digest()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := g.Call(ctx, pods, may(pinned, []byte(`{"namespace":"shop"}`))); !errors.Is(err, writ.ErrUnavailable) {
		t.Errorf("it ended with %v", err)
	}
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Error("the upstream reads on")
	}
	u.Answers("two pods")
	if a, err := g.Call(t.Context(), pods, may(pinned, []byte(`{"namespace":"shop"}`))); err != nil || a.Text != "two pods" {
		t.Errorf("afterwards it answers %q, %v", a.Text, err)
	}
	if sessions := slices.Compact(slices.Sorted(slices.Values(u.Header("Mcp-Session-Id")))); len(sessions) != 1 {
		t.Errorf("%d sessions were opened", len(sessions))
	}
}

// TestAnUpstreamThatAnswersInEventsIsRead is of a real server that answers so, as most do.
func TestAnUpstreamThatAnswersInEventsIsRead(t *testing.T) {
	server := mcp.NewServer(&mcp.Implementation{Name: "upstream", Version: "1"}, nil)
	server.AddTool(gatewaytest.Pods(), func(_ context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(r.Params.Arguments)}, &mcp.ImageContent{MIMEType: "image/png"}}}, nil
	})
	h := httptest.NewServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil))
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	g := to(t, h.URL)
	for range 2 {
		a, err := g.Call(t.Context(), pods, may(offered(t, g).Digest(), []byte(`{"namespace":"shop"}`)))
		if err != nil || a.Text != "{\"namespace\":\"shop\"}\n[content that is no text was left out]" {
			t.Errorf("%q %v", a.Text, err)
		}
	}
}
