package oauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/oauth"
	"github.com/writ-dev/writ/internal/token"
)

func TestAControlPlaneTokenIsExchangedForTheGrantOfOnePlan(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	raw := w.tokenOf("repair", key)
	got := w.exchanged(raw, key)
	if got.status != http.StatusOK || got.text("token_type") != "DPoP" || got.text("issued_token_type") != accessTyp || got.body["expires_in"] != float64(300) ||
		got.text("grant") != string(grantID) || got.text("plan") != string(planID) || got.text("run") != "run_"+ulid || got.text("present") != external+"/v1/runs" {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	all, _ := got.body["authorization_details"].([]any)
	if len(all) != 1 || all[0].(map[string]any)["plan_digest"] != digest.String() || len(all[0].(map[string]any)["actions"].([]any)) != 1 {
		t.Errorf("details: %v", all)
	}
	want := writ.Authorization{Type: writ.AuthorizationType, Plan: planID, PlanDigest: digest}
	if len(w.ctl.asked) != 1 || fmt.Sprint(w.ctl.asked[0]) != fmt.Sprint(want) {
		t.Errorf("asked for %v", w.ctl.asked)
	}
}

func TestAnExchangeThatIsNotGoodIsRefusedWithOAuthsErrors(t *testing.T) {
	w, key, thief := newWorld(t), newKey(t), newKey(t)
	raw, others := w.tokenOf("repair", key), w.tokenOf("other", key)
	set := func(name, v string) func(url.Values) { return func(f url.Values) { f.Set(name, v) } }
	for name, c := range map[string]struct {
		got   reply
		error string
		code  string
	}{
		"another key":         {w.exchanged(raw, thief), "invalid_grant", ""},
		"another agent":       {w.exchanged(others, key), "access_denied", "not_yours"},
		"another runner":      {w.exchanged(raw, key, set("resource", "spiffe://corp.example/runner/other")), "invalid_target", "runner_altered"},
		"no runner":           {w.exchanged(raw, key, set("resource", "")), "invalid_target", ""},
		"two runners":         {w.exchanged(raw, key, func(f url.Values) { f.Add("resource", string(runner)) }), "invalid_request", ""},
		"a web page":          {w.exchanged(raw, key, set("resource", "https://writ.example")), "invalid_target", ""},
		"no token type":       {w.exchanged(raw, key, set("subject_token_type", "")), "invalid_request", ""},
		"a JWT as type":       {w.exchanged(raw, key, set("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")), "invalid_request", ""},
		"an actor":            {w.exchanged(raw, key, set("actor_token", raw)), "invalid_request", ""},
		"a platform token":    {w.exchanged(w.assertion(platform, "repair"), key), "invalid_grant", ""},
		"a proof without ath": {w.post(oauth.PathToken, url.Values{"grant_type": {exchange}, "subject_token": {raw}, "subject_token_type": {accessTyp}, "resource": {string(runner)}, "authorization_details": {theDetails()}}, "DPoP", w.bare(key)), "invalid_dpop_proof", ""},
		"no details":          {w.exchanged(raw, key, set("authorization_details", "")), "invalid_authorization_details", ""},
	} {
		if c.got.status != 400 || c.got.text("error") != c.error || c.got.text("code") != c.code || c.got.body["access_token"] != nil {
			t.Errorf("%s: %d %s", name, c.got.status, c.got.raw)
		}
	}
}

type decidedError struct{ *writ.Refusal }

func (decidedError) DecisionID() writ.DecisionID { return "dec_" + ulid }
func (d decidedError) Unwrap() error             { return d.Refusal }

func TestARefusedExchangeSaysWhyAndWaitingOnesArePaced(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	raw := w.tokenOf("repair", key)
	for name, c := range map[string]struct {
		err    error
		status int
		error  string
		code   string
		after  string
	}{
		"denied":      {decidedError{&writ.Refusal{Code: writ.ReasonLimit, Detail: "too much"}}, 400, "access_denied", "limit", ""},
		"frozen":      {&writ.Refusal{Code: writ.ReasonFrozen, Kind: writ.ErrFrozen, Detail: "frozen", After: time.Minute}, 400, "access_denied", "frozen", "60"},
		"busy":        {&writ.Refusal{Code: writ.ReasonBudget, Kind: writ.ErrBusy}, 429, "slow_down", "budget", "5"},
		"unavailable": {fmt.Errorf("%w: the store", writ.ErrUnavailable), 503, "temporarily_unavailable", "", "2"},
		"broken":      {fmt.Errorf("secret text"), 500, "server_error", "", ""},
	} {
		w.ctl.refuse = c.err
		got := w.exchanged(raw, key)
		if got.status != c.status || got.text("error") != c.error || got.text("code") != c.code || got.header.Get("Retry-After") != c.after || strings.Contains(got.raw, "secret") {
			t.Errorf("%s: %d %s %v", name, got.status, got.raw, got.header)
		}
		if (got.text("decision_id") != "") != (name == "denied") {
			t.Errorf("%s: decision %q", name, got.text("decision_id"))
		}
	}

	w.ctl.refuse = &writ.Refusal{Code: writ.ReasonPending, Kind: writ.ErrConflict, Detail: "two people have to approve it"}
	asked := len(w.ctl.asked)
	waits := func(name, want string) {
		t.Helper()
		got := w.exchanged(raw, key)
		if got.status != 400 || got.text("error") != want || got.text("plan") != string(planID) || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s %v", name, got.status, got.raw, got.header)
		}
	}
	waits("at first", "authorization_pending")
	waits("at once again", "slow_down")
	w.pass(4 * time.Second)
	waits("too early", "slow_down")
	w.pass(time.Second)
	waits("in time", "authorization_pending")
	if got := w.exchanged(raw, key, func(f url.Values) {
		f.Set("authorization_details", strings.Replace(theDetails(), "pln_01", "pln_02", 1))
	}); got.text("error") != "authorization_pending" {
		t.Errorf("another plan: %s", got.raw)
	}
	if n := len(w.ctl.asked) - asked; n != 3 {
		t.Errorf("the control plane was asked %d times, want 3", n)
	}
	w.ctl.refuse = nil
	w.pass(5 * time.Second)
	if got := w.exchanged(raw, key); got.status != http.StatusOK {
		t.Errorf("once approved: %s", got.raw)
	}
}

func TestPitfall17IntrospectionTellsAnOutsiderNothing(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	raw := w.tokenOf("repair", key)
	compact := w.exchanged(raw, key).text("access_token")
	as := func(name string) http.Handler {
		return w.endpoint.RunnerHandler(func(*http.Request) (writ.RunnerID, bool) { return writ.RunnerID(name), name != "" })
	}
	asked := func(h http.Handler, tok string, header ...string) reply {
		return w.send(h, oauth.PathIntrospect, url.Values{"token": {tok}}.Encode(), header...)
	}
	auditor := func(sub string) []string {
		return []string{"Authorization", "Bearer " + w.assertion(platform+"/people", sub)}
	}
	agent := func() []string {
		return []string{"Authorization", "DPoP " + raw, "DPoP", w.with(key, oauth.PathIntrospect, raw)}
	}
	wantNothing := func(name string, got reply) {
		t.Helper()
		if got.status != http.StatusOK || got.raw != `{"active":false}` {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	mine := as(string(runner))
	if got := asked(mine, compact); got.body["active"] != true || got.text("jti") != string(grantID) || got.text("aud") != string(runner) || got.body["authorization_details"] == nil {
		t.Errorf("a runner about its grant: %s", got.raw)
	}
	if got := asked(w.handler, compact, auditor("auditor")...); got.body["active"] != true || got.text("jti") != string(grantID) {
		t.Errorf("an auditor about a grant: %s", got.raw)
	}
	if got := asked(w.handler, raw, auditor("auditor")...); got.body["active"] != true || got.text("sub") != "repair" || got.text("token_type") != "DPoP" {
		t.Errorf("an auditor about a token: %s", got.raw)
	}
	wantNothing("another runner's grant", asked(as("spiffe://corp.example/runner/other"), compact))
	wantNothing("a runner about a control-plane token", asked(mine, raw))
	wantNothing("a person who is no auditor", asked(w.handler, compact, auditor("somebody")...))
	wantNothing("the agent itself", asked(w.handler, compact, agent()...))
	wantNothing("a token that is none", asked(mine, "hello"))
	wantNothing("an altered grant", asked(mine, compact[:len(compact)-4]+"AAAA"))
	wantNothing("a platform's token", asked(w.handler, w.assertion(platform, "repair"), auditor("auditor")...))
	for name, h := range map[string]http.Handler{"nobody": w.handler, "no runner": as("")} {
		if got := asked(h, compact); got.status != http.StatusUnauthorized || got.text("error") != "invalid_client" || got.body["active"] != nil {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	w.ctl.bar("repair", writ.Refuse(writ.ReasonAgentSuspended, ""))
	wantNothing("a suspended agent's token", asked(w.handler, raw, auditor("auditor")...))
	w.ctl.bar("repair", nil)
	w.ctl.spent = true
	wantNothing("a spent grant", asked(mine, compact))
	w.ctl.spent = false
	w.pass(5 * time.Minute)
	wantNothing("an expired grant", asked(mine, compact))
	w.pass(5 * time.Minute)
	wantNothing("an expired token", asked(w.handler, raw, auditor("auditor")...))
}

func TestPitfall17RevokingAnUnknownTokenAnswers200(t *testing.T) {
	w, key := newWorld(t), newKey(t)
	raw, old, others := w.tokenOf("repair", key), w.tokenOf("repair", key), w.tokenOf("other", key)
	compact := w.exchanged(raw, key).text("access_token")
	revoke := func(tok string) reply {
		t.Helper()
		return w.post(oauth.PathRevoke, url.Values{"token": {tok}}, "Authorization", "DPoP "+raw, "DPoP", w.with(key, oauth.PathRevoke, raw))
	}
	alive := func(tok string) bool {
		r := httptest.NewRequest("POST", "http://evil.example/v1/plans", nil)
		r.Header.Set("Authorization", "DPoP "+tok)
		r.Header.Set("DPoP", w.with(key, "/v1/plans", tok))
		_, err := w.auth.Principal(t.Context(), r)
		return err == nil
	}
	for name, tok := range map[string]string{"no token": "hello", "another agent's": others, "a platform's": w.assertion(platform, "repair"), "its own": old, "its own again": old, "its grant": compact} {
		if got := revoke(tok); got.status != http.StatusOK || got.raw != "{}" {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
		}
	}
	if alive(old) || !alive(others) || !alive(raw) {
		t.Errorf("revoked %v, another agent's %v, the one in use %v", alive(old), alive(others), alive(raw))
	}
	if len(w.ctl.revoked) != 1 || w.ctl.revoked[0] != grantID {
		t.Errorf("grants revoked: %v", w.ctl.revoked)
	}
	w.ctl.spent = true
	if got := revoke(compact); got.status != http.StatusOK {
		t.Errorf("a spent grant: %d %s", got.status, got.raw)
	}
	if got := w.post(oauth.PathRevoke, url.Values{"token": {raw}}); got.status != http.StatusUnauthorized || !alive(raw) {
		t.Errorf("by nobody: %d %s", got.status, got.raw)
	}
	if got := revoke(raw); got.status != http.StatusOK || alive(raw) {
		t.Errorf("the one in use: %d %s", got.status, got.raw)
	}
	if got := revoke(raw); got.status != http.StatusUnauthorized {
		t.Errorf("with a revoked token: %d %s", got.status, got.raw)
	}
	if got := w.exchanged(raw, key); got.text("error") != "invalid_grant" {
		t.Errorf("an exchange with a revoked token: %s", got.raw)
	}
	if c, err := w.access.Verify(raw, w.now()); err != nil || c.Confirm.Thumbprint != token.Thumbprint(&key.PublicKey) {
		t.Error("the token is not what the test thinks")
	}
}
