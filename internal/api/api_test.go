package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api"
	"github.com/writ-dev/writ/internal/api/apitest"
)

const (
	key      = "Idempotency-Key: 0123456789abcdef"
	match    = `If-Match: "`
	proposal = `{"incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","playbook":"rollback-deployment","parameters":{"replicas":3,"name":"api","force":true},"because":"errors since 42"}`
	observe  = `{"incident":"inc_01JDB4A2Q7N5S3J8E6X0F4G1MB","reader":"kubernetes/workload.status","target":"kubernetes://prod-eu1"}`
	newAgent = `{"name":"repair","iss":"https://idp.example","sub":"repair","team":"payments","roles":["repair"]}`
	freeze   = `{"scope":"all","reason":"drill"}`
	hook     = `{"version":"4","groupKey":"{}:{alertname=\"High\"}","status":"firing","commonLabels":{"service":"payments"},"alerts":[{"status":"firing","labels":{"alertname":"High"},"annotations":{},"startsAt":"2026-11-22T03:00:00Z","fingerprint":"a1b2"}]}`
)

func answerBody(d writ.Digest) string {
	return `{"plan_digest":"` + d.String() + `","statement":"e30=","signature":"-----BEGIN SSH SIGNATURE-----","reason":"matches"}`
}

// every is one good call of each operation, with the kinds that may make it.
var every = []struct {
	method, path, body string
	headers            []string
	kinds              string // of agent, human, source
	status             int
}{
	{"POST", "/v1/alerts/alertmanager", hook, nil, "source", 200},
	{"GET", "/v1/incidents", "", nil, "agent human", 200},
	{"GET", "/v1/incidents/" + string(incident), "", nil, "agent human", 200},
	{"GET", "/v1/playbooks?service=payments", "", nil, "agent human", 200},
	{"GET", "/v1/incidents/" + string(incident) + "/readers?target=kubernetes://prod-eu1", "", nil, "agent human", 200},
	{"GET", "/v1/playbooks/rollback-deployment", "", nil, "agent human", 200},
	{"POST", "/v1/evidence", observe, []string{key}, "agent human", 201},
	{"GET", "/v1/evidence/" + string(evidence), "", nil, "agent human", 200},
	{"GET", "/v1/evidence/" + string(evidence) + "/content", "", nil, "agent human", 200},
	{"POST", "/v1/proposals", proposal, []string{key}, "agent human", 201},
	{"GET", "/v1/plans", "", nil, "agent human", 200},
	{"GET", "/v1/plans/" + string(planID), "", nil, "agent human", 200},
	{"POST", "/v1/plans/" + string(planID) + "/withdrawal", `{}`, nil, "agent human", 200},
	{"POST", "/v1/plans/" + string(planID) + "/approvals", answerBody(digest), []string{key, match + digest.String() + `"`}, "human", 200},
	{"GET", "/v1/runs", "", nil, "agent human", 200},
	{"GET", "/v1/runs/" + string(runID), "", nil, "agent human", 200},
	{"POST", "/v1/runs", `{"grant":"e30.e30.c2ln","proof":"e30.e30.c2ln"}`, []string{key}, "agent", 202},
	{"POST", "/v1/runs/" + string(runID) + "/stop", `{"because":"wrong"}`, nil, "human", 200},
	{"POST", "/v1/runs/" + string(runID) + "/settlement", `{"step":1,"as":"applied","reason":"I looked"}`, nil, "human", 200},
	{"POST", "/v1/incidents/" + string(incident) + "/undo", `{"because":"wrong"}`, nil, "human", 200},
	{"GET", "/v1/freezes", "", nil, "agent human source", 200},
	{"POST", "/v1/freezes", freeze, []string{key}, "human", 201},
	{"GET", "/v1/playbook-records?service=payments", "", nil, "human", 200},
	{"GET", "/v1/agent-records?agent=repair", "", nil, "human", 200},
	{"POST", "/v1/autonomy", `{"statement":"e30=","signature":"sig","reason":"earned"}`, nil, "human", 200},
	{"POST", "/v1/autonomy/begin", `{"agent":"repair","to":"T1","record":"` + digest.String() + `"}`, nil, "human", 200},
	{"GET", "/v1/reviews?state=owed", "", nil, "human", 200},
	{"POST", "/v1/reviews/" + string(runID), `{"verdict":"justified","note":"fine"}`, nil, "human", 200},
	{"GET", "/v1/reports/unused?days=7", "", nil, "human", 200},
	{"POST", "/v1/breakglass", `{"statement":"e30=","signature":"sig","justification":"down"}`, []string{key}, "human", 201},
	{"POST", "/v1/breakglass/begin", `{"service":"payments","playbook":{"name":"emergency-restart","version":1,"digest":"` + digest.String() + `"}}`, nil, "human", 200},
	{"GET", "/v1/breakglass", "", nil, "human", 200},
	{"GET", "/v1/breakglass/" + string(glassID), "", nil, "human", 200},
	{"POST", "/v1/breakglass/" + string(glassID) + "/review", `{"verdict":"justified","note":"fine"}`, nil, "human", 200},
	{"POST", "/v1/hand-offs", `{"incident":"` + string(incident) + `","to":"repair","playbooks":["rollback-deployment"],"max_tier":"T1"}`, []string{key}, "agent human", 201},
	{"GET", "/v1/hand-offs?incident=" + string(incident), "", nil, "agent human", 200},
	{"GET", "/v1/hand-offs/" + string(handOffID), "", nil, "agent human", 200},
	{"POST", "/v1/hand-offs/" + string(handOffID) + "/revoke", "", nil, "agent human", 200},
	{"GET", "/v1/agents", "", nil, "human", 200},
	{"GET", "/v1/agents/repair", "", nil, "human", 200},
	{"POST", "/v1/agents", newAgent, []string{key}, "human", 201},
	{"POST", "/v1/agents/repair/suspend", `{"reason":"odd"}`, nil, "human", 200},
	{"POST", "/v1/agents/repair/resume", `{"reason":"fine"}`, nil, "human", 200},
	{"POST", "/v1/agents/repair/remove", `{"reason":"gone"}`, nil, "human", 200},
	{"POST", "/v1/agents/repair/rotate", `{"iss":"https://idp.example","sub":"repair-2","reason":"leaked"}`, nil, "human", 200},
	{"GET", "/v1/upstreams", "", nil, "human", 200},
	{"POST", "/v1/upstreams/kube/verify", "", nil, "human", 200},
	{"POST", "/v1/upstreams/pin", `{"name":"kube__list_pods","digest":"sha256:` + strings.Repeat("0a", 32) + `","read":true,"reason":"it reads"}`, nil, "human", 200},
	{"POST", "/v1/upstreams/unpin", `{"name":"kube__list_pods","reason":"it looks wrong"}`, nil, "human", 200},
	{"GET", "/v1/runners", "", nil, "human", 200},
	{"POST", "/v1/runners/invite", `{"runner":"prod-eu1"}`, nil, "human", 200},
	{"POST", "/v1/runners/remove", `{"runner":"prod-eu1","reason":"it is gone"}`, nil, "human", 200},
	{"GET", "/v1/sessions", "", nil, "human", 200},
	{"POST", "/v1/sessions/" + string(sessionID) + "/revoke", "", nil, "human", 200},
	{"GET", "/v1/passkeys", "", nil, "human", 200},
	{"POST", "/v1/plans/" + string(planID) + "/recall", "", nil, "human", 200},
	{"GET", "/v1/on-call", "", nil, "human", 200},
	{"POST", "/v1/on-call/delegations", `{"group":"payments-oncall","iss":"https://idp.example","sub":"bob","until":"2026-11-22T04:00:00Z"}`, []string{key}, "human", 201},
	{"POST", "/v1/on-call/delegations/" + string(delegationID) + "/return", "", nil, "human", 200},
	{"POST", "/v1/passkeys/begin", "", nil, "human", 200},
	{"POST", "/v1/passkeys", `{"credential":"aWQ=","client_data":"e30=","attestation":"YXR0"}`, []string{key}, "human", 201},
	{"POST", "/v1/passkeys/" + string(passkeyID) + "/confirm", `{"fingerprint":"SHA256:key"}`, nil, "human", 200},
	{"POST", "/v1/passkeys/" + string(passkeyID) + "/remove", "", nil, "human", 200},
	{"POST", "/v1/policy/changes", `{"files":{"tiers.yaml":"e30="},"signature":"e30="}`, []string{key}, "human", 201},
	{"GET", "/v1/policy/changes", "", nil, "human", 200},
	{"GET", "/v1/policy/changes/" + string(changeID), "", nil, "human", 200},
	{"POST", "/v1/policy/changes/" + string(changeID) + "/withdraw", "", nil, "human", 200},
	{"POST", "/v1/policy/changes/" + string(changeID) + "/answers/begin", `{"change_digest":"` + digest.String() + `","decision":"approve"}`, nil, "human", 200},
	{"POST", "/v1/policy/changes/" + string(changeID) + "/answers", `{"statement":"e30=","signature":"sig"}`, []string{key}, "human", 200},
	{"GET", "/v1/policy/sets/current", "", nil, "human", 200},
	{"GET", "/v1/plans/" + string(planID) + "/explanation", "", nil, "human", 200},
	{"POST", "/v1/policy/simulations", `{"files":{"tiers.yaml":"e30="}}`, nil, "human", 200},
	{"POST", "/v1/plans/" + string(planID) + "/approvals/begin", `{"plan_digest":"` + digest.String() + `","decision":"approve","slot":"owner"}`, nil, "human", 200},
	{"POST", "/v1/freezes/" + string(freezeID) + "/lift", `{"reason":"over"}`, nil, "human", 200},
	{"GET", "/v1/events", "", nil, "agent human", 200},
	{"GET", "/v1/ledger/entries", "", nil, "human source", 200},
	{"GET", "/v1/ledger/export", "", nil, "human source", 200},
	{"GET", "/v1/status", "", nil, "agent human source", 200},
	{"POST", "/v1/incidents/" + string(incident) + "/notes", `{"text":"the cache was cold"}`, []string{key}, "human", 201},
	{"POST", "/v1/plans/" + string(planID) + "/evidence-asks", `{"text":"the error rate since 03:00"}`, []string{key}, "human", 201},
	{"GET", "/v1/playbooks/rollback-deployment/versions", "", nil, "human", 200},
	{"POST", "/v1/playbooks/rollback-deployment/retire", `{"reason":"superseded"}`, nil, "human", 200},
	{"GET", "/v1/ledger/search?kind=approval&actor=ann&since=2026-11-22T03:00:00Z", "", nil, "human", 200},
	{"POST", "/v1/notices/test", `{"channel":"mail"}`, []string{key}, "human", 202},
}

func TestEveryCallIsOpenToItsKindsAndToNoOther(t *testing.T) {
	for _, c := range every {
		for _, who := range []string{"agent", "human", "source", ""} {
			f := &fake{}
			w := request(handler(t, f), who, c.method, c.path, c.body, c.headers...)
			may := who != "" && strings.Contains(" "+c.kinds+" ", " "+who+" ")
			switch {
			case who == "":
				wantProblem(t, w, 401, writ.ReasonUnauthenticated)
				if w.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("%s %s: a 401 without WWW-Authenticate", c.method, c.path)
				}
			case may && w.Code != c.status:
				t.Errorf("%s %s as %s: %d %s", c.method, c.path, who, w.Code, w.Body)
			case !may:
				wantProblem(t, w, 403, writ.ReasonKind)
			}
			if !may && len(f.Calls()) > 0 {
				t.Errorf("%s %s as %q reached the control plane: %v", c.method, c.path, who, f.Calls())
			}
		}
	}
}

func TestI02AnAgentThatCallsApproveIsRefusedAndThatIsRecorded(t *testing.T) {
	f := &fake{}
	w := request(handler(t, f), "agent", "POST", "/v1/plans/"+string(planID)+"/approvals", answerBody(digest), key, match+digest.String()+`"`)
	wantProblem(t, w, 403, writ.ReasonKind)
	want := fmt.Sprintf("approve %s kind %s", agent, planID)
	if len(f.Refusals()) != 1 || f.Refusals()[0] != want {
		t.Errorf("recorded %q, want %q", f.Refusals(), want)
	}
	if len(f.Calls()) != 0 {
		t.Errorf("the control plane was reached: %v", f.Calls())
	}
}

func TestI02AnAgentIsRefusedTheSameWithoutADenialsRecorder(t *testing.T) {
	f := &fake{}
	c := apitest.Config(f)
	c.Denials = nil
	h, err := api.Handler(c)
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, request(h, "agent", "POST", "/v1/runs/"+string(runID)+"/stop", `{}`), 403, writ.ReasonKind)
}

func TestKindsOfErrorBecomeStatuses(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   writ.Reason
		retry  string
	}{
		{writ.ErrUnknownUser, 401, writ.ReasonUnauthenticated, "never"},
		{writ.ErrDenied, 403, "denied", "never"},
		{writ.Refuse(writ.ReasonParameterBound, "replicas must be at least 3"), 403, writ.ReasonParameterBound, "never"},
		{fmt.Errorf("plan x: %w", writ.ErrNotFound), 404, "not_found", "never"},
		{writ.ErrConflict, 409, "conflict", "never"},
		{writ.ErrStale, 412, "stale", "never"},
		{writ.ErrInvalid, 422, writ.ReasonForm, "never"},
		{&writ.Refusal{Code: writ.ReasonUnknownService, Kind: writ.ErrInvalid}, 422, writ.ReasonUnknownService, "never"},
		{writ.ErrFrozen, 423, writ.ReasonFrozen, "after"},
		{&writ.Refusal{Code: writ.ReasonBudget, Kind: writ.ErrBusy}, 429, writ.ReasonBudget, "after"},
		{&writ.Refusal{Code: writ.ReasonCooldown, Kind: writ.ErrBusy, After: 290*time.Second + 1}, 429, writ.ReasonCooldown, "after"},
		{writ.ErrUnavailable, 503, writ.ReasonUnavailable, "after"},
		{&writ.Refusal{Code: writ.ReasonUnavailable, Kind: writ.ErrUnavailable, Detail: "no answer from the runner"}, 503, writ.ReasonUnavailable, "after"},
		{context.DeadlineExceeded, 503, writ.ReasonUnavailable, "after"},
		{errors.New("disk on fire"), 500, "internal", "never"},
	} {
		f := &fake{}
		f.Err = c.err
		w := request(handler(t, f), "human", "GET", "/v1/plans/"+string(planID), "")
		p := wantProblem(t, w, c.status, c.code)
		if p.Retry != c.retry {
			t.Errorf("%v: retry %q, want %q", c.err, p.Retry, c.retry)
		}
		if p.Type != "/problems/"+string(c.code) || p.TraceID == "" || p.Title == "" {
			t.Errorf("%v: incomplete problem %+v", c.err, p)
		}
		if (c.status == 429 || c.status == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%v: Retry-After %q", c.err, w.Header().Get("Retry-After"))
		}
		if after := w.Header().Get("Retry-After"); c.code == writ.ReasonCooldown && after != "291" {
			t.Errorf("a cooldown of 290 s and a bit: Retry-After %q", after)
		}
	}
}

func TestI20ErrorsOfTheInsideAreLoggedAndNotTold(t *testing.T) {
	f := &fake{}
	for _, err := range []error{errors.New("dial postgres: password=hunter2"), fmt.Errorf("%w: dial postgres: password=hunter2", writ.ErrUnavailable)} {
		f.Err = err
		c, log := logged(f)
		h, _ := api.Handler(c)
		w := request(h, "human", "GET", "/v1/status", "")
		if strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("told: %s", w.Body)
		}
		var p api.Problem
		json.Unmarshal(w.Body.Bytes(), &p)
		if !strings.Contains(log.String(), p.TraceID) || !strings.Contains(log.String(), "dial postgres") {
			t.Errorf("log %q does not explain trace %s", log, p.TraceID)
		}
	}
}

// crooked panics in a proposal once, and has a plan that cannot be written: a zero digest cannot be marshalled.
type crooked struct {
	*fake
	panicked bool
}

func (c *crooked) Propose(ctx context.Context, by writ.Principal, ask writ.Ask) (writ.PlanStatus, error) {
	if !c.panicked {
		c.panicked = true
		panic("in propose")
	}
	return c.fake.Propose(ctx, by, ask)
}

func (c *crooked) Plan(ctx context.Context, by writ.Principal, id writ.PlanID, wait time.Duration) (writ.PlanStatus, error) {
	p, err := c.fake.Plan(ctx, by, id, wait)
	p.Playbook.Digest = writ.Digest{}
	return p, err
}

func crookedly(t *testing.T) http.Handler {
	f := &fake{}
	c := apitest.Config(f)
	c.Proposals = &crooked{fake: f}
	return serves(t, c)
}

func TestAPanicIsAProblemAndFreesTheKey(t *testing.T) {
	h := crookedly(t)
	wantProblem(t, request(h, "agent", "POST", "/v1/proposals", proposal, key), 500, "internal")
	if w := request(h, "agent", "POST", "/v1/proposals", proposal, key); w.Code != 201 {
		t.Errorf("the same call afterwards: %d %s", w.Code, w.Body)
	}
}

func TestAnAnswerThatCannotBeWrittenIsAProblemAndNotASuccess(t *testing.T) {
	wantProblem(t, request(crookedly(t), "human", "GET", "/v1/plans/"+string(planID), ""), 500, "internal")
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	h := handler(t, &fake{})
	wantProblem(t, request(h, "human", "GET", "/v1/nothing", ""), 404, "not_found")
	wantProblem(t, request(h, "human", "DELETE", "/v1/plans", ""), 405, "method")
	w := request(h, "human", "PUT", "/v1/freezes", "")
	if got := w.Header().Values("Allow"); strings.Join(got, " ") != "GET POST" {
		t.Errorf("Allow: %v", got)
	}
}

func TestAPageOfAnotherOriginCannotPost(t *testing.T) {
	f := &fake{}
	h := handler(t, f)
	w := request(h, "human", "POST", "/v1/freezes", freeze, key, "Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
	wantProblem(t, w, 403, "cross_origin")
	if len(f.Calls()) > 0 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("calls %v, headers %v", f.Calls(), w.Header())
	}
	w = request(h, "human", "POST", "/v1/freezes", freeze, key, "Sec-Fetch-Site: same-site", "Origin: https://writ.example")
	if w.Code != 201 {
		t.Errorf("own origin: %d %s", w.Code, w.Body)
	}
}

func TestTheTraceIDOfTheCallerIsKept(t *testing.T) {
	h := handler(t, &fake{})
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	w := request(h, "", "GET", "/v1/status", "", "Traceparent: 00-"+id+"-00f067aa0ba902b7-01")
	if p := wantProblem(t, w, 401, writ.ReasonUnauthenticated); p.TraceID != id {
		t.Errorf("trace id %q", p.TraceID)
	}
	if got := w.Header().Get("Traceparent"); !strings.HasPrefix(got, "00-"+id+"-") || strings.Contains(got, "00f067aa0ba902b7") {
		t.Errorf("Traceparent %q", got)
	}
	w = request(h, "", "GET", "/v1/status", "", "Traceparent: <script>")
	if p := wantProblem(t, w, 401, writ.ReasonUnauthenticated); len(p.TraceID) != 32 {
		t.Errorf("made-up trace id %q", p.TraceID)
	}
}

func TestAnswersAreNotKeptByCaches(t *testing.T) {
	w := request(handler(t, &fake{}), "human", "GET", "/v1/status", "")
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", w.Header())
	}
}

func TestAConfigWithoutAPartIsRefused(t *testing.T) {
	c := apitest.Config(&fake{})
	c.Freezes = nil
	if _, err := api.Handler(c); !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), "freezes") {
		t.Errorf("got %v", err)
	}
	c = apitest.Config(&fake{})
	c.ExternalURL = "writ.example"
	if _, err := api.Handler(c); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// wantProblem checks status, code and form, and returns the problem.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, code writ.Reason) api.Problem {
	t.Helper()
	var p api.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("not a problem: %d %q: %v", w.Code, w.Body, err)
	}
	if w.Code != status || p.Status != status || p.Code != code || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %q %s, want %d %q; %s", w.Code, p.Code, w.Header().Get("Content-Type"), status, code, p.Detail)
	}
	return p
}
