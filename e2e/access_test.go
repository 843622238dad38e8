package e2e_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/authn"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/storefront"
)

// An outsider is somebody else's decision point: an HTTPS server on loopback that answers as it is told, and keeps all that
// it is sent.
type outsider struct {
	*httptest.Server
	mu    sync.Mutex
	says  http.HandlerFunc // guarded by mu
	heard []string         // likewise: each call's path, headers and body
}

// pdpToken is the one credential that the decision point is to see.
const pdpToken = "for-the-decision-point-alone"

func newOutsider(t testing.TB) *outsider {
	t.Helper()
	o := &outsider{says: tells(http.StatusOK, `{"decision":true}`)}
	o.Server = httptest.NewTLSServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *outsider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	o.mu.Lock()
	o.heard = append(o.heard, fmt.Sprintf("%s %s\n%v\n%s", r.Method, r.URL, r.Header, body))
	says := o.says
	o.mu.Unlock()
	says(w, r)
}

// will says how it answers from now on, and returns how often it was asked before.
func (o *outsider) will(says http.HandlerFunc) (asked int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.says = says
	return len(o.heard)
}

func (o *outsider) asked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.heard)
}

func tells(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// watched is a shop whose control plane asks an outsider.
func watched(t testing.TB) (*counter, *outsider) {
	t.Helper()
	o := newOutsider(t)
	x := prepareShop(t)
	write(t, filepath.Join(x.in.Dir, "pdp-ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.Certificate().Raw}))
	write(t, filepath.Join(x.in.Dir, "pdp-token"), []byte(pdpToken+"\n"))
	x.edit(func(c *config.Server) {
		c.Veto = &config.Veto{URL: o.URL + "/access/v1/evaluation", CA: "pdp-ca.pem", TokenFile: "pdp-token", Timeout: config.Duration(5 * time.Second)} // the longest: this machine may be busy
	})
	x.start()
	return x.fails(), o
}

// question puts one to the AuthZEN door. An empty name is nobody's.
func (x *counter) question(as, kind, path, body string) (int, http.Header, map[string]any) {
	x.t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(x.t.Context(), method, x.url+path, strings.NewReader(body))
	must(x.t, err)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Request-ID", "question-7")
	r.Header.Set("Idempotency-Key", "key-"+writ.DigestOf([]byte(body)).String()[8:40])
	if as != "" {
		r.Header.Set("Authorization", "Bearer "+x.tokenOf(as))
	}
	resp, err := http.DefaultClient.Do(r)
	must(x.t, err)
	var out map[string]any
	text := readAll(x.t, resp.Body)
	x.heard(text)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		x.t.Fatalf("%s: %s: %v", path, text, err)
	}
	return resp.StatusCode, resp.Header, out
}

func named(agent string) string {
	return fmt.Sprintf(`{"type":"agent","id":"%s|%s"}`, authn.DevIssuer, agent)
}

// about is a question of an agent about a playbook for checkout, with more of the body.
func about(agent, playbook string, more ...string) string {
	parts := append([]string{`"subject":` + named(agent), `"resource":{"type":"service","id":"` + storefront.Checkout + `"}`, `"action":{"name":"playbook/` + playbook + `"}`}, more...)
	return "{" + strings.Join(parts, ",") + "}"
}

// TestPitfall16AVetoAndQuestionsThroughWholeProcesses asks the AuthZEN door of a live server, goes from a denial by a request
// and an approval to the same question again, and then lets somebody else's decision point say everything but yes.
func TestPitfall16AVetoAndQuestionsThroughWholeProcesses(t *testing.T) {
	t.Parallel()
	x, pdp := watched(t)
	before := x.shop.WriteRequests()
	x.statuses()
	x.answers()
	if n := pdp.asked(); n != 0 {
		t.Errorf("the outsider was asked %d times about questions that grant nothing", n)
	}
	x.untouched(before)
	x.vetoed(pdp, before)
	x.requests(pdp)
	x.secretsKept(pdp)
	x.verified(t)
}

// statuses speak of the call alone.
func (x *counter) statuses() {
	x.t.Helper()
	const js, one, many = "application/json", "/access/v1/evaluation", "/access/v1/evaluations"
	good := about(repairer, "rollback-release")
	for name, row := range map[string]struct {
		as, kind, path, body string
		want                 int
	}{
		"nobody":                 {"", js, one, good, 401},
		"an agent about another": {diagnoser, js, one, good, 403},
		"another content type":   {repairer, "text/plain", one, good, 400},
		"no JSON":                {repairer, js, one, `{"subject":`, 400},
		"no action":              {repairer, js, one, `{"subject":` + named(repairer) + `,"resource":{"type":"service","id":"x"}}`, 400},
		"a number for a name":    {repairer, js, one, strings.Replace(good, `"checkout"`, `7`, 1), 400},
		"an unknown semantic":    {repairer, js, many, about(repairer, "x", `"evaluations":[{}],"options":{"evaluations_semantic":"some"}`), 400},
		"no task of anybody":     {repairer, js, "/access/v1/requests/pln_01JDB4A2Q7N5S3J8E6X0F4G1MB", "", 404},
		"no such search":         {repairer, js, "/access/v1/search/policy", good, 404},
	} {
		status, header, got := x.question(row.as, row.kind, row.path, row.body)
		if status != row.want || got["decision"] != nil || got["error"] == "" || header.Get("X-Request-ID") != "question-7" {
			x.t.Errorf("%s: %d %v", name, status, got)
		}
	}
}

// answers are advice, whatever the caller says beside the names.
func (x *counter) answers() {
	x.t.Helper()
	in := fmt.Sprintf(`"context":{"incident":%q,"approvalsOwner":9,"severity":1,"tainted":false},"later":{"member":[1]}`, x.incident)
	for name, row := range map[string]struct {
		as, path, body, want string
	}{
		"what policy alone allows":   {repairer, "/access/v1/evaluation", about(repairer, "rollback-release", in), "[true]"},
		"what a person must approve": {repairer, "/access/v1/evaluation", about(repairer, "scale-service", in), "[false]"},
		"what nobody grants":         {you, "/access/v1/evaluation", about(diagnoser, "rollback-release", in), "[false]"},
		"a playbook of nobody":       {repairer, "/access/v1/evaluation", about(repairer, "rm-rf", in), "[false]"},
		"all of them": {repairer, "/access/v1/evaluations",
			about(repairer, "rollback-release", in, `"evaluations":[{},{"action":{"name":"playbook/scale-service"}},7]`), "[true false false]"},
		"until the first deny": {repairer, "/access/v1/evaluations",
			about(repairer, "scale-service", in, `"options":{"evaluations_semantic":"deny_on_first_deny"},"evaluations":[{},{"action":{"name":"playbook/rollback-release"}}]`), "[false]"},
		"until the first permit": {repairer, "/access/v1/evaluations",
			about(repairer, "rollback-release", in, `"options":{"evaluations_semantic":"permit_on_first_permit"},"evaluations":[{},{}]`), "[true]"},
	} {
		status, header, got := x.question(row.as, "application/json", row.path, row.body)
		var all []any
		if list, several := got["evaluations"].([]any); several {
			for _, v := range list {
				all = append(all, v.(map[string]any)["decision"])
			}
		} else {
			all = []any{got["decision"]}
		}
		if status != 200 || fmt.Sprint(all) != row.want || header.Get("X-Request-ID") != "question-7" {
			x.t.Errorf("%s: %d %v, want %s", name, status, got, row.want)
		}
	}
	for path, row := range map[string]struct{ as, want string }{
		"subject": {you, authn.DevIssuer + "|" + repairer}, "resource": {repairer, storefront.Checkout}, "action": {repairer, "playbook/rollback-release"},
	} {
		status, _, got := x.question(row.as, "application/json", "/access/v1/search/"+path, about(repairer, "rollback-release", in))
		if results := fmt.Sprint(got["results"]); status != 200 || !strings.Contains(results, row.want) || strings.Contains(results, "scale-service") {
			x.t.Errorf("search for %s: %d %v", path, status, got)
		}
	}
	if status, _, got := x.question(repairer, "application/json", "/.well-known/authzen-configuration", ""); status != 200 || !strings.HasSuffix(fmt.Sprint(got["access_evaluation_endpoint"]), "/access/v1/evaluation") {
		x.t.Errorf("metadata: %d %v", status, got)
	}
}

// vetoed lets the outsider say everything but yes about a repair that policy alone allows: nothing runs. What policy denies
// it is not even asked about, and no reading either.
func (x *counter) vetoed(pdp *outsider, before int) {
	x.t.Helper()
	hung := make(chan struct{})
	defer close(hung)
	noes := map[string]http.HandlerFunc{
		"false":                 tells(200, `{"decision":false}`),
		"an error with a true":  tells(500, `{"decision":true}`),
		"no JSON":               func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "yes") },
		"an unknown obligation": tells(200, `{"decision":true,"context":{"obligations":[{"id":"page-somebody"}]}}`),
		"a word":                tells(200, `{"decision":"true"}`),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/yes", http.StatusTemporaryRedirect)
		},
		"a cut wire": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"silence": func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-hung:
			case <-r.Context().Done():
			}
		},
	}
	for name, says := range noes {
		was := pdp.will(says)
		if a := x.ask("rollback-release", rollbackTo("v41")); a.State != string(writ.PlanDenied) || a.Reason != writ.ReasonExternalVeto {
			x.t.Errorf("%s: %s (%s)", name, a.State, a.Reason)
		}
		if n := pdp.asked(); n != was+1 {
			x.t.Errorf("%s: asked %d times", name, n-was)
		}
	}
	x.untouched(before)
	if n := x.denied(writ.ReasonExternalVeto); n < len(noes) {
		x.t.Errorf("%d of %d denials are in the ledger", n, len(noes))
	}
	was := pdp.will(tells(200, `{"decision":true}`))
	a := x.agent(x.t, diagnoser)
	if out := a.propose(x.t, x.incident, "rollback-release", rollbackTo("v41"), x.evidence...); out.State == string(writ.PlanGranted) || out.Run != "" {
		x.t.Errorf("a true rescued what policy denies: %s", out.text)
	}
	x.look()
	if n := pdp.asked(); n != was {
		x.t.Errorf("it was asked %d times about what policy denies, or a reading", n-was)
	}
	x.untouched(before)
}

// requests goes from a denial that approvals would lift, by a request and an approval, to the same question again.
func (x *counter) requests(pdp *outsider) {
	x.t.Helper()
	with := fmt.Sprintf(`"incident":%q,"parameters":{"service":%q,"replicas":4},"evidence":[%q],"because":"orders wait"`, x.incident, storefront.Checkout, x.evidence[0])
	_, _, denial := x.question(repairer, "application/json", "/access/v1/evaluation", about(repairer, "scale-service", `"context":{`+with+`}`))
	need, _ := denial["context"].(map[string]any)["access_request"].(map[string]any)
	if denial["decision"] != false || need["binding_token"] == nil || need["approvals"] == nil {
		x.t.Fatalf("%v", denial)
	}
	bound := fmt.Sprintf(`"denial":{"binding_token":%q,"expires_at":%q}`, need["binding_token"], need["expires_at"])
	if status, _, got := x.question(repairer, "application/json", "/access/v1/requests", about(repairer, "rollback-release", `"context":{`+with+`}`, bound)); status != 400 || !strings.HasSuffix(fmt.Sprint(got["error"]), "invalid_denial_binding") {
		x.t.Errorf("with the denial of another action: %d %v", status, got)
	}
	body := about(repairer, "scale-service", `"context":{`+with+`}`, bound, `"requested_access":{"emergency":true}`, `"client":{"actor":"root"}`)
	status, _, got := x.question(repairer, "application/json", "/access/v1/requests", body)
	task, _ := got["task"].(map[string]any)
	if status != 201 || task["status"] != "pending" {
		x.t.Fatalf("%d %v", status, got)
	}
	if _, _, again := x.question(repairer, "application/json", "/access/v1/requests", body); fmt.Sprint(again["task"].(map[string]any)["id"]) != fmt.Sprint(task["id"]) {
		x.t.Errorf("the same request is another task: %v", again)
	}
	id, err := writ.ParsePlanID(fmt.Sprint(task["id"]))
	must(x.t, err)
	path := "/access/v1/requests/" + string(id)
	if p, err := x.person.WaitPlan(x.t.Context(), id, writ.PlanPlanning); err != nil || p.State != writ.PlanWaiting {
		x.t.Fatalf("%s (%s) %v", p.State, p.Reason, err)
	}
	again := about(repairer, "scale-service", fmt.Sprintf(`"context":{"incident":%q,"approval":{"id":%q}}`, x.incident, id))
	if _, _, got := x.question(repairer, "application/json", "/access/v1/evaluation", again); got["decision"] != false {
		x.t.Errorf("before anybody approved: %v", got)
	}
	if status, _, got := x.question(diagnoser, "application/json", path, ""); status != 404 {
		x.t.Errorf("another agent's look at the task: %d %v", status, got)
	}
	was := pdp.asked()
	if a := x.approves(id); a.code != 0 {
		x.t.Fatal(a.err)
	}
	await(x.t, "the task", func() (bool, string) {
		_, _, got = x.question(repairer, "application/json", path, "")
		state := fmt.Sprint(got["task"].(map[string]any)["status"])
		return state != "pending", state
	})
	result, _ := got["result"].(map[string]any)
	if got["task"].(map[string]any)["status"] != "approved" || result["mode"] != "reevaluate" || fmt.Sprint(result["approval"].(map[string]any)["id"]) != string(id) {
		x.t.Errorf("%v", got)
	}
	if n := pdp.asked(); n == was {
		x.t.Error("the outsider was not asked about the grant")
	}
	if _, _, got := x.question(repairer, "application/json", "/access/v1/evaluation", again); got["decision"] != true {
		x.t.Errorf("with the approval: %v", got)
	}
	other := strings.Replace(again, "scale-service", "restart-service", 1)
	if _, _, got := x.question(repairer, "application/json", "/access/v1/evaluation", other); got["decision"] != false {
		x.t.Errorf("the approval of another action: %v", got)
	}
	x.ends(id)
}

// secretsKept looks through all that the outsider was sent.
func (x *counter) secretsKept(pdp *outsider) {
	x.t.Helper()
	pdp.mu.Lock()
	all := strings.Join(pdp.heard, "\n")
	pdp.mu.Unlock()
	if !strings.Contains(all, pdpToken) || !strings.Contains(all, `"plan_digest"`) {
		x.t.Fatal("the outsider kept nothing of what it was told")
	}
	secrets := map[string]string{}
	for _, party := range []string{diagnoser, repairer, you, ana, rob, alerts} {
		secrets[party+"'s token"] = x.tokenOf(party)
	}
	for name, b := range x.shop.Files() {
		if !strings.Contains(string(b), "openapi") {
			secrets["the target's "+name] = strings.TrimSpace(string(b))
		}
	}
	for name, secret := range secrets {
		for _, form := range forms(secret) {
			if strings.Contains(all, string(form)) {
				x.t.Errorf("the outsider was sent %s", name)
			}
		}
	}
	if n := strings.Count(all, "Authorization"); n != strings.Count(all, "Authorization:[Bearer "+pdpToken+"]") || strings.Contains(all, "eyJ") {
		x.t.Error("the outsider was sent a credential that is not its own")
	}
}
