package authzen_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authzen"
)

const (
	incident = "inc_01JDB4A2Q7N5S3J8E6X0F4G1MB"
	plan     = writ.PlanID("pln_01JDB4A2Q7N5S3J8E6X0F4G1MB")
)

// Propose keeps the one ask that these tests make.
func (r *rules) Propose(ctx context.Context, _ writ.Principal, ask writ.Ask) (writ.PlanStatus, error) {
	r.proposed = append(r.proposed, ask)
	return r.Plan(ctx, agentA, plan, 0)
}

func (r *rules) Plan(_ context.Context, by writ.Principal, id writ.PlanID, _ time.Duration) (writ.PlanStatus, error) {
	if by != agentA || id != plan {
		return writ.PlanStatus{}, writ.ErrNotFound
	}
	return writ.PlanStatus{ID: plan, State: r.state, ExpiresAt: time.Unix(1800000900, 0).UTC()}, nil
}

// asked is a question of the agent a in the incident, with more of the body.
func asked(action, more string) string {
	return strings.TrimSuffix(ask("a", "shop", action), "}") + `,"context":{"incident":"` + incident + `","parameters":{"name":"checkout"},"because":"it is slow"}` + more + "}"
}

// denied evaluates and returns what a request sends back of the denial.
func (a asking) denied(as, action string) string {
	a.t.Helper()
	_, got, _ := a.post(as, authzen.PathEvaluation, asked(action, ""))
	r, _ := got["context"].(map[string]any)["access_request"].(map[string]any)
	return fmt.Sprintf(`,"denial":{"binding_token":%q,"expires_at":%q}`, fmt.Sprint(r["binding_token"]), fmt.Sprint(r["expires_at"]))
}

func TestARequestFollowsTheDenialOfExactlyWhatItAsksFor(t *testing.T) {
	d := newDoor(t)
	d.rules.state = writ.PlanWaiting
	denial := d.denied("a", "scale")
	for name, row := range map[string]struct {
		as, body string
		status   int
		code     string
	}{
		"no denial":          {"a", asked("scale", ""), 400, "invalid_denial_binding"},
		"another action":     {"a", asked("restart", denial), 400, "invalid_denial_binding"},
		"another caller":     {"ann", asked("scale", denial), 403, ""},
		"another expiry":     {"a", asked("scale", strings.Replace(denial, "2027-", "2028-", 1)), 400, "invalid_denial_binding"},
		"not in an incident": {"a", strings.TrimSuffix(ask("a", "shop", "scale"), "}") + denial + "}", 400, "not_requestable"},
	} {
		status, got, _ := d.post(row.as, authzen.PathRequests, row.body)
		if status != row.status || !strings.HasSuffix(fmt.Sprint(got["error"]), row.code) || len(d.rules.proposed) != 0 {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	if r := d.denied("ann", "scale"); !strings.Contains(r, `"<nil>"`) {
		t.Errorf("a person got a token for an agent's request: %s", r)
	}
	for range 2 { // the second is the same request again
		status, got, _ := d.post("a", authzen.PathRequests, asked("scale", denial))
		if task, _ := got["task"].(map[string]any); status != 201 || task["id"] != string(plan) || task["status"] != "pending" || len(d.rules.proposed) != 1 {
			t.Fatalf("%d %v", status, got)
		}
	}
	if p := d.rules.proposed[0]; p.Playbook != "scale" || p.Incident != incident || len(p.Parameters) != 1 || p.Because != "it is slow" {
		t.Errorf("%+v", p)
	}
	d.rules.later = denialLifeAndMore
	if status, got, _ := d.post("a", authzen.PathRequests, asked("scale", denial+`,"more":1`)); status != 410 || !strings.HasSuffix(fmt.Sprint(got["error"]), "expired_denial") {
		t.Errorf("%d %v", status, got)
	}
}

const denialLifeAndMore = 15*time.Minute + time.Second

func TestATaskIsApprovedOnlyWhenItsPlanIsGranted(t *testing.T) {
	d := newDoor(t)
	for _, s := range []writ.PlanState{
		writ.PlanPlanning, writ.PlanRefused, writ.PlanDenied, writ.PlanWaiting, writ.PlanGranted, writ.PlanRejected, writ.PlanExpired,
		writ.PlanWithdrawn, writ.PlanStale, writ.PlanDone, "new",
	} {
		d.rules.state = s
		req := httptest.NewRequest("GET", "https://writ.test"+authzen.PathRequests+"/"+string(plan), nil)
		req.Header.Set("Authorization", "Bearer a")
		w := httptest.NewRecorder()
		d.door.ServeHTTP(w, req)
		granted := s == writ.PlanGranted || s == writ.PlanDone
		if w.Code != 200 || strings.Contains(w.Body.String(), `"approved"`) != granted || strings.Contains(w.Body.String(), "reevaluate") != granted {
			t.Errorf("%s: %d %s", s, w.Code, w.Body)
		}
		req.Header.Set("Authorization", "Bearer ann")
		w = httptest.NewRecorder()
		if d.door.ServeHTTP(w, req); w.Code != 404 || !strings.Contains(w.Body.String(), "unknown_task") {
			t.Errorf("of another: %d %s", w.Code, w.Body)
		}
	}
}
