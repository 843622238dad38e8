package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/gateway/gatewaytest"
	"github.com/writ-dev/writ/internal/setup"
)

// What is wrong about approving a tool or turning one off, in the state that there is, has a code of its own over HTTP, says what is
// wrong, and changes nothing: no entry is made but that of a refusal, and the tool stands as it stood.
func TestAToolIsNotApprovedOrTurnedOffByAWrongCall(t *testing.T) {
	t.Parallel()
	const stranger = "carl"
	x := fronts(t, gatewaytest.Start(t, gatewaytest.Pods()), func(_ *counter, o *setup.Options) {
		o.People = append(o.People, setup.Person{Sub: stranger, Groups: []string{"search"}})
	})
	var offered writ.UpstreamTool
	must(t, json.Unmarshal([]byte(x.wantCLI(t, 0, you, "upstream", "show", frontedPods, "-o", "json").out), &offered))
	const pin, unpin, entered = "/v1/upstreams/pin", "/v1/upstreams/unpin", "pin"
	body := func(name, digest string, more string) string {
		return fmt.Sprintf(`{"name":%q,"digest":%q,"read":true,"reason":"it lists pods"%s}`, name, digest, more)
	}
	off := func(name string) string { return fmt.Sprintf(`{"name":%q,"reason":"it looks wrong"}`, name) }
	other := writ.DigestOf([]byte("another definition")).String()
	none := strings.Replace(body(frontedPods, offered.Offers, ""), `"read":true`, `"read":false`, 1)
	stands := func() (tool string) {
		t.Helper()
		all := x.wantCLI(t, 0, you, "upstream", "list", "-o", "json")
		return all.out
	}
	type attempt struct {
		who, path, body string
		status          int
		code            writ.Reason
		says            string
	}
	wrong := func(state string, all map[string]attempt) {
		t.Helper()
		for what, c := range all {
			before, tool := x.entries(t), stands()
			status, text := x.request(c.who, http.MethodPost, c.path, c.body)
			var p struct {
				Code   writ.Reason `json:"code"`
				Detail string      `json:"detail"`
			}
			must(t, json.Unmarshal([]byte(text), &p))
			if status != c.status || p.Code != c.code || !strings.Contains(p.Detail, c.says) {
				t.Errorf("%s, %s: %d %s %q, want %d %s %q", state, what, status, p.Code, p.Detail, c.status, c.code, c.says)
			}
			made := x.entries(t)[len(before):]
			if len(made) != 1 || made[0].Record.Kind != writ.EntryDeny || made[0].Body.(*writ.DenyBody).Reason != c.code {
				t.Errorf("%s, %s: %d entries were made: %v", state, what, len(made), made)
			}
			if now := stands(); now != tool {
				t.Errorf("%s, %s: it stands as %s and stood as %s", state, what, now, tool)
			}
		}
	}
	always := map[string]attempt{
		"an upstream that there is not": {you, pin, body("grafana__list_pods", offered.Offers, ""), 404, writ.ReasonUnknownReader, "no tool grafana__list_pods"},
		"a tool that is not configured": {you, pin, body("kube__delete_pod", offered.Offers, ""), 404, writ.ReasonUnknownReader, "no tool kube__delete_pod"},
		"a tool that is not offered":    {you, pin, body("kube__read_evidence", offered.Offers, ""), 409, writ.ReasonToolChanged, "digest"},
		"another definition":            {you, pin, body(frontedPods, other, ""), 409, writ.ReasonToolChanged, "digest"},
		"not as a reading":              {you, pin, none, 422, writ.ReasonToolUnfit, "read"},
		"by an agent":                   {diagnoser, pin, body(frontedPods, offered.Offers, ""), 403, writ.ReasonKind, "agent"},
		"by another team":               {stranger, pin, body(frontedPods, offered.Offers, ""), 403, writ.ReasonNotYours, "team " + team},
		"a reason that is too long":     {you, pin, strings.Replace(body(frontedPods, offered.Offers, ""), "it lists pods", strings.Repeat("x", 4001), 1), 422, writ.ReasonForm, "reason"},
		"off: one that there is not":    {you, unpin, off("kube__delete_pod"), 404, writ.ReasonUnknownReader, "no tool kube__delete_pod"},
		"off: of no upstream":           {you, unpin, off("grafana__list_pods"), 404, writ.ReasonUnknownReader, "no tool grafana__list_pods"},
		"off: by an agent":              {diagnoser, unpin, off(frontedPods), 403, writ.ReasonKind, "agent"},
		"off: a reason too long":        {you, unpin, strings.Replace(off(frontedPods), "it looks wrong", strings.Repeat("x", 4001), 1), 422, writ.ReasonForm, "reason"},
		"off: never approved":           {you, unpin, off("kube__read_evidence"), 409, writ.ReasonToolUnpinned, "kube__read_evidence is not on"},
	}
	notOn := map[string]attempt{"off: one that is not on": {you, unpin, off(frontedPods), 409, writ.ReasonToolUnpinned, frontedPods + " is not on"}}
	wrong("unpinned", always)
	wrong("unpinned", notOn)
	right := func(what, path, body string, entries int) {
		t.Helper()
		before := len(x.entries(t))
		if status, text := x.request(you, http.MethodPost, path, body); status != http.StatusOK {
			t.Errorf("%s: %d %s", what, status, text)
		}
		made := x.entries(t)[before:]
		if len(made) != entries {
			t.Errorf("%s: %d entries", what, len(made))
		}
		for _, e := range made {
			if e.Record.Kind != entered {
				t.Errorf("%s: entry %s", what, e.Record.Kind)
			}
		}
	}
	right("approved", pin, body(frontedPods, offered.Offers, ""), 1)
	tool := stands()
	right("approved once more", pin, body(frontedPods, offered.Offers, ""), 0)
	right("vouched for without need", pin, body(frontedPods, offered.Offers, `,"declared":true`), 0)
	if now := stands(); now != tool {
		t.Errorf("approved twice it stands as %s and stood as %s", now, tool)
	}
	wrong("on", always)
	right("turned off by its team", unpin, off(frontedPods), 1)
	wrong("off", always)
	wrong("off", notOn)
	right("approved again", pin, body(frontedPods, offered.Offers, ""), 1)
	x.verified(t)
}
