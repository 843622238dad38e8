package runner_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
)

func TestAPlanHoldsTheExactCallsAndTheSameIdGivesTheSamePlan(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		var asked assignment.Planning
		a := w.propose("two", func(p *assignment.Planning) { asked = *p })
		if a.Planned == nil {
			t.Fatalf("%+v", a.Refused)
		}
		p, digest, err := writ.ParsePlan(a.Planned.Plan)
		must(t, err)
		if p.ID != asked.Plan || p.Tier != writ.T1 || len(p.Steps) != 2 || p.Title != "Set things to new" || p.Blast != (writ.Blast{Objects: 2, Replicas: 2, Permille: 200}) {
			t.Errorf("plan %+v", p)
		}
		if s := p.Steps[1]; s.Object != (writ.Object{Location: "fake://lab/things/b", UID: "uid-b", Version: "1"}) || s.Key != string(p.ID)+".2" {
			t.Errorf("step 2: %+v", s)
		}
		e, err := ledger.Open(a.Planned.Entry)
		must(t, err)
		body := e.Body.(*writ.PlanBody)
		if !body.PlanDigest.Equal(digest) || !e.Record.Actor.Same(runnerID.Principal()) || e.Record.Refs[0] != (writ.Ref{Rel: "proposal", Leaf: asked.ProposalLeaf}) {
			t.Errorf("entry %+v, refs %+v", body, e.Record.Refs)
		}
		w.stop()
		w.target.things["a"] = thing{"uid-a", 5, "moved"}
		w.start()
		again := w.ask(assignment.Assignment{Kind: assignment.KindPlan, Plan: &asked}, 0)
		if again.Planned == nil || !bytes.Equal(again.Planned.Plan, a.Planned.Plan) || !bytes.Equal(again.Planned.Entry, a.Planned.Entry) {
			t.Error("the same plan id gave another plan")
		}
	})
}

func TestPlanningRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		book   string
		want   writ.Reason
		script func(w *world)
		change func(*assignment.Planning)
	}{
		"a guard does not hold":              {"one", writ.ReasonGuard, func(w *world) { w.target.GuardFact = false }, nil},
		"what is to be observed is not so":   {"claim", writ.ReasonEvidenceContradicted, func(w *world) { w.target.GuardFact = false }, nil},
		"what is to be observed is not read": {"claim", writ.ReasonEvidenceMissing, func(w *world) { w.target.Unreachable = true }, nil},
		"the target does not answer":         {"one", writ.ReasonUnreachable, func(w *world) { w.target.Unreachable = true }, nil},
		"a floor would not be left":          {"one", writ.ReasonBudget, func(w *world) { w.target.Units = unitsOf(2, 1, 2) }, nil},
		"there is no such object":            {"lost", writ.ReasonNoObject, nil, nil},
		"nothing would change":               {"one", writ.ReasonNoChange, func(w *world) { w.target.things["a"] = thing{"uid-a", 1, "new"} }, nil},
		"the playbook is not the proposed":   {"one", writ.ReasonPlaybookAltered, nil, func(p *assignment.Planning) { p.Playbook = []byte(playbooks["two"]) }},
		"the playbook differs by one byte":   {"one", writ.ReasonPlaybookAltered, nil, func(p *assignment.Planning) { p.Playbook = append(p.Playbook, '\n') }},
		"the proposal is not canonical":      {"one", writ.ReasonForm, nil, func(p *assignment.Planning) { p.Proposal = append(p.Proposal, ' ') }},
		"the target is another runner's":     {"one", writ.ReasonOutOfScope, nil, func(p *assignment.Planning) { p.Target = "fake://other" }},
		"the playbook is not pinned": {"one", writ.ReasonPlaybookUnpinned, func(w *world) {
			w.trust.Playbooks = w.trust.Playbooks[:0]
			w.trust.Playbooks = append(w.trust.Playbooks, writ.PlaybookRef{Name: "other", Version: 1, Digest: writ.DigestOf([]byte("x"))})
			w.sign()
		}, nil},
		"the trust file is gone": {"one", writ.ReasonTrustMissing, func(w *world) { w.file = nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				if c.script != nil {
					c.script(w)
				}
				w.start()
				var change []func(*assignment.Planning)
				if c.change != nil {
					change = append(change, c.change)
				}
				a := w.propose(c.book, change...)
				if a.Refused == nil || a.Refused.Code != c.want {
					t.Fatalf("answered %+v, want %s", a.Refused, c.want)
				}
				if c.want == writ.ReasonGuard && !strings.Contains(a.Refused.Detail, "guard may-touch: ok is false") {
					t.Errorf("the refusal says %q", a.Refused.Detail)
				}
			})
		})
	}
}

func TestObserveReadsWithinTheCatalogueOnly(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		ask := func(change func(*assignment.Observe)) assignment.Answer {
			o := &assignment.Observe{
				Evidence: newID[writ.EvidenceID](w, "ev"), Incident: newID[writ.IncidentID](w, "inc"), Scope: scope, Limit: 1000,
				Query: writ.Query{Reader: "fake/thing.status", Target: targetName},
			}
			change(o)
			return w.ask(assignment.Assignment{Kind: assignment.KindObserve, Observe: o}, 0)
		}
		a := ask(func(*assignment.Observe) {})
		if a.Observed == nil || string(a.Observed.Bytes) != "fine" || a.Observed.Facts["ok"] != writ.Bool(true) {
			t.Fatalf("%+v %+v", a.Observed, a.Refused)
		}
		for want, change := range map[writ.Reason]func(*assignment.Observe){
			writ.ReasonUnknownReader:    func(o *assignment.Observe) { o.Query.Reader = "fake/thing.secrets" },
			writ.ReasonUnknownParameter: func(o *assignment.Observe) { o.Query.With = writ.Parameters{"path": writ.String("x")} },
			writ.ReasonOutOfScope:       func(o *assignment.Observe) { o.Query.Target = "fake://other" },
			writ.ReasonForm:             func(o *assignment.Observe) { o.Limit = 0 },
			writ.ReasonTooLarge:         func(o *assignment.Observe) { o.Limit = 2 },
		} {
			if a := ask(change); a.Refused == nil || a.Refused.Code != want {
				t.Errorf("answered %+v, want %s", a.Refused, want)
			}
		}
	})
}

func TestAPlaybookWithoutUndoEndsUncertainWhenItDidNotHelp(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		p := w.planned("final")
		g := w.grant(p, w.approve(p, "ann"))
		w.target.Unhelpful = true
		if end := w.execute(g); end.State != writ.RunUncertain || end.Reason != writ.ReasonVerificationFailed || end.Undone != 0 {
			t.Errorf("%+v", end)
		}
		w.allDead()
	})
}
