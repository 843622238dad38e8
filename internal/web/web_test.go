package web_test

import (
	"errors"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/web"
)

var update = flag.Bool("update", false, "write the golden pages")

const wantPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types live"

// inline finds what the policy would block: scripts and styles inside the page, and anything from elsewhere.
var inline = regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:|(src|href|action)="(https?:)?//`)

func TestEveryPageCarriesTheContentPolicyAndNothingThatItBlocks(t *testing.T) {
	h := site(t, newFake(t))
	paths := append([]string{"/no/such", "/plans/pln_x", "/static/style.css", "/static/live.js", "/live/nothing"}, everyPage...)
	for _, path := range paths {
		a := ask(t, h, "GET", path, nil)
		if got := a.Header.Get("Content-Security-Policy"); got != wantPolicy {
			t.Errorf("%s: policy %q", path, got)
		}
		if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			if found := inline.FindString(a.body); found != "" {
				t.Errorf("%s has %q in it", path, found)
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be kept: %q", path, a.Header.Get("Cache-Control"))
			}
		}
	}
}

func TestEveryPageIsLight(t *testing.T) {
	h := site(t, newFake(t))
	shared := len(get(t, h, "/static/style.css")) + len(get(t, h, "/static/live.js")) + len(get(t, h, "/static/icon.svg"))
	if n := len(get(t, h, "/static/live.js")); n >= 1024 {
		t.Errorf("live.js has %d bytes", n)
	}
	for _, path := range everyPage {
		if n := shared + len(get(t, h, path)); n > 60_000 {
			t.Errorf("%s weighs %d bytes", path, n)
		}
	}
}

func TestOnlyAPersonWithASessionSeesPages(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	nobody := func(r *http.Request) { r.Header.Del("Cookie") }
	for _, path := range everyPage {
		a := ask(t, h, "GET", path, nil, nobody)
		if to := a.Header.Get("Location"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, "/login?to="+url.QueryEscape(path)) {
			t.Errorf("%s without a session: %s to %q", path, a.Status, to)
		}
		for _, token := range []string{"Bearer agent", "Bearer whatever", "Basic x"} {
			// A person's cookie does not help: a bearer token opens no page.
			if a := ask(t, h, "GET", path, nil, func(r *http.Request) { r.Header.Set("Authorization", token) }); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s: %s", path, token, a.Status)
			}
		}
	}
	if did := f.did(); len(did) != 0 {
		t.Errorf("reading was recorded: %v", did)
	}
	if a := ask(t, h, "GET", "/live/runs/"+string(runID), nil, nobody, func(r *http.Request) { r.Header.Set("Accept", "text/event-stream") }); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stream without a session: %s", a.Status)
	}
	f.by = agent
	if a := ask(t, h, "GET", "/", nil); a.StatusCode != http.StatusForbidden {
		t.Errorf("an agent's session: %s", a.Status)
	}
}

func TestAnAgentThatSendsAFormIsRefusedAndThatIsRecorded(t *testing.T) {
	f := newFake(t)
	a := ask(t, site(t, f), "POST", "/plans/"+string(planID)+"/withdraw", url.Values{"reason": {"x"}}, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer agent")
		r.Header.Del("Cookie")
	})
	if did := f.did(); a.StatusCode != http.StatusForbidden || len(did) != 1 || did[0] != "denied page repair kind" {
		t.Errorf("%s, %v", a.Status, did)
	}
}

func TestAFormOfAnotherOriginIsRefused(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	for name, change := range map[string]func(*http.Request){
		"fetch metadata": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"same site":      func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"origin":         func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
	} {
		if a := ask(t, h, "POST", "/freeze", url.Values{"scope": {"all"}, "reason": {"x"}}, change); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
	if did := f.did(); len(did) != 0 {
		t.Errorf("something was done: %v", did)
	}
}

func TestPathsBelongToNoOtherDoor(t *testing.T) {
	for _, p := range web.Paths {
		for _, taken := range []string{"/v1", "/mcp", "/openapi.json", "/login", "/logout", "/.well-known", "/token", "/introspect", "/revoke", "/access"} {
			if p == "/" || p == taken || strings.HasPrefix(p, taken+"/") || strings.HasPrefix(taken, strings.TrimSuffix(p, "/")+"/") && p != "/{$}" {
				t.Errorf("%s covers %s", p, taken)
			}
		}
	}
}

func TestFormsDoWhatTheySay(t *testing.T) {
	why := url.Values{"reason": {"because"}}
	with := func(kv ...string) url.Values {
		v := url.Values{"reason": {"because"}}
		for i := 0; i < len(kv); i += 2 {
			v.Set(kv[i], kv[i+1])
		}
		return v
	}
	for name, c := range map[string]struct {
		path   string
		fields url.Values
		did    string
		to     string
	}{
		"withdraw":            {"/plans/" + string(planID) + "/withdraw", why, "withdraw " + string(planID) + " because", "/plans/" + string(planID)},
		"read again":          {"/evidence/" + string(evidence) + "/again", url.Values{}, "observe " + string(incident) + " kubernetes/workload.status kubernetes://prod-eu1 {\"name\":\"payments-api\"}", "/evidence/" + string(evidenceAgain) + "?against=" + string(evidence)},
		"stop":                {"/runs/" + string(runID) + "/stop", why, "stop " + string(runID) + " because", "/runs/" + string(runID)},
		"settle, applied":     {"/runs/" + string(runID) + "/settle", with("step", "1", "as", "applied"), "settle " + string(runID) + " 1 applied because", "/runs/" + string(runID)},
		"settle, not applied": {"/runs/" + string(runID) + "/settle", with("step", "2", "as", "not_applied"), "settle " + string(runID) + " 2 not_applied because", "/runs/" + string(runID)},
		"undo":                {"/incidents/" + string(incident) + "/undo", why, "undo " + string(incident) + " because", "/incidents/" + string(incident)},
		"note":                {"/incidents/" + string(incident) + "/note", url.Values{"text": {"cold\r\ncache "}}, "note " + string(incident) + " cold\ncache", "/incidents/" + string(incident)},
		"ask for evidence":    {"/plans/" + string(planID) + "/evidence", url.Values{"text": {"the error rate"}}, "ask evidence " + string(planID) + " the error rate", "/plans/" + string(planID)},
		"retire":              {"/playbooks/rollback-deployment/retire", why, "retire rollback-deployment because", "/playbooks/rollback-deployment"},
		"test a channel":      {"/health/test", url.Values{"channel": {"mail"}}, "test mail", "/health"},
		"undo of one run":     {"/incidents/" + string(incident) + "/undo", with("run", string(runID)), "undo " + string(incident) + " because from " + string(runID), "/incidents/" + string(incident)},
		"suspend":             {"/agents/repair/suspend", why, "agent repair suspended because", "/agents"},
		"resume":              {"/agents/repair/resume", why, "agent repair active because", "/agents"},
		"freeze all":          {"/freeze", with("scope", "all", "value", "left over"), "freeze all  because", "/freeze"},
		"freeze a service":    {"/freeze", with("scope", "service", "value", "payments-api"), "freeze service payments-api because", "/freeze"},
		"lift":                {"/freeze/" + string(freezeID) + "/lift", why, "unfreeze " + string(freezeID) + " because", "/freeze"},
	} {
		f := newFake(t)
		a := ask(t, site(t, f), "POST", c.path, c.fields)
		if did := f.did(); len(did) != 1 || did[0] != c.did || a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != c.to {
			t.Errorf("%s: %s to %q, did %q", name, a.Status, a.Header.Get("Location"), did)
		}
	}
}

func TestAFormWithoutItsFieldsDoesNothing(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	for name, c := range map[string]struct {
		path   string
		fields url.Values
		status int
	}{
		"no reason":      {"/freeze", url.Values{"scope": {"all"}, "reason": {" "}}, 422},
		"no effect":      {"/runs/" + string(runID) + "/settle", url.Values{"step": {"1"}, "reason": {"x"}}, 422},
		"unknown effect": {"/runs/" + string(runID) + "/settle", url.Values{"step": {"1"}, "as": {"unknown"}, "reason": {"x"}}, 422},
		"no run":         {"/incidents/" + string(incident) + "/undo", url.Values{"run": {"run_1"}, "reason": {"x"}}, 404},
		"no note":        {"/incidents/" + string(incident) + "/note", url.Values{"text": {" "}}, 422},
		"no question":    {"/plans/" + string(planID) + "/evidence", url.Values{}, 422},
		"no cause":       {"/playbooks/rollback-deployment/retire", url.Values{}, 422},
		"no step":        {"/runs/" + string(runID) + "/settle", url.Values{"step": {"0"}, "as": {"applied"}, "reason": {"x"}}, 422},
		"no id":          {"/plans/pln_1/withdraw", url.Values{"reason": {"x"}}, 404},
		"no name":        {"/agents/A%20B/suspend", url.Values{"reason": {"x"}}, 404},
		"too long":       {"/freeze", url.Values{"scope": {"all"}, "reason": {strings.Repeat("x", 40<<10)}}, 422},
	} {
		if a := ask(t, h, "POST", c.path, c.fields); a.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", name, a.Status, c.status)
		}
	}
	if did := f.did(); len(did) != 0 {
		t.Errorf("something was done: %v", did)
	}
}

func TestAFreezeThatIsSentTwiceFreezesOnce(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	get(t, h, "/") // what this page knew is not what the next one shows
	for range 2 {
		ask(t, h, "POST", "/freeze", url.Values{"scope": {"all"}, "reason": {"now"}})
	}
	if did := f.did(); len(did) != 1 {
		t.Errorf("%v", did)
	}
	for _, path := range everyPage {
		if !strings.Contains(get(t, h, path), "<b>Frozen:</b> everything") {
			t.Errorf("%s does not say that everything is frozen", path)
		}
	}
}

func TestADevelopmentLoginSaysSoOnEveryPageAndGoesOnToPagesOfThisHost(t *testing.T) {
	f := newFake(t)
	dev := site(t, f, func(c *web.Config) { c.Dev = true })
	for _, path := range append([]string{"/dev/login"}, everyPage...) {
		if !strings.Contains(get(t, dev, path), "Development login.") {
			t.Errorf("%s does not say that this is development", path)
		}
	}
	for _, c := range []struct{ key, to, where string }{
		{plainKey, "/plans/" + string(planID), "/plans/" + string(planID)}, {plainKey, "", "/"}, {plainKey, "//evil.example", "/"}, {plainKey, "https://evil.example", "/"}, {"other", "/", ""},
	} {
		a := ask(t, dev, "POST", "/dev/login", url.Values{"key": {c.key}, "to": {c.to}})
		if a.Header.Get("Location") != c.where || (len(a.Cookies()) == 1) != (c.where != "") {
			t.Errorf("key %s to %q: %s to %q, %d cookies", c.key, c.to, a.Status, a.Header.Get("Location"), len(a.Cookies()))
		}
		if strings.Contains(a.body, c.key) && c.key == "other" && strings.Contains(a.body, `value="other"`) {
			t.Error("the key is shown again")
		}
	}
	// Without --dev there is no such login, and no page says that there is.
	h := site(t, f)
	if a := ask(t, h, "POST", "/dev/login", url.Values{"key": {plainKey}}); a.StatusCode != http.StatusNotFound || len(a.Cookies()) != 0 {
		t.Errorf("outside --dev: %s", a.Status)
	}
	if strings.Contains(get(t, h, "/"), "Development login") {
		t.Error("a page outside --dev speaks of development")
	}
}

func TestLeavingEndsTheSession(t *testing.T) {
	f := newFake(t)
	a := ask(t, site(t, f), "POST", "/leave", url.Values{})
	if c := a.Cookies(); !f.cookie || len(c) != 1 || c[0].MaxAge >= 0 {
		t.Errorf("%v, %v", f.cookie, c)
	}
}

func TestI20ErrorsOfTheInsideAreLoggedAndNotTold(t *testing.T) {
	f := newFake(t)
	f.Err = errors.New("password=hunter2")
	h := site(t, f)
	for _, path := range []string{"/", "/plans/" + string(planID), "/agents", "/ledger"} {
		a := ask(t, h, "GET", path, nil)
		if a.StatusCode != http.StatusInternalServerError || strings.Contains(a.body, "hunter2") {
			t.Errorf("%s: %s\n%s", path, a.Status, a.body)
		}
	}
	if !strings.Contains(f.logs.String(), "hunter2") {
		t.Error("the log does not say what went wrong")
	}
	f.Err = &writ.Refusal{Code: writ.ReasonStopped, Kind: writ.ErrConflict, Detail: "the run has ended: succeeded", Hint: "look at it"}
	a := ask(t, h, "POST", "/runs/"+string(runID)+"/stop", url.Values{"reason": {"x"}})
	if a.StatusCode != http.StatusConflict || !strings.Contains(a.body, "the run has ended: succeeded") || !strings.Contains(a.body, `href="/runs/`+string(runID)+`"`) {
		t.Errorf("%s\n%s", a.Status, a.body)
	}
}

// A page that cannot be had now says when to come again, and no other does.
func TestAPageThatIsTurnedAwaySaysWhenToComeAgain(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	for name, c := range map[string]struct {
		err   error
		after string
	}{
		"a limit that says when": {&writ.Refusal{Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: 40 * time.Second, Detail: "too many"}, "40"},
		"a part that is away":    {writ.ErrUnavailable, "5"},
		"a denial":               {writ.ErrDenied, ""},
	} {
		f.Err = c.err
		if a := ask(t, h, "GET", "/agents", nil); a.Header.Get("Retry-After") != c.after {
			t.Errorf("%s: %s, Retry-After %q", name, a.Status, a.Header.Get("Retry-After"))
		}
	}
}

// versions are digests of other files and of parts of the page itself.
var versions = regexp.MustCompile(`\?v=[0-9a-f.]+`)

func TestGoldenPages(t *testing.T) {
	h := site(t, newFake(t))
	for name, path := range map[string]string{"plan": "/plans/" + string(planID), "run": "/runs/" + string(runID), "inbox": "/"} {
		file := filepath.Join("testdata", name+".html")
		got := versions.ReplaceAllString(get(t, h, path), "?v=…")
		if *update {
			must(t, os.MkdirAll("testdata", 0o755))
			must(t, os.WriteFile(file, []byte(got), 0o644))
			continue
		}
		want, err := os.ReadFile(file)
		must(t, err)
		if got != string(want) {
			t.Errorf("%s is not what %s has; go test -update writes it", path, file)
		}
	}
}
