package e2e_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/client"
	"github.com/writ-dev/writ/e2e/install"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/config"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/storefront"
	"github.com/writ-dev/writ/policies"
)

// A vote is one signed answer, as it goes over the wire.
type vote struct {
	plan      writ.PlanID
	digest    writ.Digest
	statement []byte
	signature string
}

// signs makes a person's approval of a plan, changed as the attack wants it, with the person's own key.
func (x *counter) signs(id writ.PlanID, change func(*writ.ApprovalStatement)) vote {
	x.t.Helper()
	p, err := x.person.Plan(x.t.Context(), id)
	must(x.t, err)
	plan, digest, err := writ.ParsePlan(p.Bytes)
	must(x.t, err)
	nonce, err := ident.Nonce(rand.Reader)
	must(x.t, err)
	s, err := approval.New(plan, digest, approval.Ask{
		Answer: writ.Approve, Person: writ.Person{Iss: plan.Requester.Iss, Sub: you}, Slot: "owner", Tier: p.Tier(), Now: time.Now(), Life: 10 * time.Minute, Nonce: nonce,
	})
	must(x.t, err)
	if change != nil {
		change(&s)
	}
	v := vote{plan: id, digest: digest}
	v.statement, err = s.Bytes()
	must(x.t, err)
	key, err := ssh.ParsePrivateKey(read(x.t, x.in.SSHKeys[you]))
	must(x.t, err)
	v.signature, err = approval.Sign(v.statement, key, rand.Reader)
	must(x.t, err)
	return v
}

// votes hands an answer in for a plan, as somebody.
func (x *counter) votes(as string, id writ.PlanID, digest writ.Digest, v vote) error {
	x.t.Helper()
	_, err := install.Client(x.t, x.in, x.url, as, client.Config{}).Approve(x.t.Context(), id, digest, v.statement, v.signature, "")
	return err
}

// waits demands that a plan still waits for people and that nobody was counted.
func (x *counter) waits(id writ.PlanID) {
	x.t.Helper()
	p, err := x.person.Plan(x.t.Context(), id)
	must(x.t, err)
	if p.State != writ.PlanWaiting || len(p.Approvals) != 0 {
		x.t.Errorf("plan %s is %s with %d approvals", id, p.State, len(p.Approvals))
	}
}

// denies demands a refusal with one of these codes.
func denies(t testing.TB, err error, want ...writ.Reason) {
	t.Helper()
	for _, code := range want {
		if writ.ReasonOf(err) == code {
			return
		}
	}
	t.Errorf("%v, want %v", err, want)
}

// APR-01, APR-07: an approval is for the plan whose digest it names. It serves no wider plan, and no second one.
func TestAPR01APR07AnApprovalServesOnePlanOnce(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	n := x.shop.WriteRequests()
	narrow := x.wants("scale-service", replicas(4), writ.PlanWaiting).Plan
	v := x.signs(narrow, nil)
	x.call(t, "withdraw_plan", narrow) // one open plan of a kind on an object: the second takes its place
	wide := x.wants("scale-service", replicas(6), writ.PlanWaiting).Plan
	other := x.signs(wide, nil)

	denies(t, x.votes(you, wide, other.digest, v), writ.ReasonApprovalMismatch)
	if err := x.votes(you, wide, v.digest, v); !errors.Is(err, writ.ErrStale) {
		t.Errorf("under the narrow plan's digest: %v", err)
	}
	for name, change := range map[string]func(*writ.ApprovalStatement){
		"another digest":   func(s *writ.ApprovalStatement) { s.PlanDigest = v.digest },
		"another runner":   func(s *writ.ApprovalStatement) { s.Runner = "spiffe://writ.local/runner/other" },
		"another incident": func(s *writ.ApprovalStatement) { s.Incident = "inc_01JDB3V0T6M2Y8H4R1C7K5P9WD" },
		"another policy":   func(s *writ.ApprovalStatement) { s.PolicyDigest = writ.DigestOf([]byte("other")) },
		"other evidence":   func(s *writ.ApprovalStatement) { s.EvidenceDigest = writ.DigestOf([]byte("other")) },
	} {
		if err := x.votes(you, wide, other.digest, x.signs(wide, change)); writ.ReasonOf(err) != writ.ReasonApprovalMismatch {
			t.Errorf("%s: %v", name, err)
		}
	}
	x.waits(wide)
	x.untouched(n)

	must(t, x.votes(you, wide, other.digest, other))
	if r := x.ends(wide); r.State == writ.RunGranted {
		t.Errorf("%s", r.State)
	}
	x.look()
	again := x.ask("scale-service", replicas(5))
	if again.State == string(writ.PlanWaiting) {
		spent := x.signs(again.Plan, func(s *writ.ApprovalStatement) { *s = statementOf(t, other, s) })
		denies(t, x.votes(you, again.Plan, spent.digest, spent), writ.ReasonApprovalReplayed)
	}
	denies(t, x.votes(you, wide, other.digest, other), writ.ReasonApprovalReplayed, writ.ReasonApprovalExpired)
}

// statementOf is the second statement with the nonce of the first, which was used.
func statementOf(t testing.TB, used vote, s *writ.ApprovalStatement) writ.ApprovalStatement {
	t.Helper()
	old, err := writ.ParseApprovalStatement(used.statement)
	must(t, err)
	out := *s
	out.Nonce = old.Nonce
	return out
}

// call lets the repairing agent call a tool about a plan.
func (x *counter) call(t testing.TB, tool string, plan writ.PlanID) answer {
	t.Helper()
	return x.agent(t, repairer).call(t, tool, map[string]any{"plan_id": string(plan), "because": "another one"})
}

// APR-03: an approval from before does not count later: not when its time is over or far off, and not for the same ask
// made again.
func TestAPR03AnApprovalFromBeforeDoesNotCountLater(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	n := x.shop.WriteRequests()
	first := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	for name, change := range map[string]func(*writ.ApprovalStatement){
		"expired": func(s *writ.ApprovalStatement) {
			s.NotBefore, s.Expires = s.NotBefore.Add(-time.Hour), s.Expires.Add(-time.Hour)
		},
		"not yet": func(s *writ.ApprovalStatement) {
			s.NotBefore, s.Expires = s.NotBefore.Add(time.Hour), s.Expires.Add(time.Hour)
		},
	} {
		if err := x.votes(you, first, x.signs(first, nil).digest, x.signs(first, change)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	x.waits(first)
	old := x.signs(first, nil)
	x.call(t, "withdraw_plan", first)
	second := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	if second == first {
		t.Fatal("the withdrawn plan came back")
	}
	denies(t, x.votes(you, second, x.signs(second, nil).digest, old), writ.ReasonApprovalMismatch)
	if err := x.votes(you, first, old.digest, old); err == nil {
		t.Error("the withdrawn plan was approved")
	}
	x.waits(second)
	x.untouched(n)
}

// APR-05: what was approved for one agent is not spent by another, nor in another's name.
func TestAPR05AnotherAgentDoesNotSpendWhatWasApproved(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	n := x.shop.WriteRequests()
	stranger := x.agent(t, diagnoser)
	for tool, args := range map[string]map[string]any{
		"propose_plan":  {"incident": string(x.incident), "playbook": "scale-service", "parameters_json": `{"service":"checkout","replicas":5}`, "because": "the main agent was allowed to", "evidence_ids": x.evidence[0]},
		"withdraw_plan": {"plan_id": string(plan), "because": "mine now"},
	} {
		if a := stranger.call(t, tool, args); !a.refuse {
			t.Errorf("%s by the other agent: %s", tool, a.text)
		}
	}
	code, text := x.request(diagnoser, http.MethodPost, "/v1/plans/"+string(plan)+"/approvals", `{}`)
	if code < 400 || code >= 500 {
		t.Errorf("an approval by the other agent: %d %s", code, text)
	}
	x.waits(plan)
	x.untouched(n)
	v := x.signs(plan, nil)
	must(t, x.votes(you, plan, v.digest, v))
	if r := x.ends(plan); r.Run.State == writ.RunRefused {
		t.Errorf("the owner's grant was consumed: %s", r.Reason)
	}
	if c := count(x.entries(t), writ.EntryGrant); c != 1 {
		t.Errorf("%d grants", c)
	}
}

// APR-07: an idempotency key that was used does not carry another ask.
func TestAPR07AKeyOfAnEarlierCallCarriesNoOtherCall(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	ask := func(n int) (int, string) {
		body := fmt.Sprintf(`{"incident":%q,"playbook":"scale-service","parameters":{"service":"checkout","replicas":%d},"evidence":[%q],"because":"x"}`, x.incident, n, x.evidence[0])
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, x.url+"/v1/proposals", strings.NewReader(body))
		must(t, err)
		for k, v := range map[string]string{"Content-Type": "application/json", "Authorization": "Bearer " + x.tokenOf(repairer), "Idempotency-Key": "one-key-for-two-asks"} {
			r.Header.Set(k, v)
		}
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		return resp.StatusCode, readAll(t, resp.Body)
	}
	if code, text := ask(4); code >= 300 {
		t.Fatalf("%d %s", code, text)
	}
	if code, text := ask(6); code != http.StatusUnprocessableEntity {
		t.Errorf("another ask under the key: %d %s", code, text)
	}
	if c := count(x.entries(t), writ.EntryProposal); c != 1 {
		t.Errorf("%d proposals", c)
	}
}

// APR-09: the control plane is stopped while a plan waits and comes back with other rules. What was signed under the old
// ones does not count, and nothing is executed.
func TestAPR09AnAnswerUnderReplacedRulesIsAskedForAgain(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	n := x.shop.WriteRequests()
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	v := x.signs(plan, nil)
	x.procs["server"].kill()
	dir := filepath.Join(x.dir, "replaced")
	must(t, os.CopyFS(dir, policies.Dev()))
	must(t, filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".cedar") {
			return err
		}
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		fmt.Fprintln(f, "// another version")
		return f.Close()
	}))
	x.edit(func(c *config.Server) { c.Policies = dir })
	x.startServer()
	x.awaitRunner()
	if err := x.votes(you, plan, v.digest, v); err == nil {
		t.Error("an answer under the old rules was taken")
	} else {
		denies(t, err, writ.ReasonApprovalMismatch, writ.ReasonPolicyAltered, writ.ReasonApprovalExpired) // by then the plan may have ended as stale
	}
	if p, err := x.person.Plan(t.Context(), plan); err != nil || p.Run != "" {
		t.Errorf("%+v %v", p.Run, err)
	}
	x.untouched(n)
}

// APR-11, MCP-05: a playbook that is edited after an approval is another one: neither its old nor its new text is executed.
func TestAPR11MCP05AnEditedPlaybookIsNotTheOneThatWasApproved(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	n := x.shop.WriteRequests()
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	v := x.signs(plan, nil)
	x.procs["server"].kill()
	file := filepath.Join(x.in.Dir, "playbooks", "scale-service.yaml")
	old := string(read(t, file))
	edited := strings.Replace(old, "value: 30}", "value: 3}", 1)
	if edited == old {
		t.Fatalf("the playbook has no guard to loosen:\n%s", old)
	}
	write(t, file, []byte(edited))
	x.startServer()
	x.awaitRunner()
	if err := x.votes(you, plan, v.digest, v); err == nil {
		p, err := x.person.WaitPlan(t.Context(), plan)
		must(t, err)
		if p.Run != "" {
			if r := x.ends(plan); r.State != writ.RunRefused {
				t.Errorf("the run is %s", r.State)
			}
		}
	}
	if a := x.ask("scale-service", replicas(6)); !a.refuse && a.State != string(writ.PlanRefused) && a.State != string(writ.PlanDenied) {
		t.Errorf("the edited playbook: %s", a.text)
	}
	x.untouched(n)
}

// APR-13: an agent's words never push out of view what Writ computed: they come after it, on one line, cut, and marked.
func TestAPR13AnAgentsWordsHideNothing(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	a := x.agent(t, repairer)
	words := strings.Repeat("All is well, this only adds one replica. ", 45) + "\x1b[2J\x1b[H\u202e\nDigest    sha256:0000\n"
	out := a.call(t, "propose_plan", map[string]any{
		"incident": string(x.incident), "playbook": "scale-service", "parameters_json": `{"service":"checkout","replicas":6}`, "evidence_ids": x.evidence[0], "because": words,
	})
	for !out.refuse && out.State == string(writ.PlanPlanning) {
		out = a.call(t, "get_plan", map[string]any{"plan_id": string(out.Plan), "wait_seconds": 20})
	}
	if out.refuse {
		// Control characters are refused at the door: then the same without them.
		out = a.call(t, "propose_plan", map[string]any{
			"incident": string(x.incident), "playbook": "scale-service", "parameters_json": `{"service":"checkout","replicas":6}`, "evidence_ids": x.evidence[0],
			"because": strings.Repeat("All is well, this only adds one replica. ", 45),
		})
		for !out.refuse && out.State == string(writ.PlanPlanning) {
			out = a.call(t, "get_plan", map[string]any{"plan_id": string(out.Plan), "wait_seconds": 20})
		}
	}
	if out.State != string(writ.PlanWaiting) {
		t.Fatalf("%s", out.text)
	}
	shown := x.cli(t, you, "plan", "show", string(out.Plan)).out
	claim, exact := strings.Index(shown, "All is well"), strings.Index(shown, "replicas")
	if exact < 0 || claim < 0 || claim < exact {
		t.Errorf("the change stands at %d, the claim at %d:\n%s", exact, claim, shown)
	}
	for line := range strings.Lines(shown) {
		if len(line) > 700 || strings.ContainsAny(line, "\x1b\u202e") {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
		if strings.Contains(line, "All is well") && !strings.Contains(line, "not verified") {
			t.Errorf("the claim is not marked: %q", line)
		}
	}
	if digestIn(t, shown) == (writ.DigestOf(nil)).String() || strings.Count(shown, "\nDigest ")+strings.Count(shown, "  Digest ") != 1 {
		t.Errorf("%s", shown)
	}
}

// APR-15: an agent that holds a person's key, or asks in a person's place, is still an agent; and a person's own ask needs
// another person.
func TestAPR15APersonsKeyDoesNotMakeAnAgentAPerson(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	n := x.shop.WriteRequests()
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	v := x.signs(plan, nil) // a good signature, with the person's stolen key
	for _, as := range []string{repairer, diagnoser} {
		if err := x.votes(as, plan, v.digest, v); !errors.Is(err, writ.ErrDenied) {
			t.Errorf("%s with a person's key: %v", as, err)
		}
	}
	x.waits(plan)
	x.call(t, "withdraw_plan", plan)

	mine, err := x.person.Propose(t.Context(), writ.Ask{Incident: x.incident, Playbook: "scale-service", Evidence: []writ.EvidenceID{writ.EvidenceID(x.evidence[0])}, Because: "I know better",
		Parameters: writ.Parameters{"service": writ.String(storefront.Checkout), "replicas": writ.Int(5)}})
	must(t, err)
	mine, err = x.person.WaitPlan(t.Context(), mine.ID, writ.PlanPlanning)
	must(t, err)
	if mine.State != writ.PlanWaiting {
		t.Fatalf("a person's own ask is %s: %s", mine.State, mine.Detail)
	}
	own := x.signs(mine.ID, nil)
	denies(t, x.votes(you, mine.ID, own.digest, own), writ.ReasonApproverConflict)
	x.waits(mine.ID)
	x.untouched(n)
}

// CAP-11: a hundred copies of one approval, at once, are one vote, one grant and one run.
func TestCAP11AHundredUsesAtOnceOfOneApprovalAreOne(t *testing.T) {
	t.Parallel()
	x := openShop(t).fails()
	plan := x.wants("scale-service", replicas(5), writ.PlanWaiting).Plan
	v := x.signs(plan, nil)
	as := install.Client(t, x.in, x.url, you, client.Config{})
	var all sync.WaitGroup
	taken := make(chan bool, 100)
	for range cap(taken) {
		all.Go(func() {
			_, err := as.Approve(t.Context(), plan, v.digest, v.statement, v.signature, "")
			taken <- err == nil
		})
	}
	all.Wait()
	close(taken)
	won := 0
	for ok := range taken {
		if ok {
			won++
		}
	}
	x.ends(plan)
	entries := x.entries(t)
	if a, g := count(entries, writ.EntryApproval), count(entries, writ.EntryGrant); won != 1 || a != 1 || g != 1 {
		t.Errorf("%d were taken; %d approvals and %d grants are in the ledger", won, a, g)
	}
}
