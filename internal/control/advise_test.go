package control_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/writ-dev/writ"
)

func TestAdviceIsWhatThePlanWouldBeDecided(t *testing.T) {
	w := newWorld(t)
	in := w.incident("shop")
	w.observe(diagnose, in.ID)
	ask := func(by, subject writ.Principal, action string, change ...func(*writ.AccessQuestion)) writ.Decision {
		t.Helper()
		q := writ.AccessQuestion{Subject: subject, Action: "playbook/" + action, Service: "shop", Incident: in.ID}
		for _, f := range change {
			f(&q)
		}
		d, err := w.ctl.Evaluate(w.ctx, by, q)
		must(t, err)
		return d
	}
	before := len(w.entries())
	reading := func(q *writ.AccessQuestion) { q.Action = "kubernetes/workload.status" }
	if d := ask(diagnose, diagnose, "", reading); !d.Allowed() {
		t.Errorf("a reading: %s %v", d.Reason, d.Because)
	}
	// The most that the playbook may do stands for what this repair would do.
	if d := ask(repair, repair, "restart-workload"); d.Verdict != writ.Requires || !slices.Contains(d.Policies, "requirements/wide-radius") {
		t.Errorf("a low-risk repair: %s %v", d.Reason, d.Policies)
	}
	if d := ask(human("ann"), repair, "scale-workload"); d.Verdict != writ.Requires || d.Requirements.Approvals["owner"] != 1 {
		t.Errorf("a repair of tier 2: %+v", d)
	}
	for name, d := range map[string]writ.Decision{
		"an agent without the role":   ask(human("ann"), diagnose, "restart-workload"),
		"a suspended agent":           ask(human("ann"), asleep, "restart-workload"),
		"an agent nobody registered":  ask(human("ann"), writ.Principal{Kind: writ.KindAgent, Iss: idp, Sub: "nobody"}, "restart-workload"),
		"no incident":                 ask(repair, repair, "restart-workload", func(q *writ.AccessQuestion) { q.Incident = "" }),
		"an unknown playbook":         ask(repair, repair, "burn-it-down"),
		"an unknown service":          ask(repair, repair, "restart-workload", func(q *writ.AccessQuestion) { q.Service = "nowhere" }),
		"another service's incident":  ask(repair, repair, "restart-workload", func(q *writ.AccessQuestion) { q.Service = "orders" }),
		"an operation of no playbook": ask(repair, repair, "", func(q *writ.AccessQuestion) { q.Action = "kubernetes/workload.restart" }),
	} {
		if d.Allowed() || d.Verdict != writ.Deny || d.Reason == "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if got := len(w.entries()); got-before != w.count(writ.EntryAdvice) {
		t.Errorf("advice wrote %d entries, %d of them that it was asked for", got-before, w.count(writ.EntryAdvice))
	}
}

func TestAnAgentAsksAboutItselfOnly(t *testing.T) {
	w := quietWorld(t)
	_, err := w.ctl.Evaluate(w.ctx, repair, writ.AccessQuestion{Subject: second, Action: "playbook/restart-workload", Service: "shop"})
	if !errors.Is(err, writ.ErrDenied) || writ.ReasonOf(err) != writ.ReasonNotYours {
		t.Errorf("%v", err)
	}
	names, err := w.ctl.AccessNames(w.ctx, repair)
	if err != nil || len(names.Subjects) != 1 || names.Subjects[0] != repair {
		t.Errorf("%+v, %v", names, err)
	}
}

// A plan's advice is about exactly what the plan is of, and counts the approvals that it has.
func TestAdviceOnAPlanIsForItsOwnSubjectActionAndServiceOnly(t *testing.T) {
	w := newWorld(t)
	s := w.waiting()
	q := writ.AccessQuestion{Subject: repair, Action: "playbook/scale-workload", Service: "shop", Plan: s.ID}
	if d, err := w.ctl.Evaluate(w.ctx, repair, q); err != nil || d.Verdict != writ.Requires {
		t.Errorf("%+v, %v", d, err)
	}
	for name, change := range map[string]func(*writ.AccessQuestion){
		"another subject": func(q *writ.AccessQuestion) { q.Subject = second },
		"another action":  func(q *writ.AccessQuestion) { q.Action = "playbook/restart-workload" },
		"another service": func(q *writ.AccessQuestion) { q.Service = "orders" },
		"another plan":    func(q *writ.AccessQuestion) { q.Plan = "pln_01JZZZZZZZZZZZZZZZZZZZZZZZ" },
	} {
		other := q
		change(&other)
		if d, err := w.ctl.Evaluate(w.ctx, human("ann"), other); err != nil || d.Verdict != writ.Deny || d.Reason == writ.ReasonNoGrantRule {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
}
