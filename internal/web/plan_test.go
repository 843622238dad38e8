package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/writ-dev/writ"
)

var planPage = "/plans/" + string(planID)

// section returns the part of a page between an element's opening and the next section.
func section(t *testing.T, page, begin string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, begin)
	if !ok {
		t.Fatalf("no %q in\n%s", begin, page)
	}
	part, _, _ := strings.Cut(rest, "</section>")
	return part
}

func TestAPlanIsToldInItsOrder(t *testing.T) {
	page := get(t, site(t, newFake(t)), planPage)
	last := 0
	for _, part := range []string{"<h1>", "if nobody answers, it is denied", "If this goes wrong", "Exact change", "Why you are asked", "Evidence</h2>", "Claim</h2>", "Undo</h2>", "Answers so far", "Your answer", "writ approve " + string(planID), "writ reject " + string(planID)} {
		i := strings.Index(page, part)
		if i <= last {
			t.Errorf("%q stands at %d, after %d", part, i, last)
		}
		last = i
	}
}

func TestTheThreeVoicesStayApart(t *testing.T) {
	page := get(t, site(t, newFake(t)), planPage)
	claim := section(t, page, `<section class="voice claimed"`)
	if !strings.Contains(claim, "Errors started with revision 42.") || !strings.Contains(claim, "written by agent repair, not verified") {
		t.Errorf("the claim:\n%s", claim)
	}
	if n := strings.Count(page, "Errors started with revision 42."); n != 1 {
		t.Errorf("the agent's words stand in %d places", n)
	}
	if read := section(t, page, `<section class="voice read"`); !strings.Contains(read, "read by Writ itself") || !strings.Contains(read, "less than a minute ago") {
		t.Errorf("the evidence:\n%s", read)
	}
}

func TestI14APlanWhoseWorldMovedCannotBeAnswered(t *testing.T) {
	f := newFake(t)
	f.plan.State, f.plan.Reason = writ.PlanStale, writ.ReasonWorldMoved
	page := get(t, site(t, f), planPage)
	if !strings.Contains(page, "The world moved.") {
		t.Error("it is not said")
	}
	for _, gone := range []string{"writ approve", "writ reject", "Your answer", planPage + "/withdraw", "Why you are asked"} {
		if strings.Contains(page, gone) {
			t.Errorf("%q is still there", gone)
		}
	}
	f.plan.Reason = writ.ReasonPolicyStale
	if page := get(t, site(t, f), planPage); !strings.Contains(page, "The rules changed.") || strings.Contains(page, "The world moved.") {
		t.Error("that another policy set came into force is not said")
	}
}

func TestI05APlanWhoseTimeIsOverCannotBeAnswered(t *testing.T) {
	f := newFake(t)
	f.now = f.plan.ExpiresAt
	if page := get(t, site(t, f), planPage); strings.Contains(page, "writ approve") || strings.Contains(page, "Your answer") {
		t.Error("it can")
	}
}

func TestI02NoFormOfAnyPageAnswersAPlan(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	for _, path := range everyPage {
		for _, form := range strings.Split(get(t, h, path), "<form ")[1:] {
			head, _, _ := strings.Cut(form, ">")
			if strings.Contains(head, "approv") || strings.Contains(head, "reject") {
				t.Errorf("%s has the form %s", path, head)
			}
		}
	}
	for _, path := range []string{"/approvals", "/approve", "/reject", "/answer"} {
		if a := ask(t, h, "POST", planPage+path, url.Values{"reason": {"x"}}); a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %s", path, a.Status)
		}
	}
	if did := f.did(); len(did) != 0 {
		t.Errorf("something was done: %v", did)
	}
}

func TestWhoIsAskedSecondSeesNoFirstReasonBeforeTheyAnswer(t *testing.T) {
	f := newFake(t)
	f.plan.Approvals = []writ.ApprovalStatus{{Approver: other, Answer: writ.Approve, Slot: "oncall", Proof: writ.ProofC, Reason: "looks right to me", At: at}}
	h := site(t, f)
	shown := func() bool { return strings.Contains(get(t, h, planPage), "looks right to me") }
	if !shown() {
		t.Error("T2: the reason is hidden")
	}
	f.plan.Plan.Tier = writ.T3
	if shown() {
		t.Error("T3: the reason is shown to whoever has not answered")
	}
	f.plan.Approvals = append(f.plan.Approvals, writ.ApprovalStatus{Approver: writ.Person{Iss: human.Iss, Sub: human.Sub}, Answer: writ.Approve, Slot: "owner", Proof: writ.ProofC, At: at})
	if !shown() {
		t.Error("T3: the reason is hidden after the answer")
	}
}

// hostile are texts as attackers write them, each with what must not reach a browser.
var hostile = map[string]struct{ text, never string }{
	"HTML":       {`<script>alert(1)</script><img src=x onerror=alert(1)>`, "<script>alert"},
	"attribute":  {`" autofocus onfocus="alert(1)`, `" autofocus`},
	"bidi":       {"prod\u202egpj.exe", "\u202e"},
	"isolate":    {"a\u2066b\u2069", "\u2066"},
	"zero width": {"pay\u200bments", "\u200b"},
	"ANSI":       {"\x1b[2J\x1b[31mred", "\x1b"},
	"tag":        {"x\U000e0041", "\U000e0041"},
	"line ends":  {"one\u2028two\rthree", "\u2028"},
	"template":   {"{{.Alarm}} {{template \"page\"}}", "no such text"},
	"megabyte":   {strings.Repeat("A", 1<<20), strings.Repeat("A", 4100)},
}

func TestHostileTextIsShownHarmlessly(t *testing.T) {
	for name, c := range hostile {
		f := newFake(t)
		f.plan.Title, f.plan.Claim, f.plan.Detail, f.plan.Hint, f.plan.Reason = c.text, c.text, c.text, c.text, writ.ReasonGuard
		f.plan.Plan.Steps[0].Title, f.plan.Plan.Steps[0].Object.UID, f.plan.Plan.Steps[0].Call.Query = c.text, c.text, c.text
		f.plan.Plan.Steps[0].Diff = []writ.Change{{Path: c.text, Before: c.text, After: c.text}, {Path: c.text, After: c.text}}
		f.plan.Plan.Steps[0].Inverse.Title = c.text
		f.plan.Decision.Because, f.plan.Decision.Policies = []string{c.text}, []string{c.text}
		f.plan.Requester.Sub, f.plan.Requester.Iss = c.text, c.text
		f.plan.Evidence[0].Source, f.plan.Evidence[0].Facts = c.text, writ.Observation{"fact": writ.String(c.text)}
		f.plan.Parameters = writ.Parameters{"name": writ.String(c.text)}
		f.plan.Approvals = []writ.ApprovalStatus{{Approver: writ.Person{Iss: c.text, Sub: c.text}, Answer: writ.Approve, Slot: c.text, Reason: c.text}}
		f.run.Title, f.run.Detail, f.run.State = c.text, c.text, writ.RunUncertain
		f.run.Open = []writ.StepDoubt{{Number: 1, Title: c.text, Path: c.text, Look: c.text, Diff: []writ.Change{{Path: c.text, Before: c.text, After: c.text}}}}
		for i := range f.run.Events {
			f.run.Events[i].Summary = c.text
		}
		f.bytes = []byte(c.text + "\n" + c.text)
		f.agents[0].Iss, f.agents[0].Sub, f.agents[0].Reason = c.text, c.text, c.text
		f.status.Freezes = []writ.Freeze{{ID: freezeID, Scope: writ.FreezeAgent, Value: c.text, Reason: c.text, By: writ.Principal{Kind: writ.KindHuman, Iss: c.text, Sub: c.text}, At: at}}
		if len(c.text) < 500 { // a longer one is nobody
			f.by.Sub = c.text
		}
		h := site(t, f)
		for _, path := range everyPage {
			page := get(t, h, path)
			if strings.Contains(page, c.never) {
				t.Errorf("%s: %s has it as it was sent", name, path)
			}
			if found := inline.FindString(page); found != "" && name != "HTML" && name != "attribute" {
				t.Errorf("%s: %s has %q in it", name, path, found)
			}
			if len(page) > 60_000 {
				t.Errorf("%s: %s has %d bytes", name, path, len(page))
			}
		}
	}
}

func TestLettersThatLookLikeOthersAreNamed(t *testing.T) {
	f := newFake(t)
	f.plan.Requester.Sub = "rep\u0430ir" // a Cyrillic a
	if page := get(t, site(t, f), planPage); !strings.Contains(page, "unusual letters: U&#43;0430 \u0430") {
		t.Error("they are not")
	}
}

func TestARunInDoubtSaysWhatToLookAtAndCanBeSettled(t *testing.T) {
	f := newFake(t)
	f.run.State = writ.RunUncertain
	f.run.Open = []writ.StepDoubt{{Number: 1, Step: string(planID) + ".1", Title: "Set the image", Object: writ.Object{Location: deployed}, Path: "/apis/apps/v1/x", Look: "Read it.", Diff: f.plan.Plan.Steps[0].Diff}}
	page := get(t, site(t, f), "/runs/"+string(runID))
	for _, part := range []string{"A person must look", "Read it.", "kubectl get --raw", `name="as" value="applied"`, `name="as" value="not_applied"`, "If you cannot tell, leave it."} {
		if !strings.Contains(page, part) {
			t.Errorf("no %q", part)
		}
	}
	if strings.Contains(page, "checked>") || strings.Contains(page, " checked") {
		t.Error("an answer is chosen already")
	}
}

func TestALeaseThatIsNotProvenDeadIsRedOnEveryPage(t *testing.T) {
	f := newFake(t)
	f.status.Runners[0].Debts = []writ.LeaseDebt{{Lease: leaseID, Run: runID, Target: target, Name: "writ-run-1", Since: at}}
	h := site(t, f)
	for _, path := range everyPage {
		if !strings.Contains(get(t, h, path), `<p class="alarm"><b>Lease debt.</b> writ-run-1`) {
			t.Errorf("%s does not say so", path)
		}
	}
	if page := get(t, h, "/health"); !strings.Contains(page, "owes 1 lease") || strings.Contains(page, `state good">yes`) {
		t.Error("health does not say so")
	}
}

func TestWhatNobodyHearsOtherwiseIsOnEveryPage(t *testing.T) {
	f := newFake(t)
	f.status.Channels = []writ.ChannelStatus{{Name: "slack", Kind: "slack", Failing: true, Failures: 3, Failure: "refused", Status: 503}, {Name: "mail", Kind: "mail", Delivered: &at}}
	f.status.BreakGlass = &writ.BreakGlassGlance{Owed: []writ.BreakGlassID{"bgl_01JDB4ZK4E8Q6W2N7M5T9V3XCA"}, Overdue: 1}
	f.status.PolicyProblem = "limits/what.cedar: <b>no</b>"
	h := site(t, f)
	for _, path := range everyPage {
		page := get(t, h, path)
		for _, want := range []string{"Channel slack fails", "1 overdue: the team&#39;s next ask is refused", "The newest set is not in force: limits/what.cedar: &lt;b&gt;no"} {
			if !strings.Contains(page, want) && !strings.Contains(page, strings.ReplaceAll(want, "&#39;", "'")) {
				t.Errorf("%s does not say %q", path, want)
			}
		}
	}
	page := get(t, h, "/health")
	for _, want := range []string{"3 attempts failed in a row", "writ notify test slack", "delivers", "1 review owed, 1 of them overdue", `<a href="/breakglass">`} {
		if !strings.Contains(page, want) {
			t.Errorf("health does not say %q", want)
		}
	}
	if strings.Contains(page, `state good">yes`) {
		t.Error("health calls it good")
	}
}

func TestALeaseShowsWhenItWasMintedAndWhenItWasProvenDead(t *testing.T) {
	f := newFake(t)
	page := get(t, site(t, f), "/runs/"+string(runID))
	lease := section(t, page, `id="lease"`)
	for _, s := range []int{1, 34, 45} {
		if want := at.Add(time.Duration(s) * time.Second).Format("15:04:05Z"); !strings.Contains(lease, want) {
			t.Errorf("no %s in\n%s", want, lease)
		}
	}
	if !strings.Contains(lease, "proven dead") {
		t.Error("it is not called dead")
	}
	f.run.Leases[0].IdentityGone = nil
	if lease := section(t, get(t, site(t, f), "/runs/"+string(runID)), `id="lease"`); strings.Contains(lease, "<b>proven dead") {
		t.Error("one without that proof is called dead")
	}
}

func TestGapsInATimelineAreShownAsGaps(t *testing.T) {
	h := site(t, newFake(t))
	path := "/incidents/" + string(incident)
	if page := get(t, h, path); !strings.Contains(page, "20 min with nothing") {
		t.Error("they are not")
	}
	page := get(t, h, path+"?actor=runner")
	if strings.Contains(page, "incident open: payments-api") || !strings.Contains(page, "about to roll back") {
		t.Error("the filter by kind of actor does not hold")
	}
}

func TestAnEntryIsProvedForThePage(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	for i := range 2 {
		if page := get(t, h, fmt.Sprintf("/ledger/%d", i)); !strings.Contains(page, "in the log</b> under the signed checkpoint of 2 entries") {
			t.Errorf("entry %d is not", i)
		}
	}
	if a := ask(t, h, "GET", "/ledger/2", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("an entry that is not there: %s", a.Status)
	}
	f.leaves[0], f.leaves[1] = f.leaves[1], f.leaves[0] // the log says another order than the tree
	if page := get(t, h, "/ledger/0"); !strings.Contains(page, "not proven") || strings.Contains(page, "in the log</b>") {
		t.Error("an entry at the wrong place is called proven")
	}
}

// A page has no character that a reader would not see, or would see it change the text around it, whatever bytes it shows.
func FuzzEvidenceIsShownHarmlessly(f *testing.F) {
	for _, c := range hostile {
		if len(c.text) < 1000 {
			f.Add([]byte(c.text))
		}
	}
	f.Add([]byte("\xff\xfe\x00[redacted][redacted]\n\n\r\n"))
	fake := newFake(f)
	h := site(f, fake)
	f.Fuzz(func(t *testing.T, b []byte) {
		fake.bytes = b
		page := get(t, h, "/evidence/"+string(evidence))
		if len(page) > 200_000 {
			t.Fatalf("%d bytes", len(page))
		}
		if found := inline.FindString(strings.ReplaceAll(page, "&", "")); found != "" && strings.Contains(found, "<") {
			t.Fatalf("%q", found)
		}
		for _, r := range page {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff || r == 0xfffd {
				t.Fatalf("%q is on the page", r)
			}
		}
	})
}
