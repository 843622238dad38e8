package e2e_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/storefront"
)

// traces are what differs between two equal answers over HTTP.
var traces = regexp.MustCompile(`"trace_id":"[0-9a-f]*"`)

// While an incident is open, who may read reads what another agent had read; then it is there for whoever asked for it and for people
// alone. At both doors an agent hears the same of a reading that it may not read and of one that there is not, and each try is recorded.
func TestI04AReadingIsThereAtBothDoorsForWhoMayReadItAlone(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	const none = "ev_01JDB3V0T6M2Y8H4R1C7K5P9WD"
	id := x.evidence[0]
	reads := func(who string, want bool) {
		t.Helper()
		tool := func(id string) (bool, string) {
			out := x.agent(t, who).call(t, "get_evidence", map[string]any{"evidence_id": id})
			return !out.refuse, out.text
		}
		call := func(more string) func(id string) (bool, string) {
			return func(id string) (bool, string) {
				code, text := x.request(who, http.MethodGet, "/v1/evidence/"+id+more, "")
				return code == http.StatusOK, fmt.Sprint(code, " ", traces.ReplaceAllString(text, ""))
			}
		}
		before := x.denied(writ.ReasonNotFound)
		for door, ask := range map[string]func(string) (bool, string){"MCP": tool, "HTTP": call(""), "HTTP, with the salt": call("/content")} {
			if ok, text := ask(id); ok != want {
				t.Errorf("%s, over %s: %t: %s", who, door, ok, text)
			} else if _, unknown := ask(none); !want && strings.ReplaceAll(text, id, none) != unknown {
				t.Errorf("%s, over %s: %s\nand of one that there is not: %s", who, door, text, unknown)
			}
		}
		if n := x.denied(writ.ReasonNotFound) - before; !want && n != 6 || want && n != 3 {
			t.Errorf("%s: %d refusals are recorded", who, n)
		}
	}
	reads(diagnoser, true)
	reads(repairer, true)
	hook := install.Webhook(t, install.Alert{Name: "ErrorRate", Service: storefront.Checkout, Severity: "critical", Group: `{}:{alertname="ErrorRate"}`, Resolved: true})
	if code, text := x.post(t, hook); code != http.StatusOK {
		t.Fatalf("the alert's end: %d %s", code, text)
	}
	reads(diagnoser, true)
	reads(repairer, false)
	if _, b, err := x.person.Evidence(t.Context(), writ.EvidenceID(id)); err != nil || len(b) == 0 {
		t.Errorf("a person: %v", err)
	}
	x.verified(t)
}
