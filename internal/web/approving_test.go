package web_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/web"
)

const approveOrigin = "https://approve.writ.test"

// approver is what the approving origin asks, over a fake. Its sessions are those with the cookie that only it has.
type approver struct{ *fake }

func (a approver) Principal(_ context.Context, r *http.Request) (writ.Principal, error) {
	if c, err := r.Cookie("approving"); err == nil && c.Value == goodValue {
		return a.by, nil
	}
	return writ.Principal{}, writ.ErrUnknownUser
}

func (a approver) Begin(to string) (string, *http.Cookie, error) {
	return "challenge", &http.Cookie{Name: "enter", Value: to}, nil
}

func (a approver) HandOver(_ context.Context, _ *http.Request, who writ.Principal, challenge string) (string, error) {
	return "code", a.Called("hand over %s %s", who.Sub, challenge)
}

func (a approver) Enter(_ context.Context, _ *http.Request, code string) ([]*http.Cookie, string, error) {
	if code != "code" {
		return nil, "", writ.ErrUnknownUser
	}
	return []*http.Cookie{{Name: "approving", Value: goodValue}}, "/enrol", nil
}

func (a approver) Passkeys(context.Context, writ.Principal) ([]writ.Passkey, error) {
	return []writ.Passkey{
		{ID: "psk_own", Person: writ.Person{Iss: human.Iss, Sub: human.Sub}, State: writ.PasskeyPending, Fingerprint: "SHA256:own", Enrolled: at},
		{ID: "psk_other", Person: other, State: writ.PasskeyPending, Fingerprint: "SHA256:other", Enrolled: at},
	}, a.Err
}

// approvals are the pages of the approving origin, of a fake whose plan has bytes.
func approvals(t testing.TB, f *fake) (http.Handler, func(*web.Config)) {
	t.Helper()
	return approvalsAt(t, f, approveOrigin)
}

// approvalsAt is approvals at another origin.
func approvalsAt(t testing.TB, f *fake, origin string, changes ...func(*web.Config)) (http.Handler, func(*web.Config)) {
	t.Helper()
	b, err := os.ReadFile("../../testdata/vectors/plan.json")
	must(t, err)
	b = []byte(strings.TrimSuffix(string(b), "\n"))
	plan, digest, err := writ.ParsePlan(b)
	must(t, err)
	f.plan.ID, f.plan.Plan, f.plan.Bytes, f.plan.Digest = plan.ID, &plan, b, digest
	var c web.Config
	set := func(x *web.Config) {
		x.Approving = &web.Approving{Origin: origin, Entrance: approver{f}, Passkeys: approver{f}, Assertions: approver{f}, Asks: approver{f}, Changes: f, Decisions: f}
		for _, change := range changes {
			change(x)
		}
		c = *x
	}
	site(t, f, set)
	h, err := web.ApprovingHandler(c)
	must(t, err)
	return h, set
}

// at the approving origin a request has its own cookie and no other.
func here(r *http.Request) {
	r.Header.Del("Cookie")
	r.AddCookie(&http.Cookie{Name: "approving", Value: goodValue})
}

func TestThePageForApprovingShowsThePlanAndBothAnswersAlike(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	a := ask(t, h, "GET", "/approve/"+string(f.plan.ID), nil, here)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s\n%s", a.Status, a.body)
	}
	text := regexp.MustCompile(`data-text="([^"]*)"`).FindStringSubmatch(a.body)
	if text == nil || strings.ReplaceAll(text[1], "&#43;", "+") != base64.StdEncoding.EncodeToString(f.plan.Bytes) {
		t.Error("the plan's bytes are not on the page")
	}
	for _, part := range []string{"Exact change", f.plan.Plan.Steps[0].Title, `<button type="button" value="approve" disabled>Approve</button><button type="button" value="reject" disabled>Reject</button>`} {
		if !strings.Contains(a.body, part) {
			t.Errorf("no %q", part)
		}
	}
	for _, never := range []string{"/withdraw", `name="typed"`, "code="} {
		if strings.Contains(a.body, never) {
			t.Errorf("%q is on the page", never)
		}
	}
	f.plan.State = writ.PlanStale
	if a := ask(t, h, "GET", "/approve/"+string(f.plan.ID), nil, here); strings.Contains(a.body, "<button type=\"button\"") || !strings.Contains(a.body, "The world moved.") {
		t.Error("a plan whose world moved can be answered")
	}
}

func TestThePageForApprovingShowsNothingButTheBytesOfTheDigest(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	changed := *f.plan.Plan
	changed.Title, f.plan.Title = "Do no harm", "Do no harm"
	f.plan.Plan = &changed
	if a := ask(t, h, "GET", "/approve/"+string(f.plan.ID), nil, here); a.StatusCode != http.StatusOK || strings.Contains(a.body, "Do no harm") {
		t.Errorf("%s: what the digest does not cover is shown", a.Status)
	}
	f.plan.Digest = writ.DigestOf([]byte("another plan"))
	if a := ask(t, h, "GET", "/approve/"+string(f.plan.ID), nil, here); strings.Contains(a.body, "Exact change") {
		t.Error("a plan is shown beside the digest of another")
	}
}

func TestTheApprovingOriginRunsItsOneScriptAlone(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	for _, path := range []string{"/approve/" + string(f.plan.ID), "/enrol"} {
		a := ask(t, h, "GET", path, nil, here)
		policy := a.Header.Get("Content-Security-Policy")
		if !regexp.MustCompile(`script-src 'sha256-[^' ]+';`).MatchString(policy) || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "trusted-types 'none'") {
			t.Errorf("%s: %s", path, policy)
		}
		if n := strings.Count(a.body, "<script"); n != 1 || strings.Contains(a.body, "<script src") {
			t.Errorf("%s has %d scripts", path, n)
		}
	}
}

func TestOnlyASessionOfTheApprovingOriginCountsThere(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	page := "/approve/" + string(f.plan.ID)
	if a := ask(t, h, "GET", page, nil); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/enter?") {
		t.Errorf("the external URL's cookie: %s to %s", a.Status, a.Header.Get("Location"))
	}
	a := ask(t, h, "GET", "/enter?to=%2Fenrol", nil)
	if a.Header.Get("Location") != external+"/handover?challenge=challenge" || len(a.Cookies()) != 1 {
		t.Errorf("%s to %s", a.Status, a.Header.Get("Location"))
	}
	if a := ask(t, h, "GET", "/entered?code=other", nil); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a code that is not good: %s", a.Status)
	}
	if a := ask(t, h, "GET", "/v1/plans", nil, here); a.Header.Get("Location") != external+"/v1/plans" {
		t.Errorf("a page that is not here: %s to %s", a.Status, a.Header.Get("Location"))
	}
}

func TestTheHandOverIsForAPersonWithASessionAtTheExternalURL(t *testing.T) {
	f := newFake(t)
	_, set := approvals(t, f)
	h := site(t, f, set)
	if a := ask(t, h, "GET", "/handover?challenge=c", nil, func(r *http.Request) { r.Header.Del("Cookie") }); a.StatusCode != http.StatusSeeOther {
		t.Errorf("nobody: %s", a.Status)
	}
	if a := ask(t, h, "GET", "/handover?challenge=c", nil); a.Header.Get("Refresh") != "0; url="+approveOrigin+"/entered?code=code" {
		t.Errorf("%s %v", a.Status, a.Header)
	}
	if a := ask(t, site(t, f), "GET", "/handover?challenge=c", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("without an approving origin: %s", a.Status)
	}
}

// calls are what the script asks for.
var calls = map[string]string{
	"begin":  `{"plan_digest":"` + digest.String() + `","decision":"approve","slot":"owner","typed":""}`,
	"answer": `{"statement":"e30=","passkey":{"credential":"AA==","authenticator_data":"AA==","client_data":"AA==","signature":"AA=="},"reason":"x"}`,
}

func TestACallOfTheScriptIsJSONOfItsOwnOriginAndSession(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	do := func(what, body string, changes ...func(*http.Request)) int {
		r := httptest.NewRequest("POST", approveOrigin+"/approve/"+string(f.plan.ID)+"/"+what, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		here(r)
		for _, change := range changes {
			change(r)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for what, body := range calls {
		for name, change := range map[string]func(*http.Request){
			"another origin": func(r *http.Request) {
				r.Header.Set("Sec-Fetch-Site", "cross-site")
				r.Header.Set("Origin", "https://evil.test")
			},
			"the external URL": func(r *http.Request) {
				r.Header.Set("Sec-Fetch-Site", "same-site")
				r.Header.Set("Origin", external)
			},
			"a form":        func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
			"plain text":    func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
			"no session":    func(r *http.Request) { r.Header.Del("Cookie") },
			"another's":     func(r *http.Request) { r.Header.Set("Cookie", "session="+goodValue) },
			"bearer tokens": func(r *http.Request) { r.Header.Set("Authorization", "Bearer agent") },
		} {
			if code := do(what, body, change); code < 400 {
				t.Errorf("%s with %s: %d", what, name, code)
			}
		}
		for _, bad := range []string{"", "null x", body + "{}", strings.Replace(body, "{", `{"more":1,`, 1), strings.Repeat(" ", 70<<10) + body} {
			if code := do(what, bad); code < 400 {
				t.Errorf("%s takes %.40q: %d", what, bad, code)
			}
		}
	}
	for _, what := range f.did() {
		if !strings.HasPrefix(what, "denied ") {
			t.Fatalf("something was done: %s", what)
		}
	}
	before := len(f.did())
	for what, body := range calls {
		if code := do(what, body); code != http.StatusOK {
			t.Errorf("%s: %d", what, code)
		}
	}
	if did := f.did()[before:]; len(did) != 2 {
		t.Errorf("%v", did)
	}
}

func TestAPasskeyOfSomebodyElseIsConfirmedByTheFingerprintTheyTold(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	page := ask(t, h, "GET", "/enrol", nil, here).body
	if !strings.Contains(page, "SHA256:own") || !strings.Contains(page, "/enrol/psk_other/confirm") || strings.Contains(page, "/enrol/psk_own/confirm") {
		t.Error("the page does not offer it")
	}
	if strings.Contains(page, "SHA256:other") {
		t.Error("the fingerprint can be copied off the page")
	}
}

func TestAPlanThatWaitsHasALinkToThePageForApproving(t *testing.T) {
	f := newFake(t)
	_, set := approvals(t, f)
	link := func() bool {
		return strings.Contains(get(t, site(t, f, set), planPage), approveOrigin+"/approve/"+string(f.plan.ID)+`"`)
	}
	if !link() {
		t.Error("it has none")
	}
	if page := get(t, site(t, f), planPage); strings.Contains(page, "with a passkey") {
		t.Error("it has one without an approving origin")
	}
	f.plan.Reason = writ.ReasonWorldMoved
	if link() {
		t.Error("it has one after the world moved")
	}
	f.plan.Reason, f.plan.State = "", writ.PlanGranted
	if link() {
		t.Error("it has one after it was answered")
	}
}

func FuzzACallOfTheScriptIsTakenOrRefused(f *testing.F) {
	for _, body := range calls {
		f.Add(body)
	}
	fake := newFake(f)
	h, _ := approvals(f, fake)
	f.Fuzz(func(t *testing.T, body string) {
		for what := range calls {
			r := httptest.NewRequest("POST", approveOrigin+"/approve/"+string(fake.plan.ID)+"/"+what, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			here(r)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var out map[string]any
			if w.Code >= 500 || json.Unmarshal(w.Body.Bytes(), &out) != nil {
				t.Fatalf("%d %q", w.Code, w.Body.Bytes())
			}
		}
	})
}

// highest has the fake's plan be of tier 4.
func highest(t *testing.T, f *fake) {
	t.Helper()
	plan := *f.plan.Plan
	plan.Tier = writ.T4
	b, err := plan.Bytes()
	must(t, err)
	f.plan.Plan, f.plan.Bytes, f.plan.Digest = &plan, b, writ.DigestOf(b)
}

func TestTier4AsksForTheNameOfTheFirstObject(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	highest(t, f)
	a := ask(t, h, "GET", "/approve/"+string(f.plan.ID), nil, here)
	if !strings.Contains(a.body, `name="typed"`) {
		t.Errorf("%s: it does not", a.Status)
	}
	if strings.Contains(a.body, `name="typed" value`) {
		t.Error("it is filled in")
	}
}
