package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/storefront"
)

// bridged connects an agent that knows nothing of HTTP: the SDK starts the bridge as its tools' process. The token lies in the
// environment of that process alone.
func (s *site) bridged(t testing.TB, token string, more ...string) (agent, error) {
	t.Helper()
	cmd := exec.Command(s.writ, append([]string{"mcp", "--server", s.url}, more...)...)
	cmd.Env, cmd.Stderr = append(os.Environ(), "WRIT_TOKEN="+token), t.Output()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "e2e-stdio", Version: "1"}, nil).Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err == nil {
		t.Cleanup(func() { session.Close() })
	}
	return agent{s, session}, err
}

// TestTwoAgentsFinishAnIncidentThroughAHandOffAFailureAndASecondProposal plays an incident with two real clients, neither of which is
// the one that the door was written against: one agent on the TypeScript SDK diagnoses and hands off, the other, on the Go SDK behind
// the bridge, repairs. Its first repair does not help and is undone; the server is killed and comes back; its second, which a
// person approves, holds. The record verifies.
func TestTwoAgentsFinishAnIncidentThroughAHandOffAFailureAndASecondProposal(t *testing.T) {
	t.Parallel()
	nodeTools(t)
	x := openShop(t)
	must(t, x.shop.Deploy(storefront.Checkout, "v42", "pipeline"))
	x.alarm()
	x.look()
	diagnose := x.typescript(t, diagnoser)
	repair, err := x.bridged(t, x.tokenOf(repairer), "--token-file", "env:WRIT_TOKEN")
	must(t, err)

	if can := diagnose.call(t, "list_readers", map[string]any{"incident": string(x.incident)}); can.refuse || !strings.Contains(can.text, "\nhttpapi/service.metrics(service): ") {
		t.Fatal(can.text)
	}
	read := diagnose.call(t, "read_evidence", map[string]any{"incident": string(x.incident), "kind": "httpapi/service.metrics", "query": `{"service":"checkout"}`})
	words := strings.Fields(read.first())
	if read.refuse || words[0] != "EVIDENCE" {
		t.Fatal(read.text)
	}
	evidence := words[1]
	out := diagnose.call(t, "hand_off", map[string]any{
		"incident": string(x.incident), "to": repairer, "playbooks": "rollback-release", "max_tier": 2, "evidence_ids": evidence, "because": "errors began with v42",
	})
	if out.refuse {
		t.Fatal(out.text)
	}
	handOff := strings.Fields(out.first())[2]
	if out := diagnose.propose(t, map[string]any{"incident": string(x.incident), "playbook": "rollback-release", "parameters_json": `{"service":"checkout","to":"v41"}`, "evidence_ids": evidence}); !out.refuse && out.Run != "" {
		t.Fatalf("the diagnosing agent repairs: %s", out.text)
	}

	if list := repair.call(t, "list_incidents", nil); !strings.Contains(list.text, "HANDED TO YOU "+handOff) {
		t.Fatal(list.text)
	}
	got := repair.call(t, "get_hand_off", map[string]any{"hand_off_id": handOff}) // nothing reaches it but what was passed on
	if cited := "Evidence, 1 of 1: " + evidence + "\n"; got.refuse || !strings.HasPrefix(got.text, "HAND_OFF_OPEN "+handOff) || !strings.Contains(got.text, cited) || !strings.Contains(got.text, "\n| errors began with v42\n") {
		t.Fatal(got.text)
	}
	if seen := repair.call(t, "get_evidence", map[string]any{"evidence_id": evidence}); seen.refuse || !strings.Contains(seen.text, "fact error_permille = ") {
		t.Fatal(seen.text)
	}
	ask := func(release string, want writ.PlanState) answer {
		t.Helper()
		args := map[string]any{"incident": string(x.incident), "playbook": "rollback-release", "parameters_json": `{"service":"checkout","to":"` + release + `"}`, "evidence_ids": evidence, "hand_off_id": handOff}
		out := repair.call(t, "propose_plan", args)
		if again := repair.call(t, "propose_plan", args); again.Plan != out.Plan {
			t.Errorf("the same proposal again is another plan: %s", again.text)
		}
		for !out.refuse && out.State == string(writ.PlanPlanning) {
			out = repair.call(t, "get_plan", map[string]any{"plan_id": string(out.Plan), "wait_seconds": 20})
		}
		if out.State != string(want) {
			t.Fatalf("rollback to %s: %s", release, out.text)
		}
		return out
	}
	must(t, x.shop.SetRate(storefront.DefaultRate)) // enough that its checks see the release that they are about
	first := ask("v43", writ.PlanGranted)           // slow, in another way than v42 is wrong
	if r := x.ends(first.Plan); r.State != writ.RunUndone {
		t.Fatalf("the first repair is %s", r.State)
	}
	if got := repair.call(t, "get_run", map[string]any{"run_id": string(first.Run)}); !strings.HasPrefix(got.text, "UNDONE") {
		t.Errorf("the agent is told: %s", got.text)
	}

	// The server is gone while the agent asks; the bridge waits for it.
	x.procs["server"].kill()
	came := make(chan struct{})
	go func() {
		defer close(came)
		r, err := repair.session.CallTool(context.WithoutCancel(t.Context()), &mcp.CallToolParams{Name: "list_incidents"})
		if err != nil || r.IsError {
			t.Errorf("a call while the server was away: %v", err)
		}
	}()
	x.startServer()
	<-came
	x.awaitRunner()

	second := ask("v41", writ.PlanWaiting) // after a repair that did not help, policy asks an owner
	if got := x.approves(second.Plan); got.code != 0 {
		t.Fatal(got.err)
	}
	r := x.ends(second.Plan)
	if r.State != writ.RunSucceeded {
		t.Fatalf("the second repair is %s", r.State)
	}
	if got := repair.call(t, "get_run", map[string]any{"run_id": string(r.ID)}); !strings.HasPrefix(got.text, "SUCCEEDED") {
		t.Errorf("the agent is told: %s", got.text)
	}
	await(t, "the errors to end", func() (bool, string) {
		r := x.shop.Rates(storefront.Checkout)
		return r.ErrorPermille < 10 && r.Requests >= 20, fmt.Sprintf("%+v", r)
	})
	x.verified(t)
}

// TestTheBridgeSaysWhatIsWrongAndTakesNoSecretAsAnArgument starts bridges that cannot serve.
func TestTheBridgeSaysWhatIsWrongAndTakesNoSecretAsAnArgument(t *testing.T) {
	t.Parallel()
	x := openShop(t)
	if _, err := x.bridged(t, "not-a-token", "--token-file", "env:WRIT_TOKEN"); err == nil || !strings.Contains(err.Error(), "does not take this agent's token") {
		t.Errorf("an unknown token: %v", err)
	}
	token := x.tokenOf(repairer)
	if _, err := x.bridged(t, "", "--token-file", token); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("a token as an argument: %v", err)
	}
	file := filepath.Join(x.dir, "agent.token")
	write(t, file, []byte(token+"\n"))
	a, err := x.bridged(t, "", "--token-file", file)
	must(t, err)
	if got := a.call(t, "list_playbooks", nil); got.refuse || !strings.Contains(got.text, "rollback-release") {
		t.Errorf("a token in a file: %s", got.text)
	}
	for _, args := range [][]string{{"mcp"}, {"mcp", "--server", x.url}, {"mcp", "--server", x.url, "--token-file", "a", "--assertion-file", "b"}, {"mcp", "--server", "http://elsewhere.example", "--token-file", file}} {
		if r := x.run(t, x.dir, args...); r.code == 0 || r.out != "" || r.err == "" {
			t.Errorf("%v: status %d, %q, %q", args, r.code, r.out, r.err)
		}
	}
}
