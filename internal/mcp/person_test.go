package mcp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

func TestAPersonIsBroughtToThePageAndTheirAnswerApprovesNothing(t *testing.T) {
	f := &fakeControl{refuse: &writ.Refusal{Code: writ.ReasonBreakGlass, Detail: "it is for break-glass alone", Kind: writ.ErrDenied}}
	c := raw{t, serve(t, f)}
	call := func(capabilities, more string) reply {
		return c.post(map[string]string{"Mcp-Protocol-Version": current, "Mcp-Method": "tools/call", "Mcp-Name": "propose_plan"},
			`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{`+ask+more+`,"_meta":{"io.modelcontextprotocol/protocolVersion":"`+current+`","io.modelcontextprotocol/clientCapabilities":`+capabilities+`}}}`)
	}
	got := call(`{"elicitation":{"url":{}}}`, "")
	if got.code != http.StatusOK || got.Result["resultType"] != "input_required" || !strings.Contains(got.body, `"url":"https://writ.test/incidents/inc_`+ulid+`"`) || !strings.Contains(got.body, `"mode":"url"`) {
		t.Errorf("a client that opens pages: %d %s", got.code, got.body)
	}
	refused := func(how string, got reply) {
		t.Helper()
		if got.Result["resultType"] != "complete" || got.Result["isError"] != true || !strings.HasPrefix(got.text(), "DENIED break_glass") {
			t.Errorf("%s: %s", how, got.body)
		}
	}
	refused("the same call after its person accepted", call(`{"elicitation":{"url":{}}}`, `,"inputResponses":{"page":{"action":"accept"}}`))
	refused("a client that opens none", call(`{}`, ""))
	refused("a client of forms", call(`{"elicitation":{"form":{}}}`, ""))
	f.refuse = &writ.Refusal{Code: writ.ReasonParameterBound, Detail: "too many", Kind: writ.ErrDenied}
	if got := call(`{"elicitation":{"url":{}}}`, ""); got.Result["resultType"] != "complete" {
		t.Errorf("another refusal: %s", got.body)
	}
}
