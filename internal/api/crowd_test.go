package api_test

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/crowd"
)

// held is a plan that is shown only once it is let go.
type held struct {
	*fake
	came, free chan struct{}
}

func (h held) Playbooks(ctx context.Context, by writ.Principal, service string) ([]writ.PlaybookSummary, error) {
	h.came <- struct{}{}
	<-h.free
	return h.fake.Playbooks(ctx, by, service)
}

// An agent has a bounded number of calls under way at all of its doors together; people and other calls are served meanwhile, and so is
// the agent once one of its calls has ended.
func TestI19ACallTooManyOfOneAgentIsTurnedAwayWithRetryAfter(t *testing.T) {
	const each = 3
	h := held{&fake{}, make(chan struct{}), make(chan struct{})}
	c := apitest.Config(h.fake)
	c.Playbooks, c.Crowd = h, crowd.New(each, each)
	door := serves(t, c)
	other, err := c.Crowd.Enter(apitest.Agent.Iss + " " + apitest.Agent.Sub) // at another door
	if err != nil {
		t.Fatal(err)
	}
	var under sync.WaitGroup
	get := func(as string) *httptest.ResponseRecorder { return request(door, as, "GET", "/v1/incidents", "") }
	for range each - 1 {
		under.Go(func() {
			if w := request(door, "agent", "GET", "/v1/playbooks", ""); w.Code != 200 {
				t.Errorf("let in: %d %s", w.Code, w.Body)
			}
		})
		<-h.came
	}
	w := get("agent")
	if p := wantProblem(t, w, 429, "busy"); w.Header().Get("Retry-After") != "2" || p.Retry != "after" || p.Hint == "" {
		t.Errorf("%+v, Retry-After %q", p, w.Header().Get("Retry-After"))
	}
	if w := get("human"); w.Code != 200 {
		t.Errorf("a person meanwhile: %d %s", w.Code, w.Body)
	}
	other()
	if w := get("agent"); w.Code != 200 {
		t.Errorf("after one has ended: %d %s", w.Code, w.Body)
	}
	_, err = c.Crowd.Enter("another agent")
	if err != nil {
		t.Fatal(err)
	}
	w = get("agent")
	if p := wantProblem(t, w, 503, "busy"); w.Header().Get("Retry-After") != "2" || p.Hint == "" {
		t.Errorf("a full door: %+v, Retry-After %q", p, w.Header().Get("Retry-After"))
	}
	close(h.free)
	under.Wait()
}
