package authzen_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/authzen"
)

// rules answers by the names alone: the agent a may restart shop, and scale needs an owner. It keeps what it was asked.
type rules struct {
	asked    []writ.AccessQuestion
	proposed []writ.Ask
	state    writ.PlanState
	observed bool // every playbook is observed only
	later    time.Duration
}

var (
	agentA = writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.test", Sub: "a"}
	agentB = writ.Principal{Kind: writ.KindAgent, Iss: "https://idp.test", Sub: "b"}
	ann    = writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.test", Sub: "ann"}
)

func (r *rules) Evaluate(_ context.Context, by writ.Principal, q writ.AccessQuestion) (writ.Decision, error) {
	r.asked = append(r.asked, q)
	d := writ.Decision{Verdict: writ.Deny, Reason: writ.ReasonNoGrantRule, Policies: []string{"limits/x"}, At: time.Unix(1800000000, 0).UTC().Add(r.later)}
	switch {
	case by.Kind == writ.KindAgent && by != q.Subject:
		return d, writ.Refuse(writ.ReasonNotYours, "an agent asks about itself only")
	case q.Service == "crowded":
		return d, &writ.Refusal{Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: 3*time.Second + 1, Detail: "too many questions"}
	case q.Service == "broken":
		return d, fmt.Errorf("%w: store at 10.0.0.7", writ.ErrUnavailable)
	case q.Subject == agentA && q.Service == "shop" && q.Action == "playbook/restart":
		d.Verdict, d.Reason = writ.Allow, writ.ReasonAllowed
	case q.Action == "playbook/scale":
		d.Verdict, d.Reason = writ.Requires, writ.ReasonNeedsApproval
		d.Requirements = writ.Requirements{Approvals: map[string]int{"owner": 1}, Proof: writ.ProofB, MaxTTL: 60}
	}
	d.Observed = r.observed
	return d, nil
}

func (r *rules) AccessNames(context.Context, writ.Principal) (writ.AccessNames, error) {
	out := writ.AccessNames{Subjects: []writ.Principal{agentA, agentB, ann}, Actions: []string{"playbook/restart", "playbook/scale"}}
	for i := range 250 {
		out.Services = append(out.Services, fmt.Sprintf("s%03d", i))
	}
	out.Services = append(out.Services, "shop")
	return out, nil
}

type keys map[string]writ.Principal

func (k keys) Principal(_ context.Context, r *http.Request) (writ.Principal, error) {
	if p, ok := k[r.Header.Get("Authorization")]; ok {
		return p, nil
	}
	return writ.Principal{}, writ.ErrUnknownUser
}

type asking struct {
	t     *testing.T
	door  http.Handler
	rules *rules
}

func newDoor(t *testing.T) asking {
	t.Helper()
	r := &rules{}
	h, err := authzen.Handler(authzen.Config{
		Authenticator: keys{"Bearer a": agentA, "Bearer ann": ann}, Evaluator: r, Proposer: r, Idempotency: &apitest.Keys{}, BindingKey: make([]byte, 32), ExternalURL: "https://writ.test", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return asking{t, h, r}
}

func (a asking) post(as, path, body string) (int, map[string]any, http.Header) {
	a.t.Helper()
	req := httptest.NewRequest("POST", "https://writ.test"+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+as)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-ID", "req-7")
	req.Header.Set("Idempotency-Key", "a-key-of-this-body-"+writ.DigestOf([]byte(body)).String()[8:40])
	w := httptest.NewRecorder()
	a.door.ServeHTTP(w, req)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		a.t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, out, w.Header()
}

func ask(subject, service, action string) string {
	return fmt.Sprintf(`{"subject":{"type":"agent","id":"https://idp.test|%s"},"resource":{"type":"service","id":"%s"},"action":{"name":"playbook/%s"}}`, subject, service, action)
}

func TestADecisionIsATwoHundredAlsoForADeny(t *testing.T) {
	d := newDoor(t)
	for body, want := range map[string]bool{ask("a", "shop", "restart"): true, ask("a", "shop", "drain"): false, ask("b", "shop", "restart"): false} {
		status, got, header := d.post("ann", authzen.PathEvaluation, body)
		if status != 200 || got["decision"] != want || header.Get("X-Request-ID") != "req-7" {
			t.Errorf("%s: %d %v", body, status, got)
		}
		if about := got["context"].(map[string]any); !strings.Contains(about["advice"].(string), "grants nothing") || about["reason"] == "" {
			t.Errorf("%v", about)
		}
	}
}

// Pitfall 10: who reads only the decision takes what needs approvals for a no.
func TestPitfall10WhatNeedsApprovalsIsANoAndSaysWhatItNeeds(t *testing.T) {
	_, got, _ := newDoor(t).post("a", authzen.PathEvaluation, ask("a", "shop", "scale"))
	about := got["context"].(map[string]any)
	need, _ := about["access_request"].(map[string]any)
	if got["decision"] != false || need == nil || need["approvals"].(map[string]any)["owner"] != 1.0 || need["proof"] != "B" {
		t.Errorf("%v", got)
	}
	if o := about["obligations"].([]any); len(o) != 1 || o[0].(map[string]any)["properties"].(map[string]any)["max_ttl_seconds"] != 60.0 {
		t.Errorf("%v", about)
	}
	if _, ok := about["policies"]; ok {
		t.Error("an agent sees the rules")
	}
	_, got, _ = newDoor(t).post("a", authzen.PathEvaluation, ask("a", "shop", "drain"))
	if _, ok := got["context"].(map[string]any)["access_request"]; ok {
		t.Error("a denial that nobody can lift has an access_request")
	}
}

// Pitfall 20: what a caller says beside the names reaches nobody.
func TestPitfall20PropertiesAndContextNeverReachTheEvaluator(t *testing.T) {
	d := newDoor(t)
	plain := ask("a", "shop", "drain")
	loud := `{"subject":{"type":"agent","id":"https://idp.test|a","properties":{"roles":["admin"],"registered":true}},"resource":{"type":"service","id":"shop","properties":{"env":"dev"}},` +
		`"action":{"name":"playbook/drain","properties":{"tier":0}},"context":{"approvalsOwner":9,"severity":1,"time":"now"},"more":[1]}`
	for _, body := range []string{plain, loud} {
		if status, got, _ := d.post("ann", authzen.PathEvaluation, body); status != 200 || got["decision"] != false {
			t.Errorf("%d %v", status, got)
		}
	}
	if d.rules.asked[0] != d.rules.asked[1] {
		t.Errorf("%+v and %+v", d.rules.asked[0], d.rules.asked[1])
	}
}

func TestOtherStatusesSpeakOfTheCall(t *testing.T) {
	good := ask("a", "shop", "restart")
	for name, row := range map[string]struct {
		as, path, body string
		want           int
	}{
		"nobody":                      {"nobody", authzen.PathEvaluation, good, 401},
		"an agent about another":      {"a", authzen.PathEvaluation, ask("b", "shop", "restart"), 403},
		"no body":                     {"a", authzen.PathEvaluation, ``, 400},
		"no JSON":                     {"a", authzen.PathEvaluation, `{"subject"`, 400},
		"no object":                   {"a", authzen.PathEvaluation, `[]`, 400},
		"a member twice":              {"a", authzen.PathEvaluation, `{"subject":{"type":"agent","id":"x|y","id":"z|y"}}`, 400},
		"no subject":                  {"a", authzen.PathEvaluation, `{"resource":{"type":"service","id":"shop"},"action":{"name":"x"}}`, 400},
		"a subject without an id":     {"a", authzen.PathEvaluation, `{"subject":{"type":"agent"},"resource":{"type":"service","id":"shop"},"action":{"name":"x"}}`, 400},
		"a name that is no string":    {"a", authzen.PathEvaluation, strings.Replace(good, `"playbook/restart"`, `7`, 1), 400},
		"a name in other letters":     {"a", authzen.PathEvaluation, strings.Replace(good, `"action"`, `"Action"`, 1), 400},
		"a context that is none":      {"a", authzen.PathEvaluation, strings.Replace(good, `{"subject"`, `{"context":"x","subject"`, 1), 400},
		"an incident that is none":    {"a", authzen.PathEvaluation, strings.Replace(good, `{"subject"`, `{"context":{"incident":"x"},"subject"`, 1), 400},
		"a broken store":              {"a", authzen.PathEvaluation, ask("a", "broken", "restart"), 503},
		"too many at once":            {"a", authzen.PathEvaluation, ask("a", "crowded", "restart"), 429},
		"an unknown semantic":         {"a", authzen.PathEvaluations, `{"evaluations":[{}],"options":{"evaluations_semantic":"any"}}`, 400},
		"evaluations that are none":   {"a", authzen.PathEvaluations, `{"evaluations":{}}`, 400},
		"a search for something else": {"a", authzen.PathSearch + "policy", good, 404},
		"a page token of nobody":      {"a", authzen.PathSearch + "action", strings.Replace(good, `{"subject"`, `{"page":{"token":"!"},"subject"`, 1), 400},
	} {
		status, got, header := newDoor(t).post(row.as, row.path, row.body)
		if status != row.want || got["error"] == "" || got["decision"] != nil || strings.Contains(fmt.Sprint(got), "10.0.0.7") {
			t.Errorf("%s: %d %v", name, status, got)
		}
		if after := header.Get("Retry-After"); after != map[int]string{429: "4", 503: "2"}[status] {
			t.Errorf("%s: Retry-After %q", name, after)
		}
		if header.Get("X-Request-ID") != "req-7" {
			t.Errorf("%s: the request's id is not echoed", name)
		}
	}
	req := httptest.NewRequest("POST", "https://writ.test"+authzen.PathEvaluation, strings.NewReader(good))
	req.Header.Set("Authorization", "Bearer a")
	req.Header.Set("Content-Type", "text/plain")
	w := httptest.NewRecorder()
	if newDoor(t).door.ServeHTTP(w, req); w.Code != 400 {
		t.Errorf("another content type: %d", w.Code)
	}
}

func TestEvaluationsStopWhereTheirSemanticSays(t *testing.T) {
	const restart, drain = `{"action":{"name":"playbook/restart"}}`, `{"action":{"name":"playbook/drain"}}`
	for name, row := range map[string]struct {
		semantic string
		items    []string
		want     string
	}{
		"all of them":              {"execute_all", []string{restart, drain, restart}, "[true false true]"},
		"all when nothing is said": {"", []string{drain, restart}, "[false true]"},
		"until the first deny":     {"deny_on_first_deny", []string{restart, drain, restart}, "[true false]"},
		"until the first permit":   {"permit_on_first_permit", []string{drain, restart, restart}, "[false true]"},
		"an error is a deny":       {"deny_on_first_deny", []string{`{"action":{}}`, restart}, "[false]"},
		"an item that is none":     {"execute_all", []string{`7`, restart}, "[false true]"},
	} {
		body := fmt.Sprintf(`{"subject":{"type":"agent","id":"https://idp.test|a"},"resource":{"type":"service","id":"shop"},"evaluations":[%s]`, strings.Join(row.items, ","))
		if row.semantic != "" {
			body += `,"options":{"evaluations_semantic":"` + row.semantic + `"}`
		}
		status, got, _ := newDoor(t).post("a", authzen.PathEvaluations, body+"}")
		var all []bool
		list, _ := got["evaluations"].([]any)
		for i, v := range list {
			item := v.(map[string]any)
			all = append(all, item["decision"].(bool))
			failed := strings.Contains(row.items[i], `{}`) || row.items[i] == "7"
			if _, told := item["context"].(map[string]any)["error"]; told != failed {
				t.Errorf("%s: item %d: %v", name, i, item)
			}
		}
		if status != 200 || fmt.Sprint(all) != row.want {
			t.Errorf("%s: %d %v", name, status, got)
		}
	}
	for _, none := range []string{``, `,"evaluations":[]`} {
		status, got, _ := newDoor(t).post("a", authzen.PathEvaluations, strings.TrimSuffix(ask("a", "shop", "restart"), "}")+none+"}")
		if status != 200 || got["decision"] != true {
			t.Errorf("%q: %d %v", none, status, got)
		}
	}
}

func TestASearchGoesThroughItsPages(t *testing.T) {
	d := newDoor(t)
	var found []any
	token := ""
	for pages := 1; ; pages++ {
		body := strings.TrimSuffix(ask("a", "shop", "restart"), "}") + `,"page":{"token":"` + token + `"}}`
		status, got, _ := d.post("ann", authzen.PathSearch+"resource", body)
		if status != 200 || pages > 3 {
			t.Fatalf("page %d: %d %v", pages, status, got)
		}
		found = append(found, got["results"].([]any)...)
		if token = got["page"].(map[string]any)["next_token"].(string); token == "" {
			break
		}
	}
	if fmt.Sprint(found) != "[map[id:shop type:service]]" {
		t.Errorf("%v", found)
	}
	for part, want := range map[string]string{"subject": "[map[id:https://idp.test|a type:agent]]", "action": "[map[name:playbook/restart]]"} {
		if _, got, _ := d.post("ann", authzen.PathSearch+part, ask("a", "shop", "restart")); fmt.Sprint(got["results"]) != want {
			t.Errorf("%s: %v", part, got)
		}
	}
}

func TestTheMetadataNamesThisDecisionPoint(t *testing.T) {
	w := httptest.NewRecorder()
	newDoor(t).door.ServeHTTP(w, httptest.NewRequest("GET", "https://other.test"+authzen.PathMetadata, nil))
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got["policy_decision_point"] != "https://writ.test" || got["access_evaluation_endpoint"] != "https://writ.test/access/v1/evaluation" {
		t.Errorf("%s", w.Body)
	}
}

// Whatever comes in, the answer is JSON with a status, and a decision only with 200.
func FuzzEvaluations(f *testing.F) {
	f.Add(ask("a", "shop", "restart"))
	f.Add(`{"evaluations":[{"subject":null},7,{}],"options":{"evaluations_semantic":"execute_all"}}`)
	f.Fuzz(func(t *testing.T, body string) {
		d := newDoor(t)
		for _, path := range []string{authzen.PathEvaluation, authzen.PathEvaluations, authzen.PathSearch + "subject"} {
			status, got, _ := d.post("a", path, body)
			if _, decided := got["decision"]; decided && status != 200 || status >= 500 && !strings.Contains(body, "broken") {
				t.Errorf("%s: %d %v", path, status, got)
			}
		}
	})
}
