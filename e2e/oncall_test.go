package e2e_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/friction"
	"github.com/writ-dev/writ/internal/setup"
	"github.com/writ-dev/writ/verify"
)

// oncallToken is the key of the on-call tool. It may turn up nowhere.
const oncallToken = "pd-k3y-of-the-schedule"

// pagerDutyDouble is a stand-in for PagerDuty's API, written for this test: an HTTPS server that says that you are on call.
func pagerDutyDouble(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Token token="+oncallToken || r.URL.Path != "/oncalls" || r.URL.Query().Get("schedule_ids[]") != "PSCHED" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"oncalls":[{"user":{"id":"PYOU","email":"you@corp.example"},"schedule":{"id":"PSCHED"},"start":null,"end":null}],"limit":100,"offset":0,"more":false,"total":null}`)
	}))
	t.Cleanup(s.Close)
	return s
}

// TestI12WhoIsOnCallNarrowsTheRosterAndTheRunnersOwnIsTheBound has an on-call tool say whose turn it is, hands the turn over, and
// lets plans be answered as on call: by whoever has the turn and no other, and by nobody whom the runner's owners have not
// signed in, whatever the server's roster and its turns say.
func TestI12WhoIsOnCallNarrowsTheRosterAndTheRunnersOwnIsTheBound(t *testing.T) {
	t.Parallel()
	const cy, eve = "cy", "eve" // cy is on call by turns; eve is so on the server's roster alone
	tool := pagerDutyDouble(t)
	x := prepareShop(t, func(_ *counter, o *setup.Options) {
		o.People = append(o.People, setup.Person{Sub: cy, Groups: []string{install.Team, install.Oncall}}, setup.Person{Sub: eve, Groups: []string{install.Team}})
	})
	dir := filepath.Dir(x.in.Server)
	write(t, filepath.Join(dir, "tool.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tool.Certificate().Raw}))
	write(t, filepath.Join(dir, "tool.token"), []byte(oncallToken+"\n"))
	x.edit(func(c *config.Server) {
		for i, a := range c.Approvers {
			switch a.Sub {
			case you:
				c.Approvers[i].KnownAs = []string{"PYOU"}
			case eve:
				c.Approvers[i].Groups = append(a.Groups, install.Oncall)
			}
		}
		c.OnCall = []config.OnCall{{Group: install.Oncall, Every: config.Duration(10 * time.Second), MaxAge: config.Duration(10 * time.Second), Fallback: "",
			PagerDuty: &config.OnCallPagerDuty{URL: tool.URL, TokenFile: "tool.token", CA: "tool.pem", Schedules: []string{"PSCHED"}}}}
	})
	x.start()
	x.fails()
	await(t, "the on-call tool's answer", func() (bool, string) {
		r := x.cli(t, ana, "oncall", "show", install.Oncall)
		return strings.Contains(r.out, "known") && strings.Contains(r.out, you), r.out + r.err
	})
	answers := func(who string, id writ.PlanID) result {
		t.Helper()
		return x.cli(t, who, "approve", string(id), "--as", "oncall", "--digest", digestIn(t, x.cli(t, who, "plan", "show", string(id)).out))
	}

	// Whose turn it is not answers nothing, though the roster has them in the group.
	x.wantCLI(t, 0, you, "oncall", "delegate", install.Oncall, "--to", eve, "--for", "1h")
	plan := x.wants("scale-service", replicas(6), writ.PlanWaiting).Plan
	for _, who := range []string{cy, you} {
		if r := answers(who, plan); r.code != 3 || !strings.Contains(r.err, string(writ.ReasonApproverUnknown)) {
			t.Errorf("%s answered without the turn: %d %s%s", who, r.code, r.out, r.err)
		}
	}
	// The server counts eve, who has the turn; the runner's own roster does not know her as on call.
	if r := answers(eve, plan); r.code != 0 || !strings.Contains(r.err, "in place of "+you) {
		t.Fatalf("%d %s%s", r.code, r.out, r.err)
	}
	if r := x.ends(plan); r.State != writ.RunRefused || r.Reason != writ.ReasonApproverUnknown {
		t.Errorf("with an approval of nobody that its owners have signed in, the runner's run is %s (%s)", r.State, r.Reason)
	}

	// Given back and handed to somebody whom the runner knows. What the runner refused was a failure, so policy asks for an owner
	// besides; meanwhile the approval is taken back, and counts no more.
	x.wantCLI(t, 0, eve, "oncall", "return", install.Oncall)
	x.wantCLI(t, 0, you, "oncall", "delegate", install.Oncall, "--to", cy, "--for", "1h")
	plan = x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	if r := answers(cy, plan); r.code != 0 || !strings.Contains(r.out, "waiting") {
		t.Fatalf("%d %s%s", r.code, r.out, r.err)
	}
	if r := x.cli(t, cy, "recall", string(plan)); r.code != 0 || !strings.Contains(r.out, "taken back") {
		t.Fatalf("%d %s%s", r.code, r.out, r.err)
	}
	if r := answers(cy, plan); r.code != 3 || !strings.Contains(r.err, string(writ.ReasonApprovalReplayed)) {
		t.Errorf("after a recall: %d %s%s", r.code, r.out, r.err)
	}
	x.wantCLI(t, 0, cy, "oncall", "return", install.Oncall)
	if r := answers(you, plan); r.code != 0 || !strings.Contains(r.out, "waiting") {
		t.Fatalf("%d %s%s", r.code, r.out, r.err)
	}
	x.wantCLI(t, 0, ana, "approve", string(plan), "--digest", digestIn(t, x.cli(t, ana, "plan", "show", string(plan)).out))
	if r := x.ends(plan); r.Started == nil || r.State != writ.RunSucceeded && r.State != writ.RunUndone { // more replicas need not help
		t.Errorf("the run is %s: %s %s", r.State, r.Reason, r.Detail)
	}
	var grants []struct{ Grant, State string }
	must(t, json.Unmarshal([]byte(x.wantCLI(t, 0, cy, "grant", "list", "-o", "json").out), &grants))
	if len(grants) != 2 || grants[0].State != "used" || grants[1].State != "over" {
		t.Errorf("%+v", grants)
	}
	if r := x.cli(t, cy, "grant", "show", grants[0].Grant); r.code != 0 || !strings.Contains(r.out, string(plan)) {
		t.Errorf("%d %s%s", r.code, r.out, r.err)
	}
	if r := x.cli(t, ana, "recall", string(plan)); r.code == 0 || !strings.Contains(r.err, "done") {
		t.Errorf("after the run: %d %s%s", r.code, r.out, r.err)
	}

	// The tool goes away; its answer grows too old, and it is said where people look.
	tool.Close()
	await(t, "the silence of the on-call tool to show", func() (bool, string) {
		r := x.cli(t, you, "status")
		return strings.Contains(r.out, "ON CALL of "+install.Oncall) && strings.Contains(r.out, "nobody can answer"), r.out
	})
	if _, page := x.request(you, http.MethodGet, "/v1/status", ""); !strings.Contains(page, `"state":"nobody"`) {
		t.Errorf("status: %s", page)
	}

	// The record: whole, true, and with what it cost.
	bundle := filepath.Join(x.dir, "all.bundle")
	x.wantCLI(t, 0, you, "ledger", "export", "-f", bundle)
	var report verify.Report
	must(t, json.Unmarshal([]byte(x.run(t, x.dir, "ledger", "verify", bundle, "--trust", x.in.Verify, "-o", "json").out), &report))
	for _, f := range report.Findings {
		if !slices.Contains([]string{"approver", "approval", "quorum", "proof"}, f.Code) { // eve is not on call by the auditor's roster either: so it says, of her approval and of the grant that counts it
			t.Errorf("%s: %s", f.Code, f.Text)
		}
	}
	var cost friction.Report
	must(t, json.Unmarshal([]byte(x.run(t, x.dir, "report", "friction", "--bundle", bundle, "-o", "json").out), &cost))
	if cost.Total.Plans != 2 || cost.Total.Prompts != 2 || cost.Total.Approvals != 3 || cost.Total.Recalls != 1 || cost.Total.Runs != 1 || len(cost.Tiers) != 1 || cost.Tiers[0].Tier != "T2" {
		t.Errorf("it cost %+v", cost)
	}
	for _, e := range x.entries(t) {
		if strings.Contains(string(e.Record.Body), oncallToken) {
			t.Error("the tool's token is in the ledger")
		}
	}
	if strings.Contains(x.said.String(), oncallToken) {
		t.Error("somebody was told the tool's token")
	}
}
