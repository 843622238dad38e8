package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/internal/storefront"
)

// A pressed ask is how one of many asks was answered.
type pressed struct {
	plan  writ.PlanID // of an ask that was taken
	after int         // seconds, of one that was turned away
}

// TestManyAgentsBeyondTheLimitAreToldToComeAgainAndNothingIsLost lets a dozen agents ask for four repairs each at once, half of
// them by HTTP and half by MCP, where a service takes three open plans. What is taken is there and waits for a person, what is
// turned away says when to come again, and readers and people are served meanwhile. When a place is free, who comes again gets it.
func TestManyAgentsBeyondTheLimitAreToldToComeAgainAndNothingIsLost(t *testing.T) {
	t.Parallel()
	const agents, places = 12, 3
	counts := []int{2, 4, 5, 6} // it has three
	name := func(i int) string { return "agent-" + strconv.Itoa(i) }
	x := prepareShop(t, func(_ *counter, o *setup.Options) {
		for i := range agents {
			o.Agents = append(o.Agents, setup.Agent{Name: name(i), Team: install.Team, Owner: rob, Roles: []string{"repair"}})
		}
	})
	x.edit(func(c *config.Server) { c.Limits = &config.Limits{OpenPlans: places, OpenPlansPerAgent: 2} })
	x.start()
	x.fails()

	answers := make(chan pressed, agents*len(counts))
	var all sync.WaitGroup
	for i := range agents {
		ask := x.asksByHTTP(name(i))
		if i%2 == 0 {
			ask = x.asksByMCP(name(i))
		}
		all.Go(func() {
			for n := range counts {
				if got, err := ask(counts[(i+n)%len(counts)]); err != nil {
					t.Errorf("%s: %v", name(i), err)
				} else {
					answers <- got
				}
			}
		})
	}
	for range 5 { // meanwhile
		x.reads("httpapi/service.metrics")
		if _, err := x.person.Status(t.Context()); err != nil {
			t.Errorf("a person is answered %v", err)
		}
	}
	all.Wait()
	close(answers)
	taken := map[writ.PlanID]bool{}
	away := 0
	for a := range answers {
		if a.plan != "" {
			taken[a.plan] = true
			continue
		}
		if away++; a.after < 1 || a.after > 3600 {
			t.Errorf("who is turned away is told to come again after %d s", a.after)
		}
	}
	if len(taken) != places || away == 0 {
		t.Errorf("%d plans were taken, of %d; %d asks were turned away", len(taken), places, away)
	}
	open := map[writ.PlanID]bool{}
	await(t, "what was taken to wait for a person", func() (bool, string) {
		clear(open)
		for p, err := range x.person.Plans(t.Context(), writ.PlanFilter{State: writ.PlanWaiting}) {
			must(t, err)
			open[p.ID] = true
		}
		return len(open) == len(taken), fmt.Sprintf("%d of %d", len(open), len(taken))
	})
	for id := range taken {
		if !open[id] {
			t.Errorf("%s was taken and is lost", id)
		}
	}

	// A place is free again.
	var one writ.PlanID
	for one = range taken {
		break
	}
	p, err := x.person.Plan(t.Context(), one)
	must(t, err)
	x.wantCLI(t, 0, you, "plan", "withdraw", string(one), "--reason", "another one first")
	count, ok := p.Parameters["replicas"].Int64()
	if !ok {
		t.Fatalf("%+v", p.Parameters)
	}
	got, err := x.asksByMCP(p.Requester.Sub)(int(count)) // whose place it was: others may hold all that one agent may
	if err != nil || got.plan == "" || got.plan == one {
		t.Errorf("when a place is free: %+v %v", got, err)
	}
}

// asksByHTTP asks for a number of replicas of checkout at the API.
func (x *counter) asksByHTTP(as string) func(int) (pressed, error) {
	token, n := x.tokenOf(as), 0
	return func(count int) (pressed, error) {
		n++
		body := fmt.Sprintf(`{"incident":%q,"playbook":"scale-service","parameters":{"service":%q,"replicas":%d},"evidence":[%q]}`, x.incident, storefront.Checkout, count, x.evidence[0])
		r, err := http.NewRequestWithContext(x.t.Context(), http.MethodPost, x.url+"/v1/proposals", strings.NewReader(body))
		if err != nil {
			return pressed{}, err
		}
		r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}, "Idempotency-Key": {fmt.Sprintf("pressure-of-%s-%d", as, n)}}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return pressed{}, err
		}
		text := readAll(x.t, resp.Body)
		if resp.StatusCode == http.StatusTooManyRequests {
			after, err := strconv.Atoi(resp.Header.Get("Retry-After"))
			return pressed{after: after}, err
		}
		var p writ.PlanStatus
		if err := json.Unmarshal([]byte(text), &p); err != nil || resp.StatusCode >= 300 || p.ID == "" {
			return pressed{}, fmt.Errorf("%s %s", resp.Status, text)
		}
		return pressed{plan: p.ID}, nil
	}
}

// asksByMCP asks for it with a tool.
func (x *counter) asksByMCP(as string) func(int) (pressed, error) {
	a := x.agent(x.t, as)
	return func(count int) (pressed, error) {
		got := a.call(x.t, "propose_plan", map[string]any{
			"incident": string(x.incident), "playbook": "scale-service", "parameters_json": fmt.Sprintf(`{"service":%q,"replicas":%d}`, storefront.Checkout, count), "evidence_ids": x.evidence[0],
		})
		if got.Plan != "" && !got.refuse {
			return pressed{plan: got.Plan}, nil
		}
		var after int
		if _, rest, ok := strings.Cut(got.text, "Ask again in "); ok {
			if _, err := fmt.Sscanf(rest, "%d seconds", &after); err == nil && strings.HasPrefix(got.text, "NOT NOW ") {
				return pressed{after: after}, nil
			}
		}
		return pressed{}, fmt.Errorf("%s", got.text)
	}
}

// TestACallTooManyOfOneAgentIsTurnedAwayAtTheDoorOfTheServer opens more waiting calls of one agent than it may have; others are
// served, and so is it once they have ended.
func TestACallTooManyOfOneAgentIsTurnedAwayAtTheDoorOfTheServer(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	const wild = 48 // an agent may have 32 under way
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_plan","arguments":{"plan_id":%q,"wait_seconds":20}}}`, plan)
	token := x.tokenOf(repairer)
	call := func(ctx context.Context, body string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url+"/mcp", strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2025-11-25"}, "Authorization": {"Bearer " + token}}
		return http.DefaultClient.Do(r)
	}
	turned := make(chan string, wild)
	var all sync.WaitGroup
	for range wild {
		all.Go(func() {
			resp, err := call(ctx, body)
			if err != nil {
				return // it waited until the test let it go
			}
			defer resp.Body.Close()
			if resp.StatusCode == http.StatusTooManyRequests {
				turned <- resp.Header.Get("Retry-After")
			}
		})
	}
	select {
	case after := <-turned:
		if n, err := strconv.Atoi(after); err != nil || n < 1 {
			t.Errorf("Retry-After is %q", after)
		}
	case <-ctx.Done():
		t.Error("no call was turned away")
	}
	if a := x.agent(t, diagnoser).call(t, "list_incidents", nil); a.refuse { // while the others wait
		t.Errorf("another agent is answered %s", a.text)
	}
	cancel()
	all.Wait()
	await(t, "the agent to be served again", func() (bool, string) {
		resp, err := call(t.Context(), `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_incidents","arguments":{}}}`)
		must(t, err)
		text := readAll(t, resp.Body)
		return resp.StatusCode == http.StatusOK && strings.Contains(text, string(x.incident)), text
	})
}
