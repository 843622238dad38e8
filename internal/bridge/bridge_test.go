package bridge_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/bridge"
)

// A fakeServer answers as its test says, and keeps what came.
type fakeServer struct {
	answer func(ctx context.Context, h http.Header, message string) (*http.Response, error)

	mu   sync.Mutex
	came []string
	head []http.Header
}

func (f *fakeServer) MCP(ctx context.Context, h http.Header, message []byte) (*http.Response, error) {
	f.mu.Lock()
	f.came, f.head = append(f.came, string(message)), append(f.head, h)
	f.mu.Unlock()
	return f.answer(ctx, h, string(message))
}

func reply(code int, kind, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {kind}}, Body: io.NopCloser(strings.NewReader(body))}
}

// echo answers a call with its own id, over several lines.
func echo(_ context.Context, _ http.Header, message string) (*http.Response, error) {
	var m struct{ ID json.RawMessage }
	if json.Unmarshal([]byte(message), &m) != nil || m.ID == nil {
		return reply(http.StatusAccepted, "", ""), nil
	}
	return reply(200, "application/json", fmt.Sprintf("{\n  \"jsonrpc\": \"2.0\",\n  \"id\": %s,\n  \"result\": {}\n}\n", m.ID)), nil
}

// run gives the bridge all of in and returns its lines.
func run(t *testing.T, f *fakeServer, in string) []string {
	t.Helper()
	var out strings.Builder
	if err := bridge.New(f, &out, slog.New(slog.DiscardHandler)).Serve(t.Context(), strings.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	if out.Len() == 0 {
		return nil
	}
	if !strings.HasSuffix(out.String(), "\n") {
		t.Errorf("the last line has no end: %q", out.String())
	}
	return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func TestEachMessageIsOneLineAndNothingElseIsWritten(t *testing.T) {
	f := &fakeServer{answer: echo}
	long := `{"jsonrpc":"2.0","id":9,"method":"x","params":{"a":"` + strings.Repeat("a", 300<<10) + `"}}`
	got := run(t, f, "{\"jsonrpc\":\"2.0\",\"id\":\"one\",\"method\":\"ping\"}\r\n\n\n"+long+"\n"+`{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\nnonsense\n"+`{"jsonrpc":"2.0","id":{},"method":"ping"}`+"\n"+`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
	var ids []string
	for _, l := range got {
		var m struct {
			ID    json.RawMessage
			Error *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(l), &m); err != nil {
			t.Fatalf("%v: %q", err, l)
		}
		ids = append(ids, string(m.ID))
		if (string(m.ID) == "null") != (m.Error != nil) {
			t.Errorf("%s", l)
		}
	}
	if len(got) != 5 || strings.Count(strings.Join(ids, " "), "null") != 3 || len(f.came) != 3 {
		t.Errorf("answers to %v, %d messages carried", ids, len(f.came))
	}
}

func TestTheHeadSaysWhatTheMessageSays(t *testing.T) {
	f := &fakeServer{answer: func(ctx context.Context, h http.Header, m string) (*http.Response, error) {
		if strings.Contains(m, "initialize") {
			return reply(200, "application/json", `{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}}`), nil
		}
		return echo(ctx, h, m)
	}}
	run(t, f, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}`+"\n"+
		`{"jsonrpc":"2.0","method":"notifications/progress"}`+"\n"+
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_plan","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`)
	for i, want := range []http.Header{
		{},
		{"Mcp-Protocol-Version": {"2025-06-18"}},
		{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"tools/call"}, "Mcp-Name": {"get_plan"}},
	} {
		for _, name := range []string{"Mcp-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id"} {
			if got := f.head[i].Get(name); got != want.Get(name) {
				t.Errorf("message %d: %s is %q, want %q", i, name, got, want.Get(name))
			}
		}
	}
}

func TestAnEventStreamIsCarriedMessageByMessage(t *testing.T) {
	f := &fakeServer{answer: func(context.Context, http.Header, string) (*http.Response, error) {
		return reply(200, "text/event-stream", ": hello\n\nevent: message\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/progress\"}\n\nid: 7\ndata:{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n"), nil
	}}
	if got := run(t, f, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_run"}}`); len(got) != 2 || !strings.Contains(got[0], "progress") || !strings.Contains(got[1], `"id":1`) {
		t.Errorf("%q", got)
	}
	f.answer = func(context.Context, http.Header, string) (*http.Response, error) {
		return reply(200, "text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n"), nil
	}
	if got := run(t, f, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_run"}}`); len(got) != 2 || !strings.Contains(got[1], "broke off") {
		t.Errorf("a stream without the answer: %q", got)
	}
}

func TestRefusalsAreClearErrorsAndNeverRetriedForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, one := range map[string]struct {
			resp func() *http.Response
			want string
			most int
		}{
			"an unknown token": {func() *http.Response { return reply(401, "text/plain", "invalid token") }, "does not take this agent's token", 1},
			"a suspended agent": {func() *http.Response {
				return reply(403, "application/problem+json", `{"code":"agent_suspended","detail":"ask its owner"}`)
			}, "agent_suspended, ask its owner", 1},
			"something else":        {func() *http.Response { return reply(404, "text/html", "<html>") }, "is not one of Writ's", 1},
			"a server that is busy": {func() *http.Response { return reply(503, "application/problem+json", `{"code":"busy"}`) }, "busy or away", 30},
		} {
			f := &fakeServer{answer: func(context.Context, http.Header, string) (*http.Response, error) { return one.resp(), nil }}
			got := run(t, f, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
			if len(got) != 1 || !strings.Contains(got[0], one.want) || len(f.came) > one.most {
				t.Errorf("%s: %d times, %q", name, len(f.came), got)
			}
		}
		f := &fakeServer{answer: func(context.Context, http.Header, string) (*http.Response, error) {
			return reply(400, "application/json", `{"jsonrpc":"2.0","id":1,"error":{"code":-32021,"message":"m"}}`), nil
		}}
		if got := run(t, f, `{"jsonrpc":"2.0","id":1,"method":"tasks/get"}`); len(got) != 1 || !strings.Contains(got[0], "-32021") {
			t.Errorf("an error of the protocol: %q", got)
		}
	})
}

func TestAServerThatIsAwayIsWaitedForAndWhatMayNotHappenTwiceIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := fmt.Errorf("%w: %w", writ.ErrUnavailable, &net.OpError{Op: "dial", Err: io.EOF})
		broken := fmt.Errorf("%w: %w", writ.ErrUnavailable, io.ErrUnexpectedEOF)
		for name, one := range map[string]struct {
			tool string
			err  error
			want int
		}{
			"no connection":                          {"hand_off", refused, 3},
			"a broken connection under a reading":    {"get_plan", broken, 3},
			"a broken connection under a proposal":   {"propose_plan", broken, 3},
			"a broken connection under a hand-off":   {"hand_off", broken, 1},
			"a broken connection under a withdrawal": {"withdraw_plan", broken, 1},
		} {
			n := 0
			f := &fakeServer{}
			f.answer = func(ctx context.Context, h http.Header, m string) (*http.Response, error) {
				if n++; n < 3 {
					return nil, one.err
				}
				return echo(ctx, h, m)
			}
			got := run(t, f, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+one.tool+`"}}`)
			if n != one.want || len(got) != 1 || strings.Contains(got[0], "error") != (one.want == 1) {
				t.Errorf("%s: %d times, %q", name, n, got)
			}
		}
	})
}

func TestACancelledCallEndsAtTheServerAndGetsNoAnswer(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	f := &fakeServer{answer: func(ctx context.Context, h http.Header, m string) (*http.Response, error) {
		if strings.Contains(m, "tools/call") {
			close(began)
			<-ctx.Done()
			close(ended)
			return nil, fmt.Errorf("%w: %w", writ.ErrUnavailable, ctx.Err())
		}
		return echo(ctx, h, m)
	}}
	in, to := io.Pipe()
	from, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- bridge.New(f, out, slog.New(slog.DiscardHandler)).Serve(t.Context(), in); out.Close() }()
	io.WriteString(to, `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"get_run"}}`+"\n")
	<-began
	io.WriteString(to, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}`+"\n")
	<-ended
	io.WriteString(to, `{"jsonrpc":"2.0","id":6,"method":"ping"}`+"\n")
	to.Close()
	var got []string
	for s := bufio.NewScanner(from); s.Scan(); {
		got = append(got, s.Text())
	}
	if err := <-done; err != nil || len(got) != 1 || !strings.Contains(got[0], `"id":6`) {
		t.Errorf("%v %q", err, got)
	}
}

func FuzzALineOfAnyKindGetsLinesOfJSON(f *testing.F) {
	for _, s := range []string{`{"jsonrpc":"2.0","id":1,"method":"ping"}`, `[{"id":1}]`, `{"id":null}`, `{"method":"tools/call","id":-1,"params":[]}`, "\x00", `{"method":"notifications/cancelled","params":{"requestId":{}}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var out strings.Builder
		if err := bridge.New(&fakeServer{answer: echo}, &out, slog.New(slog.DiscardHandler)).Serve(t.Context(), strings.NewReader(s)); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(out.String()) {
			if !json.Valid([]byte(l)) {
				t.Errorf("%q", l)
			}
		}
	})
}
