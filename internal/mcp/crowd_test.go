package mcp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/crowd"
	"github.com/writ-dev/writ/internal/mcp"
)

// A heldControl knows every caller, and answers get_plan only once it is let go.
type heldControl struct {
	*fakeControl
	url        string
	came, free chan struct{}
}

func (h *heldControl) Principal(_ context.Context, r *http.Request) (writ.Principal, error) {
	return writ.Principal{Kind: writ.KindAgent, Iss: "https://issuer", Sub: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}, nil
}

func (h *heldControl) Plan(_ context.Context, _ writ.Principal, id writ.PlanID, _ time.Duration) (writ.PlanStatus, error) {
	select {
	case h.came <- struct{}{}:
	case <-h.free:
	}
	<-h.free
	return writ.PlanStatus{ID: id, State: writ.PlanWaiting}, nil
}

// get asks for a plan and returns the status, when to come again, and the body.
func (h *heldControl) get(t *testing.T, who string) (int, string, string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_plan","arguments":{"plan_id":"pln_`+ulid+`"}}}`))
	if err != nil {
		t.Error(err)
		return 0, "", ""
	}
	r.Header = http.Header{"Authorization": {"Bearer " + who}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return 0, "", ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), string(b)
}

// turned is get where the call must not come as far as the control plane.
func (h *heldControl) turned(t *testing.T, who string) (code int, after, body string) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, after, body = h.get(t, who)
	}()
	select {
	case <-done:
		return code, after, body
	case <-h.came:
		close(h.free)
		<-done
		t.Fatalf("a call of %s was let in", who)
		return 0, "", ""
	}
}

// TestOneOf256AgentsThatGoesWildIsHeldBackAndTheOthersAreServed lets 256 agents wait at once, and one more with all the calls that
// it may have.
func TestOneOf256AgentsThatGoesWildIsHeldBackAndTheOthersAreServed(t *testing.T) {
	t.Parallel()
	const agents, each = 256, 4
	h := &heldControl{&fakeControl{}, "", make(chan struct{}), make(chan struct{})}
	s := httptest.NewServer(mcp.Handler(mcp.Config{
		Authenticator: h, Playbooks: h, Diagnosis: h, HandOffs: h, Proposer: h, Runs: h, ExternalURL: "https://writ.test", Crowd: crowd.New(agents+each, each),
		Version: "test", Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(s.Close)
	h.url = s.URL + mcp.Path
	var under sync.WaitGroup
	wait := func(who string) {
		under.Go(func() {
			if code, _, body := h.get(t, who); code != http.StatusOK {
				t.Errorf("%s: %d %s", who, code, body)
			}
		})
	}
	for range each {
		wait("wild")
	}
	for range each {
		<-h.came
	}
	if code, after, body := h.turned(t, "wild"); code != http.StatusTooManyRequests || after == "" || !strings.Contains(body, `"code":"busy"`) {
		t.Errorf("one call more: %d, Retry-After %q, %s", code, after, body)
	}
	for i := range agents {
		wait(fmt.Sprint("agent-", i))
	}
	for range agents {
		<-h.came
	}
	if code, after, _ := h.turned(t, "one-more"); code != http.StatusServiceUnavailable || after == "" {
		t.Errorf("a full door: %d, Retry-After %q", code, after)
	}
	close(h.free)
	under.Wait()
	if code, _, body := h.get(t, "wild"); code != http.StatusOK {
		t.Errorf("after the others have gone: %d %s", code, body)
	}
}
