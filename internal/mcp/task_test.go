package mcp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

const (
	withTasks = `"io.modelcontextprotocol/tasks":{}`
	ask       = `"name":"propose_plan","arguments":{"incident":"inc_` + ulid + `","playbook":"rollback-deployment"}`
	plan      = "pln_" + ulid
)

func about(id string) string { return `"taskId":"` + id + `"` }

func TestAProposalIsATaskOnlyForTheRequestThatDeclaresTasks(t *testing.T) {
	f := &fakeControl{state: writ.PlanWaiting}
	c := raw{t, serve(t, f)}
	got := c.now("tools/call", "propose_plan", ask, withTasks)
	if got.code != http.StatusOK || got.Result["resultType"] != "task" || got.Result["taskId"] != plan || got.Result["status"] != "working" || got.Result["result"] != nil {
		t.Errorf("declared: %s", got.body)
	}
	if got := c.now("tools/call", "propose_plan", ask, ""); got.Result["resultType"] != "complete" || !strings.HasPrefix(got.text(), "WAITING_FOR_APPROVAL") {
		t.Errorf("not declared: %s", got.body)
	}
	old := c.post(map[string]string{"Mcp-Protocol-Version": "2025-11-25"}, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{`+ask+`}}`)
	if !strings.HasPrefix(old.text(), "WAITING_FOR_APPROVAL") {
		t.Errorf("an older revision: %s", old.body)
	}
	if got := c.now("tools/call", "get_plan", `"name":"get_plan","arguments":{"plan_id":"`+plan+`"}`, withTasks); got.Result["resultType"] != "complete" {
		t.Errorf("a tool that proposes nothing: %s", got.body)
	}
	f.state = writ.PlanDenied
	if got := c.now("tools/call", "propose_plan", ask, withTasks); got.Result["resultType"] != "complete" || !strings.HasPrefix(got.text(), "DENIED") {
		t.Errorf("what is decided at once needs no task: %s", got.body)
	}
}

func TestATaskTellsWhatBecameOfItsPlan(t *testing.T) {
	f := &fakeControl{}
	c := raw{t, serve(t, f)}
	for _, one := range []struct {
		plan         writ.PlanState
		run          writ.RunState
		status, text string
	}{
		{writ.PlanPlanning, "", "working", ""},
		{writ.PlanWaiting, "", "working", ""},
		{writ.PlanDenied, "", "completed", "DENIED"},
		{writ.PlanWithdrawn, "", "cancelled", ""},
		{writ.PlanGranted, writ.RunRunning, "working", ""},
		{writ.PlanDone, writ.RunSucceeded, "completed", "SUCCEEDED"},
		{writ.PlanDone, writ.RunUncertain, "completed", "UNCERTAIN"},
	} {
		f.state, f.run = one.plan, one.run
		got := c.now("tasks/get", plan, about(plan), withTasks)
		result, _ := got.Result["result"].(map[string]any)
		if got.code != http.StatusOK || got.Result["status"] != one.status || (one.text != "") != (result != nil) || !strings.Contains(got.body, one.text) {
			t.Errorf("%s %s: %s", one.plan, one.run, got.body)
		}
	}
}

func TestEachCallAboutATaskIsAuthorisedAnewAndNamesItsTaskInTheHead(t *testing.T) {
	f := &fakeControl{state: writ.PlanWaiting}
	c := raw{t, serve(t, f)}
	for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
		f.by, f.refuse = writ.Principal{}, nil
		if got := c.now(method, plan, about(plan), withTasks); got.code != http.StatusOK || got.Result["resultType"] != "complete" || f.by != repair {
			t.Errorf("%s: %d %s by %v", method, got.code, got.body, f.by)
		}
		if got := c.now(method, plan, about(plan), ""); got.code != http.StatusBadRequest || got.Error == nil || got.Error.Code != -32021 || got.Error.Data["requiredCapabilities"] == nil {
			t.Errorf("%s without the extension: %d %s", method, got.code, got.body)
		}
		for name, head := range map[string]string{"another task": "pln_01JDB4A2Q7N5S3J8E6X0F4G1MC", "none": ""} {
			if got := c.now(method, head, about(plan), withTasks); got.code != http.StatusBadRequest || got.Error == nil || got.Error.Code != -32020 {
				t.Errorf("%s whose head names %s: %d %s", method, name, got.code, got.body)
			}
		}
		f.refuse = writ.ErrNotFound
		if got := c.now(method, plan, about(plan), withTasks); got.Error == nil || got.Error.Code != -32602 {
			t.Errorf("%s of another agent's plan: %d %s", method, got.code, got.body)
		}
		if got := c.now(method, "x", about("x"), withTasks); got.Error == nil || got.Error.Code != -32602 {
			t.Errorf("%s of no plan: %d %s", method, got.code, got.body)
		}
		f.refuse = &writ.Refusal{Code: writ.ReasonFrozen, Kind: writ.ErrFrozen, Detail: "a person has frozen this"}
		if got := c.now(method, plan, about(plan), withTasks); got.Error == nil || !strings.HasSuffix(got.Error.Message, "frozen: a person has frozen this; "+writ.ReasonFrozen.Nearest()) {
			t.Errorf("%s that is refused: %s", method, got.body)
		}
		f.refuse = http.ErrNoLocation
		if got := c.now(method, plan, about(plan), withTasks); got.Error == nil || strings.Contains(got.body, "Location") {
			t.Errorf("%s tells of the inside: %s", method, got.body)
		}
	}
	for _, method := range []string{"tasks/list", "tasks/result"} {
		if got := c.now(method, plan, about(plan), withTasks); got.code != http.StatusNotFound {
			t.Errorf("%s: %d %s", method, got.code, got.body)
		}
	}
}

func TestCancellingATaskWithdrawsThePlanOrStopsTheRun(t *testing.T) {
	for name, one := range map[string]struct {
		plan writ.PlanState
		run  writ.RunState
		want string
	}{
		"a plan that waits":      {writ.PlanWaiting, "", "withdraw"},
		"a run on its way":       {writ.PlanGranted, writ.RunRunning, "stop"},
		"a run that has ended":   {writ.PlanDone, writ.RunSucceeded, ""},
		"a plan that was denied": {writ.PlanDenied, "", ""},
	} {
		f := &fakeControl{state: one.plan, run: one.run}
		got := raw{t, serve(t, f)}.now("tasks/cancel", plan, about(plan), withTasks)
		if got.code != http.StatusOK || f.did != one.want || got.Result["status"] != nil {
			t.Errorf("%s: did %q, %s", name, f.did, got.body)
		}
	}
}
