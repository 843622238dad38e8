package authzen_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/api/apitest"
	"github.com/writ-dev/writ/internal/authzen"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// The scenario that the OpenID Foundation certifies decision points of the Authorization API 1.0 with: two users, two
// records, eight decisions that must come out as they stand there, and a form for everything else. Numbers of the cases are
// the ones of its text, "AuthZEN Authorization API 1.0 - Certification Scenario" of the AuthZEN working group,
// https://openid.github.io/authzen/authorization-api-1_0-certification-scenario.html.
//
// The door is the real one, with a set of rules of its own behind it. Only here do properties of a request count.
const (
	scenarioSchema = `
entity User { role?: String };
entity Record { status?: String };
action "read", "write", "delete" appliesTo { principal: [User], resource: [Record], context: { soft?: Bool } };`

	scenarioRules = `
@id("read") permit (principal in User::"alice", action == Action::"read", resource is Record);
@id("read-too") permit (principal in User::"bob", action == Action::"read", resource is Record);
@id("write") permit (principal == User::"alice", action == Action::"write", resource is Record)
unless { resource has status && resource.status == "archived" };
@id("keep-the-archive") permit (principal is User, action == Action::"write", resource is Record)
when { principal has role && principal.role == "admin" && resource has status && resource.status == "archived" };
@id("delete-softly") permit (principal == User::"alice", action == Action::"delete", resource is Record)
when { context has soft && context.soft };`

	scenarioIssuer = "https://users.test"
)

// archive decides by those rules. What it knows of users and records itself, a request's properties stand before.
type archive struct {
	t      *testing.T
	schema *cedarx.Schema
	rules  []*cedarx.Policy
	users  map[string]cedarx.Members
	files  map[string]cedarx.Members
}

type saidKey struct{}

func (a *archive) heard(ctx context.Context, p authzen.Properties) context.Context {
	return context.WithValue(ctx, saidKey{}, p)
}

// members are those of one part: the known ones, and over them what the request said.
func members(known cedarx.Members, said map[string]json.RawMessage, names ...string) cedarx.Record {
	out := cedarx.Members{}
	for k, v := range known {
		out[k] = v
	}
	for _, name := range names {
		var text string
		var truth bool
		switch raw := said[name]; {
		case raw == nil:
		case json.Unmarshal(raw, &truth) == nil:
			out[cedarx.Name(name)] = cedarx.Bool(truth)
		case json.Unmarshal(raw, &text) == nil:
			out[cedarx.Name(name)] = cedarx.Name(text)
		}
	}
	return cedarx.NewRecord(out)
}

func (a *archive) Evaluate(ctx context.Context, _ writ.Principal, q writ.AccessQuestion) (writ.Decision, error) {
	d := writ.Decision{Verdict: writ.Deny, Reason: writ.ReasonNoGrantRule, At: time.Unix(1800000000, 0).UTC()}
	said, _ := ctx.Value(saidKey{}).(authzen.Properties)
	user, file := a.users[q.Subject.Sub], a.files[q.Service]
	action, known := a.schema.Action(q.Action)
	if !known || user == nil || file == nil || q.Subject.Iss != scenarioIssuer {
		return d, nil
	}
	subject := cedarx.NewEntity(cedarx.NewUID("User", q.Subject.Sub), members(user, said["subject"], "role"))
	record := cedarx.NewEntity(cedarx.NewUID("Record", q.Service), members(file, said["resource"], "status"))
	ask := cedarx.Request{Principal: subject.UID, Action: action.UID, Resource: record.UID, Context: members(nil, said["action"], "soft")}
	if err := a.schema.CheckRequest(ask); err != nil {
		a.t.Error(err)
	}
	got, err := cedarx.Authorize(a.rules, cedarx.Entities{subject, record, action}, ask)
	if err != nil || len(got.Errors) > 0 {
		a.t.Error(err, got.Errors)
	}
	if got.Allow {
		d.Verdict, d.Reason, d.Policies = writ.Allow, writ.ReasonAllowed, got.Reasons
	}
	return d, nil
}

func (a *archive) AccessNames(context.Context, writ.Principal) (writ.AccessNames, error) {
	out := writ.AccessNames{Services: []string{"record-1", "record-2"}, Actions: a.schema.Actions()}
	for _, name := range []string{"alice", "bob"} {
		out.Subjects = append(out.Subjects, writ.Principal{Kind: writ.KindHuman, Iss: scenarioIssuer, Sub: name})
	}
	return out, nil
}

// scenario serves the door over TLS, as the harness of the scenario meets it.
func scenario(t *testing.T) (base string, client *http.Client) {
	t.Helper()
	a := &archive{
		t:     t,
		users: map[string]cedarx.Members{"alice": {}, "bob": {"role": cedarx.Name("admin")}},
		files: map[string]cedarx.Members{"record-1": {"status": cedarx.Name("active")}, "record-2": {"status": cedarx.Name("archived")}},
	}
	var err error
	if a.schema, err = cedarx.ParseSchema("schema", []byte(scenarioSchema)); err != nil {
		t.Fatal(err)
	}
	if a.rules, err = cedarx.Parse("rules", []byte(scenarioRules)); err != nil {
		t.Fatal(err)
	}
	for _, p := range a.rules {
		if err := a.schema.CheckPolicy(p); err != nil {
			t.Fatal(err)
		}
	}
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	t.Cleanup(s.Close)
	s.Config.Handler, err = authzen.ScenarioHandler(authzen.Config{
		Authenticator: keys{"Bearer harness": ann}, Evaluator: a, Proposer: &rules{}, Idempotency: &apitest.Keys{}, BindingKey: make([]byte, 32),
		ExternalURL: s.URL, Log: slog.New(slog.DiscardHandler),
	}, authzen.Scenario{Subject: "user", Resource: "record", Issuer: scenarioIssuer, Heard: a.heard})
	if err != nil {
		t.Fatal(err)
	}
	return s.URL, s.Client()
}

// send posts a body, or gets when there is none, and returns status, headers and the answer.
func send(t *testing.T, client *http.Client, url, kind, id, body string) (int, http.Header, map[string]any) {
	t.Helper()
	method := http.MethodPost
	if kind == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer harness")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if id != "" {
		req.Header.Set("X-Request-ID", id)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&out); err != nil || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %s: %v", url, b, err)
	}
	return resp.StatusCode, resp.Header, out
}

// Shorthand of the cases.
const (
	alice, bob, admin    = `"subject":{"type":"user","id":"alice"}`, `"subject":{"type":"user","id":"bob"}`, `"subject":{"type":"user","id":"bob","properties":{"role":"admin"}}`
	users, records       = `"subject":{"type":"user"}`, `"resource":{"type":"record"}`
	first, second, filed = `"resource":{"type":"record","id":"record-1"}`, `"resource":{"type":"record","id":"record-2"}`, `"resource":{"type":"record","id":"record-2","properties":{"status":"archived"}}`
	active               = `"resource":{"type":"record","id":"record-1","properties":{"status":"active"}}`
	read, write          = `"action":{"name":"read"}`, `"action":{"name":"write"}`
	softly, hard         = `"action":{"name":"delete","properties":{"soft":true}}`, `"action":{"name":"delete","properties":{"soft":false}}`
	aside                = `"context":{"time":"2026-03-01T10:00:00Z","ip":"192.0.2.7"}`
)

func obj(members ...string) string { return "{" + strings.Join(members, ",") + "}" }

// each is a list of evaluations.
func each(items ...string) string { return `"evaluations":[` + strings.Join(items, ",") + `]` }

// either is any decision: of these the scenario wants the form only.
const either = "?"

func TestThePublishedScenarioOfAuthZEN(t *testing.T) {
	base, client := scenario(t)
	const ev, evs = authzen.PathEvaluation, authzen.PathEvaluations
	subjects, resources, actions := authzen.PathSearch+"subject", authzen.PathSearch+"resource", authzen.PathSearch+"action"
	for id, c := range map[string]struct {
		path, body, want string // a decision, a list of them, names that must be among the results, or a status
	}{
		// The eight decisions.
		"1.4 rule 1": {ev, obj(alice, read, first), "true"},
		"1.4 rule 2": {ev, obj(alice, write, first), "true"},
		"1.4 rule 3": {ev, obj(bob, read, first), "true"},
		"1.4 rule 4": {ev, obj(bob, write, first), "false"},
		"1.4 rule 5": {ev, obj(alice, write, filed), "false"},
		"1.4 rule 6": {ev, obj(admin, write, filed), "true"},
		"1.4 rule 7": {ev, obj(alice, softly, first), "true"},
		"1.4 rule 8": {ev, obj(alice, hard, first), "false"},
		// Forms of one evaluation.
		"2.2.3 a context":        {ev, obj(alice, read, first, aside), "true"},
		"2.2.8 more properties":  {ev, obj(`"subject":{"type":"user","id":"alice","properties":{"department":"Sales","role":"manager"}}`, `"action":{"name":"read","properties":{"method":"GET"}}`, `"resource":{"type":"record","id":"record-1","properties":{"status":"active","owner":"bob"}}`), "true"},
		"2.2.9 unknown members":  {ev, obj(alice, read, first, `"later":{"nested":true},"foo":"bar"`), "true"},
		"2.4.1 no subject":       {ev, obj(read, first), "400"},
		"2.4.1 no action":        {ev, obj(alice, first), "400"},
		"2.4.1 no resource":      {ev, obj(alice, read), "400"},
		"2.4.2 subject type":     {ev, obj(`"subject":{"id":"alice"}`, read, first), "400"},
		"2.4.2 subject id":       {ev, obj(users, read, first), "400"},
		"2.4.2 action name":      {ev, obj(alice, `"action":{}`, first), "400"},
		"2.4.2 resource type":    {ev, obj(alice, read, `"resource":{"id":"record-1"}`), "400"},
		"2.4.2 resource id":      {ev, obj(alice, read, records), "400"},
		"2.4.4 no JSON":          {ev, `{"subject":`, "400"},
		"2.4.5 nothing":          {ev, ``, "400"},
		"2.4.6 a text for it":    {ev, obj(`"subject":"alice"`, read, first), "400"},
		"2.4.6 a number in it":   {ev, obj(alice, `"action":{"name":123}`, first), "400"},
		"2.4.6 an odd context":   {ev, obj(alice, read, first, `"context":"now"`), "400"},
		"an unknown user":        {ev, obj(`"subject":{"type":"user","id":"mallory"}`, read, first), "false"},
		"an unknown action":      {ev, obj(alice, `"action":{"name":"shred"}`, first), "false"},
		"an unknown kind of one": {ev, obj(`"subject":{"type":"spaceship","id":"alice"}`, read, first), "false"},
		// Several evaluations.
		"3.2.1 defaults":           {evs, obj(alice, read, each(obj(first), obj(second))), "? ?"},
		"3.2.2 in order":           {evs, obj(bob, first, each(obj(read), obj(write))), "true false"},
		"3.2.3 of each its own":    {evs, obj(alice, write, each(obj(active), obj(filed))), "true false"},
		"3.2.4 of each subject":    {evs, obj(write, filed, each(obj(alice), obj(admin))), "false true"},
		"3.2.5 without defaults":   {evs, obj(each(obj(alice, read, first), obj(bob, write, first))), "true false"},
		"3.2.6 contexts":           {evs, obj(alice, read, aside, each(obj(first), obj(second, `"context":{"source":"own"}`))), "? ?"},
		"3.2.7 the type of all":    {evs, obj(alice, write, records, each(obj(`"resource":{"id":"record-1","properties":{"status":"active"}}`), obj(filed))), "true false"},
		"3.4.1 one of no form":     {evs, obj(alice, read, each(obj(first), `{}`)), "true false"},
		"3.4.1 one of an odd form": {evs, obj(alice, read, each(obj(first), `7`, obj(`"resource":[]`))), "true false false"},
		"3.4.2 no list":            {evs, obj(alice, read, first), "true"},
		"3.4.3 an empty list":      {evs, obj(alice, read, first, each()), "true"},
		"3.4 no JSON":              {evs, `{"evaluations":[`, "400"},
		"semantic: all":            {evs, obj(bob, first, `"options":{"evaluations_semantic":"execute_all"}`, each(obj(write), obj(read), obj(write))), "false true false"},
		"semantic: first deny":     {evs, obj(bob, first, `"options":{"evaluations_semantic":"deny_on_first_deny"}`, each(obj(read), obj(write), obj(read))), "true false"},
		"semantic: first permit":   {evs, obj(bob, first, `"options":{"evaluations_semantic":"permit_on_first_permit"}`, each(obj(write), obj(read), obj(write))), "false true"},
		// Searches.
		"4.2.1 who may read":       {subjects, obj(users, read, first), "alice bob"},
		"4.2.2 with a context":     {subjects, obj(users, read, first, aside), "alice bob"},
		"4.2.4 who writes there":   {subjects, obj(users, write, filed), "bob"},
		"4.3.1 what alice reads":   {resources, obj(alice, read, records), "record-1"},
		"4.3.3 what an admin does": {resources, obj(admin, write, records), "record-2"},
		"4.4.1 what alice may":     {actions, obj(alice, first), "read write"},
		"4.4.2 with a context":     {actions, obj(alice, first, aside), "read write"},
		"4.4.3 what bob may":       {actions, obj(admin, filed), "write"},
		"4.5.1 a page of one":      {subjects, obj(users, read, first, `"page":{"limit":1}`), "alice"},
		"4.5 a page of none":       {subjects, obj(users, read, first, `"page":{"limit":0}`), "400"},
		"4.6.1 nobody":             {actions, obj(`"subject":{"type":"user","id":"nonexistent-user"}`, first), ""},
		"4.6.2 no such kind":       {subjects, obj(`"subject":{"type":"spaceship"}`, read, first), ""},
		"4.6.2 no such thing":      {resources, obj(alice, read, `"resource":{"type":"spaceship"}`), ""},
		"4.7.1 no action":          {subjects, obj(users, first), "400"},
		"4.7.1 no subject":         {resources, obj(read, records), "400"},
		"4.7.1 no resource":        {actions, obj(alice), "400"},
		"4.7.2 resource id":        {subjects, obj(users, read, records), "400"},
		"4.7.2 subject id":         {resources, obj(users, read, records), "400"},
	} {
		for range 2 { // 2.6: the same again
			status, header, got := send(t, client, base+c.path, "application/json", "req-"+id, c.body)
			if header.Get("X-Request-ID") != "req-"+id { // 2.5.1
				t.Errorf("%s: the request's id is not echoed", id)
			}
			if why := fits(status, got, c.want); why != "" {
				t.Errorf("%s: %s: %d %v", id, why, status, got)
			}
		}
	}
}

// fits compares an answer with what is wanted of it.
func fits(status int, got map[string]any, want string) string {
	results, searched := got["results"].([]any)
	list, several := got["evaluations"].([]any)
	switch {
	case want == "400":
		if status != 400 || got["decision"] != nil {
			return "want 400 and no decision"
		}
	case status != 200:
		return "want 200"
	case searched:
		var names []string
		for _, r := range results {
			r := r.(map[string]any)
			name, _ := r["id"].(string)
			if r["type"] != "user" && r["type"] != "record" {
				name, _ = r["name"].(string)
			}
			names = append(names, name)
		}
		for _, name := range strings.Fields(want) {
			if !slices.Contains(names, name) {
				return "want " + name + " among the results"
			}
		}
		if want == "" && len(names) > 0 {
			return "want no results"
		}
	case several:
		words := strings.Fields(want)
		if len(list) != len(words) || got["decision"] != nil {
			return fmt.Sprintf("want %d evaluations", len(words))
		}
		for i, word := range words {
			decision, is := list[i].(map[string]any)["decision"].(bool)
			if !is || word != either && fmt.Sprint(decision) != word {
				return "want " + want
			}
		}
	default:
		if decision, is := got["decision"].(bool); !is || fmt.Sprint(decision) != want {
			return "want " + want
		}
	}
	return ""
}

// Pages, headers and the document of section 6.
func TestThePublishedScenariosPagesAndMetadata(t *testing.T) {
	base, client := scenario(t)
	url := base + authzen.PathSearch + "subject"
	var names []string
	for token, pages := "", 0; ; pages++ {
		_, _, got := send(t, client, url, "application/json", "", obj(users, read, first, `"page":{"limit":1,"token":"`+token+`"}`))
		page, ok := got["page"].(map[string]any)
		next, text := page["next_token"].(string)
		results, _ := got["results"].([]any)
		if !ok || !text || pages > 2 || page["count"] != float64(len(results)) || len(results) > 1 {
			t.Fatalf("%v", got)
		}
		for _, r := range results {
			names = append(names, r.(map[string]any)["id"].(string))
		}
		if token = next; token == "" {
			break
		}
	}
	if !slices.Equal(names, []string{"alice", "bob"}) {
		t.Errorf("%v", names)
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonp"} { // 2.4.3
		if status, _, got := send(t, client, base+authzen.PathEvaluation, kind, "", obj(alice, read, first)); status != 400 {
			t.Errorf("%s: %d %v", kind, status, got)
		}
	}
	status, header, got := send(t, client, base+authzen.PathEvaluation, "application/json; charset=utf-8", "", obj(alice, read, first))
	if status != 200 || got["decision"] != true || header.Get("X-Request-ID") != "" { // 2.5.2
		t.Errorf("%d %v", status, got)
	}
	status, _, got = send(t, client, base+authzen.PathMetadata, "", "", "")
	if status != 200 || got["policy_decision_point"] != base {
		t.Errorf("%d %v", status, got)
	}
	for name, path := range map[string]string{
		"access_evaluation_endpoint": authzen.PathEvaluation, "access_evaluations_endpoint": authzen.PathEvaluations,
		"search_subject_endpoint": authzen.PathSearch + "subject", "search_resource_endpoint": authzen.PathSearch + "resource", "search_action_endpoint": authzen.PathSearch + "action",
	} {
		if got[name] != base+path {
			t.Errorf("%s: %v", name, got[name])
		}
	}
	if list, ok := got["capabilities"].([]any); !ok || len(list) == 0 || fmt.Sprintf("%T", list[0]) != "string" {
		t.Errorf("%v", got["capabilities"])
	}
}
