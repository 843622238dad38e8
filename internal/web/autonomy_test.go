package web_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-dev/writ/internal/web"
)

const (
	decideBook  = "/approve/autonomy/playbook/rollback-deployment/payments-api"
	decideAgent = "/approve/autonomy/agent/repair"
)

func TestThePageForADecisionShowsTheRecordOfItsDigestAndNothingElse(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	records, err := f.PlaybookRecords(t.Context(), human, "", "")
	must(t, err)
	bytes, err := records[0].Bytes()
	must(t, err)
	a := ask(t, h, "GET", decideBook, nil, here)
	if a.StatusCode != http.StatusOK {
		t.Fatalf("%s\n%s", a.Status, a.body)
	}
	text := regexp.MustCompile(`data-text="([^"]*)"`).FindStringSubmatch(a.body)
	if text == nil || strings.ReplaceAll(text[1], "&#43;", "+") != base64.StdEncoding.EncodeToString(bytes) {
		t.Error("the record's bytes are not on the page")
	}
	for _, part := range []string{records[0].Digest.String(), "11 verified", `value="T1" disabled>T1: ask people less often<`, `value="T3" disabled>T3: ask people earlier<`, `data-from="T2"`} {
		if !strings.Contains(a.body, part) {
			t.Errorf("no %q", part)
		}
	}
	for _, path := range []string{decideBook + "x", "/approve/autonomy/playbook/..%2f/x", "/approve/autonomy/agent/nobody"} {
		if a := ask(t, h, "GET", path, nil, here); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	f.another = true // another record than the digest's
	if a := ask(t, h, "GET", decideBook, nil, here); a.StatusCode == http.StatusOK || strings.Contains(a.body, `id="record"`) {
		t.Errorf("a record is shown beside the digest of another: %s", a.Status)
	}
}

func TestAnAgentThatLostT1CanBeRestoredAtThePageAndOneThatHasItCannot(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	a := ask(t, h, "GET", decideAgent, nil, here)
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `value="T1" disabled>Give T1 back<`) || strings.Contains(a.body, `value="T3"`) {
		t.Errorf("%s\n%s", a.Status, a.body)
	}
	f.hasT1 = true
	if a := ask(t, h, "GET", decideAgent, nil, here); !strings.Contains(a.body, "nothing to decide") || strings.Contains(a.body, "<button type=\"button\"") {
		t.Error("an agent that has T1 can be restored")
	}
}

func TestPagesOfRecordsLinkToThePageForDeciding(t *testing.T) {
	f := newFake(t)
	_, set := approvals(t, f)
	for page, link := range map[string]string{"/playbooks/rollback-deployment": decideBook, "/agents": decideAgent} {
		if !strings.Contains(get(t, site(t, f, set), page), `href="`+approveOrigin+link+`"`) {
			t.Errorf("%s has no link", page)
		}
		if strings.Contains(get(t, site(t, f), page), "with a passkey") {
			t.Errorf("%s has one without an approving origin", page)
		}
	}
}

// decides are the script's calls to decide.
var decides = map[string]string{
	"begin":  `{"playbook":"rollback-deployment","service":"payments-api","agent":"","to":"T1","record":"` + digest.String() + `"}`,
	"answer": `{"statement":"e30=","passkey":{"credential":"AA==","authenticator_data":"AA==","client_data":"AA==","signature":"AA=="},"reason":"earned"}`,
}

func TestADecisionIsTakenFromASessionOfTheApprovingOriginAlone(t *testing.T) {
	f := newFake(t)
	h, _ := approvals(t, f)
	for what, body := range decides {
		for name, change := range map[string]func(*http.Request){
			"another origin": func(r *http.Request) {
				r.Header.Set("Sec-Fetch-Site", "cross-site")
				r.Header.Set("Origin", "https://evil.test")
			},
			"a form":        func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
			"no session":    func(r *http.Request) { r.Header.Del("Cookie") },
			"bearer tokens": func(r *http.Request) { r.Header.Set("Authorization", "Bearer agent") },
		} {
			if w := calling(h, "/approve/autonomy/"+what, body, change); w.Code < 400 {
				t.Errorf("%s with %s: %d", what, name, w.Code)
			}
		}
		for _, bad := range []string{"", "null x", body + "{}", strings.Replace(body, "{", `{"more":1,`, 1)} {
			if w := calling(h, "/approve/autonomy/"+what, bad); w.Code < 400 {
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
	for _, what := range []string{"begin", "answer"} {
		if w := calling(h, "/approve/autonomy/"+what, decides[what]); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	if did := fmt.Sprint(f.did()[before:]); did != "[begin autonomy rollback-deployment T1 decide autonomy {} by passkey \x00 \x00 \x00 \x00 earned]" {
		t.Error(did)
	}
}

func TestThePagesForDecidingInABrowser(t *testing.T) {
	f := newFake(t)
	browseAt(t, "approving", picturesOf("deciding"), func(base string) http.Handler {
		c := web.Config{}
		site(t, f, func(x *web.Config) {
			x.ExternalURL = base
			x.Approving = &web.Approving{Origin: base, Entrance: approver{f}, Passkeys: approver{f}, Assertions: approver{f}, Asks: approver{f}, Changes: f, Decisions: f}
			c = *x
		})
		h, err := web.ApprovingHandler(c)
		must(t, err)
		return h
	}, sight{Name: "decide-playbook", Path: decideBook}, sight{Name: "decide-agent", Path: decideAgent})
}
