package web_test

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/web"
)

func TestThePageOfBreakGlassSaysWhatIsOpenOwedAndOverdue(t *testing.T) {
	f := newFake(t)
	_, set := approvals(t, f)
	page := get(t, site(t, f, set), "/breakglass")
	if !strings.Contains(page, "Nothing is open, and no review is owed.") || !strings.Contains(page, approveOrigin+`/breakglass"`) {
		t.Error("with none, the page does not say so, or has no link to ask")
	}
	f.glass = uses()
	page = get(t, site(t, f), "/breakglass")
	order := []string{"Open now", string(f.glass[0].ID), "Reviews owed", string(f.glass[2].ID), "overdue", "checkout breaks no glass", string(f.glass[1].ID), "review due", "Earlier", string(f.glass[3].ID), "justified"}
	rest := page
	for _, part := range order {
		_, after, found := strings.Cut(rest, part)
		if !found {
			t.Fatalf("%q does not follow:\n%s", part, page)
		}
		rest = after
	}
	if strings.Contains(page, "Ask with a passkey") || !strings.Contains(page, "writ breakglass open") {
		t.Error("without an approving origin there is a link to it, or no command")
	}
	if n := strings.Count(page, "card alarm"); n != 2 { // the open one and the overdue one
		t.Errorf("%d are red", n)
	}
}

func TestAnOpenIncidentHasALinkToAskForBreakGlassOnIt(t *testing.T) {
	f := newFake(t)
	h, set := approvals(t, f)
	page, link := "/incidents/"+string(incident), approveOrigin+"/breakglass?incident="+string(incident)
	if !strings.Contains(get(t, site(t, f, set), page), `href="`+link+`"`) {
		t.Error("it has none")
	}
	if strings.Contains(get(t, site(t, f), page), "break the glass") {
		t.Error("it has one without an approving origin")
	}
	a := ask(t, h, "GET", strings.TrimPrefix(link, approveOrigin), nil, here)
	if !strings.Contains(a.body, `value="`+string(incident)+`" selected`) && !strings.Contains(a.body, "There is no playbook for emergencies.") || strings.Contains(a.body, `role="alert"><bdi>Choose`) {
		t.Errorf("%s\n%s", a.Status, a.body)
	}
}

func TestWhatIsOwedForBreakGlassIsRedOnEveryPage(t *testing.T) {
	f := newFake(t)
	f.status.BreakGlass = &writ.BreakGlassGlance{Open: 1, Owed: []writ.BreakGlassID{glassID}, Overdue: 1, AskProof: writ.ProofB}
	for _, path := range everyPage {
		if page := get(t, site(t, f), path); !strings.Contains(page, `<a href="/breakglass">Break-glass</a></p>`) || !strings.Contains(page, "1 overdue") {
			t.Errorf("%s does not tell", path)
		}
	}
}

func TestAReviewIsHandedInBySomebodyElseWithAVerdictAndANote(t *testing.T) {
	f := newFake(t)
	f.glass = uses()
	h, page := site(t, f), "/breakglass/"+string(uses()[1].ID)
	if !strings.Contains(get(t, h, page), `action="`+page+`/review"`) {
		t.Error("there is no form")
	}
	if a := ask(t, h, "POST", page+"/review", url.Values{"verdict": {"justified"}, "note": {" "}}); a.StatusCode != http.StatusUnprocessableEntity || len(f.did()) != 0 {
		t.Errorf("without a note: %s", a.Status)
	}
	a := ask(t, h, "POST", page+"/review", url.Values{"verdict": {"not_justified"}, "note": {"she was at her desk"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != page || len(f.did()) != 1 || f.did()[0] != "review "+string(uses()[1].ID)+" not_justified she was at her desk" {
		t.Errorf("%s %v", a.Status, f.did())
	}
	for name, change := range map[string]func(*writ.BreakGlass){
		"their own":            func(g *writ.BreakGlass) { g.Asker = human },
		"what they had signed": func(g *writ.BreakGlass) { g.Offline, g.Signers = true, []writ.Person{{Iss: human.Iss, Sub: human.Sub}} },
		"what was reviewed":    func(g *writ.BreakGlass) { g.State = writ.BreakGlassReviewed },
	} {
		f.glass = uses()
		change(&f.glass[1])
		if page := get(t, h, page); strings.Contains(page, "/review\"") {
			t.Errorf("%s can be reviewed", name)
		}
	}
}

func TestADrillsOtherHalfIsOneButtonForWhoAskedForIt(t *testing.T) {
	f := newFake(t)
	f.glass = uses()
	f.glass[1].Drill, f.glass[1].Asker = true, human
	h, page := site(t, f), "/breakglass/"+string(uses()[1].ID)
	if !strings.Contains(get(t, h, page), page+"/repeat") {
		t.Error("there is no button")
	}
	if a := ask(t, h, "POST", page+"/repeat", url.Values{}); a.StatusCode != http.StatusSeeOther || f.did()[0] != "repeat "+string(uses()[1].ID) {
		t.Errorf("%s %v", a.Status, f.did())
	}
	for name, change := range map[string]func(*writ.BreakGlass){
		"somebody else's": func(g *writ.BreakGlass) { g.Asker = other.Principal() }, "one that passed": func(g *writ.BreakGlass) { g.Passed = true },
		"no drill": func(g *writ.BreakGlass) { g.Drill = false }, "one that did not run well": func(g *writ.BreakGlass) { g.RunState = writ.RunUndone },
	} {
		f.glass = uses()
		f.glass[1].Drill, f.glass[1].Asker = true, human
		change(&f.glass[1])
		if strings.Contains(get(t, h, page), "/repeat") {
			t.Errorf("%s has the button", name)
		}
	}
}

// asking are the pages of the approving origin with a playbook for emergencies.
func asking(t testing.TB, f *fake) (http.Handler, shelf) {
	t.Helper()
	s := emergencies(t, f)
	var c web.Config
	site(t, f, func(x *web.Config) {
		x.Approving = &web.Approving{Origin: approveOrigin, Entrance: approver{f}, Passkeys: approver{f}, Assertions: approver{f}, Asks: approver{f}, Changes: f, Decisions: f}
		x.Playbooks = s
		c = *x
	})
	h, err := web.ApprovingHandler(c)
	must(t, err)
	return h, s
}

// chosen is a form as a person fills it in.
func chosen(changes ...string) url.Values {
	v := url.Values{"incident": {string(incident)}, "playbook": {"emergency-restart"}, "p.kind": {"deployment"}, "p.namespace": {"payments"}, "p.name": {"payments-api"}, "justification": {"both owners are in the air"}}
	for i := 0; i < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
	}
	return v
}

func TestBreakGlassIsAskedForInThreeStepsAndTheLastShowsWhatIsSigned(t *testing.T) {
	f := newFake(t)
	h, s := asking(t, f)
	first := ask(t, h, "GET", "/breakglass", nil, here)
	for _, part := range []string{"PaymentErrors of payments-api", `value="emergency-restart"`, `value="drill"`} {
		if !strings.Contains(first.body, part) {
			t.Errorf("the first step lacks %q", part)
		}
	}
	if strings.Contains(first.body, "rollback-deployment") || strings.Contains(first.body, `name="justification"`) {
		t.Error("the first step offers a playbook that is not for emergencies, or asks for more than the choice")
	}
	second := ask(t, h, "GET", "/breakglass?"+chosen("service", "another").Encode(), nil, here)
	for _, part := range []string{"emergency-restart on payments-api", `<option selected>deployment</option>`, `name="p.namespace" value="payments"`, "a plain lower-case name", `name="justification" value=""`} {
		if !strings.Contains(second.body, part) {
			t.Errorf("the second step lacks %q", part)
		}
	}
	if hidden := ask(t, h, "GET", "/breakglass?"+chosen("p.name", "pay\u202ements").Encode(), nil, here); strings.Contains(hidden.body, "\u202e") || !strings.Contains(hidden.body, `name="p.name" value=""`) {
		t.Error("a link fills in letters that hide what stands there")
	}
	third := ask(t, h, "POST", "/breakglass", chosen(), here)
	if third.StatusCode != http.StatusOK {
		t.Fatalf("%s\n%s", third.Status, third.body)
	}
	data := func(name string) string {
		m := regexp.MustCompile(`data-` + name + `="([^"]*)"`).FindStringSubmatch(third.body)
		if m == nil {
			t.Fatalf("no data-%s", name)
		}
		return html.UnescapeString(m[1])
	}
	source, err := base64.StdEncoding.DecodeString(data("source"))
	must(t, err)
	parameters, err := base64.StdEncoding.DecodeString(data("parameters"))
	must(t, err)
	if writ.DigestOf(source) != s.ref.Digest || data("digest") != s.ref.Digest.String() || string(parameters) != `{"kind":"deployment","name":"payments-api","namespace":"payments"}` {
		t.Errorf("source %q, parameters %q", data("digest"), parameters)
	}
	if data("incident") != string(incident) || data("service") != "payments-api" || data("justification") != "both owners are in the air" || data("sub") != human.Sub || data("iss") != human.Iss {
		t.Error("the page has another request than was chosen")
	}
	for _, part := range []string{"Emergency: restart deployment payments/payments-api", "PaymentErrors of payments-api", writ.DigestOf(parameters).String(), `<button type="button" value="ask" class="red" disabled>`} {
		if !strings.Contains(third.body, part) {
			t.Errorf("the request does not show %q", part)
		}
	}
	if len(f.did()) != 0 {
		t.Errorf("something was asked for without a passkey: %v", f.did())
	}
	drill := ask(t, h, "POST", "/breakglass", chosen("incident", "drill", "service", "canary"), here)
	if !strings.Contains(drill.body, `data-incident="" data-service="canary"`) || !strings.Contains(drill.body, "a drill") {
		t.Errorf("a drill: %s\n%s", drill.Status, drill.body)
	}
}

func TestARequestThatCannotBeMadeIsSentBackWithWhatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		change []string
		want   string
	}{
		"no such incident":       {[]string{"incident", "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD"}, "Choose an open incident."},
		"a drill on nothing":     {[]string{"incident", "drill"}, "Name the service"},
		"an ordinary playbook":   {[]string{"playbook", "rollback-deployment"}, "Choose a playbook for emergencies."},
		"a value out of bounds":  {[]string{"p.kind", "pod"}, "kind must be one of deployment, statefulset, daemonset"},
		"no name":                {[]string{"p.name", "../x"}, "name must be a plain lower-case name"},
		"a parameter is missing": {[]string{"p.name", ""}, "name"},
		"no justification":       {[]string{"justification", "  "}, "A justification is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			h, _ := asking(t, f)
			a := ask(t, h, "POST", "/breakglass", chosen(c.change...), here)
			if a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(html.UnescapeString(a.body), c.want) || strings.Contains(a.body, `id="glass"`) {
				t.Errorf("%s\n%s", a.Status, a.body)
			}
		})
	}
	f := newFake(t)
	h, s := asking(t, f)
	s.source[len(s.source)-1] = ' ' // the same slice: another source under the same digest
	if a := ask(t, h, "POST", "/breakglass", chosen(), here); a.StatusCode == http.StatusOK || strings.Contains(a.body, `id="glass"`) {
		t.Errorf("a source that is not the one of its digest: %s", a.Status)
	}
}

func TestAFormOfAnotherOriginShowsNoRequest(t *testing.T) {
	f := newFake(t)
	h, _ := asking(t, f)
	a := ask(t, h, "POST", "/breakglass", chosen(), here, func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", "https://evil.test")
	})
	if a.StatusCode != http.StatusForbidden || strings.Contains(a.body, `id="glass"`) {
		t.Errorf("%s", a.Status)
	}
	if a := ask(t, h, "POST", "/breakglass", chosen()); a.StatusCode == http.StatusOK { // the external URL's cookie alone
		t.Errorf("without a session of this origin: %s", a.Status)
	}
}

// asks are the script's calls to ask for break-glass.
var asks = map[string]string{
	"begin": `{"incident":"` + string(incident) + `","service":"payments-api","playbook":{"name":"emergency-restart","version":1,"digest":"` + digest.String() + `"},"parameters":{"name":"x"}}`,
	"ask":   `{"statement":"e30=","passkey":{"credential":"AA==","authenticator_data":"AA==","client_data":"AA==","signature":"AA=="},"parameters":{"name":"x"},"justification":"down"}`,
}

func calling(h http.Handler, path, body string, changes ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", approveOrigin+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	here(r)
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPitfall34NobodyButAPersonWithASessionHereAsks(t *testing.T) {
	f := newFake(t)
	h, _ := asking(t, f)
	for what, body := range asks {
		for name, change := range map[string]func(*http.Request){
			"another origin": func(r *http.Request) {
				r.Header.Set("Sec-Fetch-Site", "cross-site")
				r.Header.Set("Origin", "https://evil.test")
			},
			"a form":        func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
			"no session":    func(r *http.Request) { r.Header.Del("Cookie") },
			"another's":     func(r *http.Request) { r.Header.Set("Cookie", "session="+goodValue) },
			"bearer tokens": func(r *http.Request) { r.Header.Set("Authorization", "Bearer agent") },
			"an agent":      func(*http.Request) { f.by = agent },
		} {
			f.by = human
			if w := calling(h, "/breakglass/"+what, body, change); w.Code < 400 {
				t.Errorf("%s with %s: %d", what, name, w.Code)
			}
		}
		f.by = human
		for _, bad := range []string{"", "null x", body + "{}", strings.Replace(body, "{", `{"more":1,`, 1), strings.Repeat(" ", 70<<10) + body, strings.Replace(body, string(incident), "inc_x", 1) + "x"} {
			if w := calling(h, "/breakglass/"+what, bad); w.Code < 400 {
				t.Errorf("%s takes %.40q: %d", what, bad, w.Code)
			}
		}
	}
	for _, what := range f.did() {
		if !strings.HasPrefix(what, "denied ") {
			t.Fatalf("something was done: %s", what)
		}
	}
	before := len(f.did())
	for what, body := range asks {
		if w := calling(h, "/breakglass/"+what, body); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	if did := f.did()[before:]; len(did) != 2 {
		t.Errorf("%v", did)
	}
}

func FuzzWhatIsTypedToAskForBreakGlassIsShownHarmlessly(f *testing.F) {
	f.Add("<script>alert(1)</script>", "../x", `"><b onclick=1>`)
	f.Add("down", "payments-api", "deployment")
	fake := newFake(f)
	h, _ := asking(f, fake)
	f.Fuzz(func(t *testing.T, why, name, kind string) {
		form := chosen("justification", why, "p.name", name, "p.kind", kind)
		for _, a := range []answer{ask(t, h, "POST", "/breakglass", form, here), ask(t, h, "GET", "/breakglass?"+form.Encode(), nil, here)} {
			if a.StatusCode >= 500 || strings.Count(a.body, "<script") != 1 || strings.Contains(a.body, "onclick=1>") && !strings.Contains(a.body, "&gt;") {
				t.Fatalf("%s\n%s", a.Status, a.body)
			}
		}
		for what, body := range asks {
			w := calling(h, "/breakglass/"+what, strings.Replace(body, "payments-api", name, 1))
			var out map[string]any
			if w.Code >= 500 || json.Unmarshal(w.Body.Bytes(), &out) != nil {
				t.Fatalf("%d %q", w.Code, w.Body.Bytes())
			}
		}
	})
}

func TestThePagesToAskForBreakGlassInABrowser(t *testing.T) {
	f := newFake(t)
	hostile := "\u202eevil\u202c<b onclick=alert(1)>x</b> " + strings.Repeat("W", 400)
	query := chosen("justification", hostile, "p.name", hostile)
	s := emergencies(t, f)
	browseAt(t, "approving", picturesOf("asking"), func(base string) http.Handler {
		c := web.Config{}
		site(t, f, func(x *web.Config) {
			x.ExternalURL, x.Playbooks = base, s
			x.Approving = &web.Approving{Origin: base, Entrance: approver{f}, Passkeys: approver{f}, Assertions: approver{f}, Asks: approver{f}, Changes: f, Decisions: f}
			c = *x
		})
		h, err := web.ApprovingHandler(c)
		must(t, err)
		// A browser that opens a page by its address sends no form: what the form would send stands in for it here.
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/request" {
				r = r.Clone(r.Context())
				body := chosen("justification", hostile).Encode()
				post := httptest.NewRequest("POST", base+"/breakglass", strings.NewReader(body))
				post.Header = r.Header.Clone()
				post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				post.Header.Set("Sec-Fetch-Site", "same-origin")
				r = post
			}
			h.ServeHTTP(w, r)
		})
	}, sight{Name: "choose", Path: "/breakglass"}, sight{Name: "fill", Path: "/breakglass?" + query.Encode()}, sight{Name: "request", Path: "/request"})
}
