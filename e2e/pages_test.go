package e2e_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

// A visitor is a browser without a screen: it keeps cookies and follows redirects as one.
type visitor struct {
	http.Client
	base string
}

func (v *visitor) do(t *testing.T, method, path string, fields url.Values) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, v.base+path, strings.NewReader(fields.Encode()))
	must(t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := v.Do(r)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(b)
}

// sees opens a page that must be there and say all of this.
func (v *visitor) sees(t *testing.T, path string, parts ...string) {
	t.Helper()
	code, page := v.do(t, http.MethodGet, path, nil)
	if code != http.StatusOK {
		t.Fatalf("%s: %d\n%s", path, code, page)
	}
	for _, part := range parts {
		if !strings.Contains(page, part) {
			t.Errorf("%s does not say %q\n%s", path, part, page)
		}
	}
}

func TestThePagesOfARunningInstallation(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	jar, err := cookiejar.New(nil)
	must(t, err)
	v := &visitor{http.Client{Jar: jar}, x.url}

	// Nobody is sent to the login, which says what it is; an agent's key opens nothing there.
	v.sees(t, "/", "Development login.")
	if code, _ := v.do(t, http.MethodPost, "/dev/login", url.Values{"key": {x.tokenOf(repairer)}}); code != http.StatusUnauthorized {
		t.Errorf("an agent's key logs in: %d", code)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, x.url+"/", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+x.tokenOf(repairer))
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("an agent's token opens a page: %s", resp.Status)
	}
	if code, page := v.do(t, http.MethodPost, "/dev/login", url.Values{"key": {x.tokenOf(you)}, "to": {"/"}}); code != http.StatusOK || !strings.Contains(page, "Nothing waits for you.") {
		t.Fatalf("login: %d\n%s", code, page)
	}

	a := x.wants("scale-service", replicas(6), writ.PlanWaiting)
	if page := x.url + "/plans/" + string(a.Plan); !strings.Contains(a.text, page) {
		t.Errorf("the agent is not told of %s: %s", page, a.text)
	}
	v.sees(t, "/", string(a.Plan), "then it is denied")
	v.sees(t, "/plans/"+string(a.Plan), "Your answer", "writ approve "+string(a.Plan), "read by Writ itself", "not verified")
	if got := x.approves(a.Plan); got.code != 0 {
		t.Fatal(got.err)
	}
	run := x.ends(a.Plan)
	v.sees(t, "/runs/"+string(run.ID), string(run.State)+"</b>", "minted for this run alone", "<b>proven dead</b>")
	v.sees(t, "/plans/"+string(a.Plan), "Answers so far", "approve</b>")
	for _, path := range []string{"/plans", "/runs", "/incidents", "/playbooks", "/playbooks/scale-service", "/agents", "/gateway", "/health", "/freeze", "/evidence/" + x.evidence[0]} {
		v.sees(t, path)
	}
	v.sees(t, "/incidents/"+string(x.incident), "What went on, in order", "grant for one run")
	v.sees(t, "/ledger", "under a signed checkpoint")
	v.sees(t, "/ledger/0", "in the log</b> under the signed checkpoint", "RFC 6962")

	if code, page := v.do(t, http.MethodPost, "/freeze", url.Values{"scope": {"all"}, "reason": {"a test"}}); code != http.StatusOK || !strings.Contains(page, "Frozen: everything") {
		t.Errorf("freeze: %d\n%s", code, page)
	}
	if st, err := x.person.Status(t.Context()); err != nil || len(st.Freezes) != 1 {
		t.Errorf("%v, %v", st.Freezes, err)
	}
	v.sees(t, "/playbooks", "<b>Frozen:</b> everything")

	// The API takes no notice of the pages, and leaving ends the session at the server.
	if code, _ := v.do(t, http.MethodGet, "/v1/status", nil); code != http.StatusOK {
		t.Errorf("the API with the session: %d", code)
	}
	v.do(t, http.MethodPost, "/leave", nil)
	v.sees(t, "/health", "Development login</h1>")
}
