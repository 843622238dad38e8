package control_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/study"
)

func TestReachIsWhatPolicySaysForEveryAgentOfTheService(t *testing.T) {
	w := newWorld(t)
	before := len(w.entries())
	all, err := w.ctl.Reach(w.ctx, human("ann"), study.ReachQuestion{})
	must(t, err)
	if all.Left != 0 || all.Asked == 0 || len(all.Services) < 2 || len(all.Agents) < 2 {
		t.Fatalf("%+v", all.Names)
	}
	name := map[writ.Principal]string{}
	agents, err := w.ctl.Agents(w.ctx, human("ann"))
	must(t, err)
	for _, a := range agents {
		name[a.Principal()] = a.Name
	}
	verdict := func(service, book string, who writ.Principal) (out writ.Verdict) {
		for _, x := range all.Ways {
			if x.Service == service && x.Playbook == book && slices.Contains(x.Agents, name[who]) {
				out = x.Verdict
			}
		}
		return out
	}
	if v := verdict("shop", "scale-workload", repair); v != writ.Requires {
		t.Errorf("a repair of tier 2: %s", v)
	}
	if v := verdict("shop", "restart-workload", diagnose); v != writ.Deny {
		t.Errorf("an agent without the role: %s", v)
	}
	if v := verdict("shop", "restart-workload", asleep); v != writ.Deny {
		t.Errorf("a suspended agent: %s", v)
	}
	for _, x := range all.Ways {
		for _, s := range x.Approvers {
			for _, p := range s.People {
				for _, a := range agents {
					if slices.Contains(x.Agents, a.Name) && a.Owner == p {
						t.Errorf("%s, who answers for %s, is among those who could agree", p.Sub, a.Name)
					}
				}
			}
		}
	}
	one, err := w.ctl.Reach(w.ctx, human("ann"), study.ReachQuestion{Service: "shop", Playbook: "scale-workload", Agent: name[repair]})
	if err != nil || one.Asked != 1 || len(one.Ways) != 1 {
		t.Errorf("one of each: %d asked, %d ways, %v", one.Asked, len(one.Ways), err)
	}
	if got := len(w.entries()); got != before {
		t.Errorf("the question wrote %d entries", got-before)
	}
}

func TestOnlyPeopleAskTheLab(t *testing.T) {
	w := newWorld(t)
	for _, by := range []writ.Principal{repair, source, {}} {
		_, err := w.ctl.Reach(w.ctx, by, study.ReachQuestion{})
		_, names := w.ctl.LabNames(w.ctx, by)
		_, replay := w.ctl.Replay(w.ctx, by)
		_, suppose := w.ctl.Suppose(w.ctx, by, "shop", "scale-workload", "repair")
		_, plan := w.ctl.ExplainPlan(w.ctx, by, "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB")
		set, of := w.ctl.RulesInForce(w.ctx, by)
		if set != nil {
			t.Errorf("%v is given the set", by)
		}
		for _, err := range []error{err, names, replay, suppose, plan, of} {
			if !errors.Is(err, writ.ErrDenied) {
				t.Errorf("%v: %v", by, err)
			}
		}
	}
	for what, q := range map[string][3]string{"service": {"nowhere", "scale-workload", "repair"}, "playbook": {"shop", "burn-it-down", "repair"}, "agent": {"shop", "scale-workload", "nobody"}} {
		if _, err := w.ctl.Suppose(w.ctx, human("ann"), q[0], q[1], q[2]); writ.ReasonOf(err) == "" {
			t.Errorf("an unknown %s: %v", what, err)
		}
	}
}

// The decisions of the ledger come out the same under the set that made them.
func TestReplayDecidesTheNewestDecisionsAgain(t *testing.T) {
	w := newWorld(t)
	w.waiting()
	s, err := w.ctl.Replay(w.ctx, human("ann"))
	if err != nil || s.Records == 0 || s.Counts[study.Same] != s.Records || s.Skipped != 0 {
		t.Errorf("%+v %v", s, err)
	}
}

// A person is told why a plan waits and what would change that; nothing is recorded by the question.
func TestAPlanIsExplainedByTheSetInForce(t *testing.T) {
	w := newWorld(t)
	p, err := w.ctl.Plan(w.ctx, human("ann"), w.waiting().ID, 0)
	must(t, err)
	before := len(w.entries())
	x, err := w.ctl.ExplainPlan(w.ctx, human("ann"), p.ID)
	must(t, err)
	if x.Decision.Verdict != p.Decision.Verdict || !x.Decision.Policy.Equal(p.Decision.Policy) || len(x.Rules) == 0 || len(x.Mattered) == 0 || len(x.Changes) == 0 {
		t.Errorf("decided %s, explained as %+v", p.Decision.Verdict, x)
	}
	for _, r := range x.Rules {
		if r.File == "" || r.Line == 0 {
			t.Errorf("rule %s has no place", r.ID)
		}
	}
	if got := len(w.entries()); got != before {
		t.Errorf("the question wrote %d entries", got-before)
	}
	if _, err := w.ctl.ExplainPlan(w.ctx, human("ann"), "pln_01JDB4A2Q7N5S3J8E6X0F4G1MB"); !errors.Is(err, writ.ErrNotFound) {
		t.Errorf("a plan that is not there: %v", err)
	}
}
