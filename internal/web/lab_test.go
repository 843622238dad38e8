package web_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/policy/study"
	"github.com/writ-dev/writ/policies"
)

// labPage is a question whose answer has all there is on the page.
const labPage = "/policy?service=payments-api&playbook=rollback-deployment&agent=repair&with=severity+%3D+1"

// shippedSet is loaded once: it does not change.
var shippedSet = func() *policy.Bundle {
	b, err := policy.Load(policies.Default(), policy.Vocabulary{
		Planes: []string{"kubernetes"}, Operations: []writ.OperationName{"kubernetes/workload.rollback"}, Playbooks: []policy.Playbook{{Name: "rollback-deployment", Plane: "kubernetes"}},
	})
	if err != nil {
		panic(err)
	}
	return b
}()

var (
	labService  = study.Service{Name: "payments-api", Owner: "checkout", Environment: "prod"}
	labPlaybook = study.Playbook{Name: "rollback-deployment", Plane: "kubernetes", Tier: writ.T2, Operations: []string{"kubernetes/workload.rollback"}, Undo: true}
	labAgent    = study.Agent{Name: "repair", Principal: agent, Team: "checkout", Roles: []string{"repair"}, Owner: other}
)

func (f *fake) LabNames(context.Context, writ.Principal) (study.Names, error) {
	return study.Names{Services: []string{labService.Name}, Playbooks: []string{labPlaybook.Name}, Agents: []string{"old", "repair"}}, f.Err
}

func (f *fake) Reach(_ context.Context, _ writ.Principal, q study.ReachQuestion) (study.Reach, error) {
	suspended := labAgent
	suspended.Name, suspended.Suspended = "old", true
	service := labService
	if f.labText != "" {
		service.Name = f.labText
	}
	ask := study.Ask{Service: service, Playbooks: []study.Playbook{labPlaybook}, Agents: func(study.Playbook) []study.Agent { return []study.Agent{labAgent, suspended} },
		People: func(slot string, without writ.Person) []writ.Person {
			return []writ.Person{{Iss: human.Iss, Sub: f.by.Sub}}
		}}
	names, _ := f.LabNames(context.Background(), human)
	if q.Service != "" && q.Service != labService.Name {
		return study.Reach{Names: names}, f.Err
	}
	ways := study.Ways(shippedSet, ask, at.Unix())
	for range f.manyWays {
		ways = append(ways, ways[0])
	}
	return study.Reach{Names: names, Ways: ways, Asked: len(ways)}, f.Err
}

func (f *fake) Suppose(_ context.Context, _ writ.Principal, service, book, name string) (policy.Request, error) {
	if name != labAgent.Name {
		return policy.Request{}, &writ.Refusal{Code: writ.ReasonAgentUnregistered, Kind: writ.ErrInvalid, Detail: "there is no agent " + writ.Printable(name, 60), Hint: "writ agent list"}
	}
	return study.GoodDay(labService, labPlaybook, labAgent, at.Unix()), f.Err
}

func (f *fake) RulesInForce(context.Context, writ.Principal) (*policy.Bundle, error) {
	return shippedSet, f.Err
}

func (f *fake) Replay(context.Context, writ.Principal) (study.Simulation, error) {
	s := study.Simulation{Records: 100, Counts: map[study.Kind]int{study.Same: 0, study.NowAllowed: 100}}
	for range 100 {
		s.Rows = append(s.Rows, study.Row{Kind: study.NowAllowed, Plan: planID, Phase: writ.PhasePlan, At: at, Service: labService.Name + f.labText, Playbook: labPlaybook.Name, Before: "deny (limit) by limits/self-diagnosed" + f.labText, After: "allow by grants/low-risk"})
	}
	return s, f.Err
}

func TestReachNamesTheAgentsAndThePeopleWhoCouldAgree(t *testing.T) {
	f := newFake(t)
	h := site(t, f)
	page := get(t, h, "/reach")
	for _, want := range []string{"Who could touch this service?", "rollback-deployment", "repair", "needs 1 of", "u-4821", "And 1 that policy denies", labPath()} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, `state bad">deny`) {
		t.Error("what policy denies is shown among what is possible")
	}
	if page := get(t, h, "/reach?all=1"); !strings.Contains(page, "limits/suspended") {
		t.Error("the denials are not shown when they are asked for")
	}
	if page := get(t, h, "/reach?service=other"); !strings.Contains(page, "<b>Nobody.</b>") {
		t.Error("an empty answer is not called empty")
	}
	f.manyWays = 500
	if page := get(t, h, "/reach"); len(page) > 40_000 || !strings.Contains(page, "441 more ways") {
		t.Errorf("%d bytes for 501 ways", len(page))
	}
}

func labPath() string {
	return "/policy?agent=repair&amp;playbook=rollback-deployment&amp;service=payments-api"
}

func TestTheLabTellsTheRuleTheFactsAndTheSmallestChange(t *testing.T) {
	page := get(t, site(t, newFake(t)), labPage)
	for _, want := range []string{"requirements/tiers.cedar:", "requires", "severity <b><bdi>1</bdi></b>", "What would change it", "approvalsOwner: 0 → 1", "Suppose it", "Save as a test", "effect: requires"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// What the lab gives as a test is one that the set takes, and that passes.
func TestATestThatTheLabSavesPasses(t *testing.T) {
	q := study.GoodDay(labService, labPlaybook, labAgent, at.Unix())
	src, err := policy.SaveCase(shippedSet, q, "a case of the lab")
	must(t, err)
	page := get(t, site(t, newFake(t)), "/policy?service=payments-api&playbook=rollback-deployment&agent=repair")
	for line := range strings.Lines(strings.ReplaceAll(string(src), "a case of the lab", "repair asks for rollback-deployment on payments-api")) {
		if want := strings.NewReplacer(`"`, "&#34;", "+", "&#43;").Replace(strings.TrimSpace(line)); !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestAQuestionThatCannotBeAskedIsExplainedAndKept(t *testing.T) {
	h := site(t, newFake(t))
	for with, want := range map[string]string{
		"severity = 9":     "severity is a number from 1 to 4",
		"severity":         "write name = value",
		"colour = red":     "there is no fact",
		"env = moon":       "env is of dev",
		"undo = perhaps":   "undo is true or false",
		"inWindow = maybe": "inWindow is true or false",
	} {
		page := get(t, h, "/policy?service=payments-api&playbook=rollback-deployment&agent=repair&with="+url.QueryEscape(with))
		if !strings.Contains(page, "Not asked.") || !strings.Contains(page, want) || !strings.Contains(page, ">"+with+"</textarea>") {
			t.Errorf("%s:\n%s", with, page)
		}
	}
	for path, want := range map[string]string{
		"/policy?agent=nobody&service=payments-api&playbook=x": "there is no agent nobody",
		"/policy?plan=pln_1": "Not asked.",
		"/policy?with=" + strings.Repeat("x", 3000) + "&agent=repair": "at most 2,000 bytes",
	} {
		if page := get(t, h, path); !strings.Contains(page, want) {
			t.Errorf("%s does not say %q", path[:min(len(path), 60)], want)
		}
	}
}

func TestAPastPlanIsDecidedAgainOnItsOwnFacts(t *testing.T) {
	f := newFake(t)
	d := shippedSet.Decide(study.GoodDay(labService, labPlaybook, labAgent, at.Unix()))
	d.Plan, d.Phase, d.At = planID, writ.PhasePlan, at
	f.plan.Decision = &d
	h := site(t, f)
	page := get(t, h, "/policy?plan="+string(planID))
	if !strings.Contains(page, "Then, ") || strings.Contains(page, "another set") || !strings.Contains(page, "as in "+string(planID)) {
		t.Errorf("%s", page)
	}
	d.Policy = digest
	if page := get(t, h, "/policy?plan="+string(planID)); !strings.Contains(page, "by <b>another set</b>") {
		t.Error("it is not said that another set decided then")
	}
	d.Facts = json.RawMessage(`{"unknown":1}`)
	if page := get(t, h, "/policy?plan="+string(planID)); !strings.Contains(page, "Not asked.") {
		t.Error("facts of another form are believed")
	}
}

func TestHostileNamesInTheLabAreShownHarmlessly(t *testing.T) {
	for name, c := range hostile {
		f := newFake(t)
		f.labText = c.text
		if len(c.text) < 500 {
			f.by.Sub = c.text
		}
		h := site(t, f)
		long := c.text[:min(len(c.text), 4000)]
		for _, path := range []string{"/reach?all=1", "/policy?replay=1", "/policy?agent=" + url.QueryEscape(long), "/policy?plan=" + url.QueryEscape(long), "/policy?agent=repair&with=" + url.QueryEscape(long), "/reach?service=" + url.QueryEscape(long)} {
			page := get(t, h, path)
			if strings.Contains(page, c.never) {
				t.Errorf("%s: %s has it as it was sent", name, path[:min(len(path), 60)])
			}
			if len(page) > 46_000 {
				t.Errorf("%s: %s has %d bytes", name, path[:min(len(path), 60)], len(page))
			}
		}
	}
}
