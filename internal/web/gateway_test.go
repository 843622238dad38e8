package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway"
)

// The page says of each tool whether agents may call it, who approved it, and why it is off; what needs somebody stands first.
func TestTheGatewayPageSaysWhatIsOnAndWhoApprovedIt(t *testing.T) {
	f := newFake(t)
	page := get(t, site(t, f), "/gateway")
	for _, want := range []string{
		"kube__list_pods", "List the pods of a namespace.", "<code>namespace</code>", "approved by <bdi>u-1111</bdi>", digest.String(), "Turn off kube__list_pods",
		"1 tool changed", "Off: <bdi>the upstream stopped offering it</bdi>", "vouches that it reads", "grafana__query_prometheus", "approved by nobody", "writ upstream show grafana__query_prometheus", "team platform",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Index(page, "kube__top_pods") > strings.Index(page, "kube__list_pods") {
		t.Error("the tool that is off stands behind the one that is on")
	}
	f.tools = nil
	if page := get(t, site(t, f), "/gateway"); !strings.Contains(page, "No other server.") {
		t.Error("an installation without upstreams is not told how to name one")
	}
}

// A person turns a tool off with a reason, as with a freeze; there is no form that approves.
func TestAToolIsTurnedOffOnItsPageAndNeverApprovedThere(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	a := ask(t, h, "POST", "/gateway/kube__list_pods/unpin", url.Values{"reason": {"it answers oddly"}})
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/gateway" || !slices.Contains(f.did(), `unpin u-4821 kube__list_pods "it answers oddly"`) {
		t.Errorf("%s, asked for %q", a.Status, f.did())
	}
	n := len(f.did())
	for path, fields := range map[string]url.Values{
		"/gateway/kube__list_pods/unpin": {"reason": {""}}, "/gateway/list_pods/unpin": {"reason": {"x"}}, "/gateway/kube__list_pods/pin": {"reason": {"x"}},
	} {
		if a := ask(t, h, "POST", path, fields); a.StatusCode < 400 {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	for _, call := range f.did()[n:] {
		if strings.HasPrefix(call, "unpin") {
			t.Errorf("it was asked for %s", call)
		}
	}
	if page := get(t, h, "/gateway"); strings.Contains(page, `/pin"`) {
		t.Error("the page has a form that approves")
	}
}

func TestAHundredToolsAreALightPageAndWhatAnUpstreamSaysIsText(t *testing.T) {
	for name, c := range hostile {
		f := newFake(t)
		one := f.tools[0]
		f.tools = nil
		for range 100 {
			one.Detail, one.By.Sub, one.Team = c.text, c.text, c.text
			schema, err := json.Marshal(map[string]any{"properties": map[string]any{c.text: map[string]any{}}})
			must(t, err)
			one.Definition = gateway.Definition{V: 1, Upstream: "kube", Name: "list_pods", Description: c.text, InputSchema: schema}.Canonical()
			f.tools = append(f.tools, one)
		}
		page := get(t, site(t, f), "/gateway")
		if strings.Contains(page, c.never) {
			t.Errorf("%s stands there as it was sent", name)
		}
		if len(page) > 120_000 || !strings.Contains(page, "60 more tools") {
			t.Errorf("%s: %d bytes", name, len(page))
		}
	}
}

// Health is not good while a tool is another than the approved one.
func TestHealthSaysThatAToolOfAnUpstreamHasChanged(t *testing.T) {
	f := newFake(t)
	f.status.Upstreams = writ.GlanceUpstreams(f.tools)
	page := get(t, site(t, f), "/health")
	for _, want := range []string{"Other MCP servers", "kube__top_pods", "something here needs somebody", `href="/gateway"`} {
		if !strings.Contains(page, want) {
			t.Errorf("health does not say %q", want)
		}
	}
	f.tools[1].State, f.tools[1].Reason = writ.ToolOn, ""
	f.status.Upstreams = writ.GlanceUpstreams(f.tools)
	if page := get(t, site(t, f), "/health"); !strings.Contains(page, "nothing here needs anybody") {
		t.Error("a tool that nobody has approved yet makes health bad")
	}
}
