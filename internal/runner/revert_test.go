package runner_test

import (
	"testing"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
)

// puttingBack asks for a plan that puts a run back.
func (w *world) puttingBack(name string, of writ.Plan, run writ.RunID, steps ...int) assignment.Answer {
	w.t.Helper()
	b, err := of.Bytes()
	must(w.t, err)
	return w.propose(name, func(p *assignment.Planning) {
		var prp writ.Proposal
		must(w.t, canon.Parse(p.Proposal, &prp))
		prp.Incident, prp.Reverts = of.Incident, run
		prp.By = writ.Principal{Kind: writ.KindHuman, Iss: "https://idp.test", Sub: "bob"}
		p.Proposal, err = canon.Marshal(prp)
		must(w.t, err)
		p.ProposalLeaf = writ.DigestOf(p.Proposal)
		p.Reverts = &assignment.Reverts{Run: run, Plan: b, Steps: steps}
	})
}

func TestI16ARunIsPutBackByAPlanOfItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("three"))
		if end := w.execute(g); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
		w.stop()
		w.start() // the journal alone knows what was there
		a := w.puttingBack("three", g.plan, g.run, 3, 2, 1)
		if a.Planned == nil {
			t.Fatalf("%+v", a.Refused)
		}
		p, _, err := writ.ParsePlan(a.Planned.Plan)
		must(t, err)
		if p.Reverts != g.run || len(p.Steps) != 3 || p.Steps[0].Reverts != g.plan.Steps[2].Key || p.Title != "Undo: "+g.plan.Title || len(p.Guards) != 0 {
			t.Fatalf("%+v", p)
		}
		w.target.Unhelpful = true // what the playbook verifies says nothing about its undo
		back := w.grant(p)
		if end := w.execute(back); end.State != writ.RunSucceeded || end.Applied != 3 {
			t.Fatalf("%+v", end)
		}
		if v := w.target.values(); v != "old old old" {
			t.Errorf("the things are %s", v)
		}
		w.allDead()
		// And the undo is put back in turn.
		a = w.puttingBack("three", p, back.run, 3, 2, 1)
		if a.Planned == nil {
			t.Fatalf("%+v", a.Refused)
		}
		q, _, err := writ.ParsePlan(a.Planned.Plan)
		must(t, err)
		if end := w.execute(w.grant(q)); end.State != writ.RunSucceeded {
			t.Fatalf("%+v", end)
		}
		if v := w.target.values(); v != "new new new" {
			t.Errorf("the things are %s", v)
		}
	})
}

func TestI14AnUndoIsNotMadeWhenTheObjectMovedSince(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.start()
		g := w.grant(w.planned("one"))
		w.execute(g)
		a := w.puttingBack("one", g.plan, g.run, 1)
		p, _, err := writ.ParsePlan(a.Planned.Plan)
		must(t, err)
		w.target.things["a"] = thing{"uid-a", 9, "colleague's"}
		if end := w.execute(w.grant(p)); end.State != writ.RunRefused || end.Reason != writ.ReasonWorldMoved {
			t.Errorf("%+v", end)
		}
		if w.target.things["a"].Value != "colleague's" {
			t.Error("a colleague's change was overwritten")
		}
	})
}

func TestI12ARunnerPutsBackWhatItsOwnJournalKnows(t *testing.T) {
	for name, c := range map[string]struct {
		ask  func(w *world, g *issued) assignment.Answer
		want writ.Reason
	}{
		"a run that it never made": {func(w *world, g *issued) assignment.Answer {
			return w.puttingBack("two", g.plan, newID[writ.RunID](w, "run"), 2, 1)
		}, writ.ReasonForgotten},
		"another plan": {func(w *world, g *issued) assignment.Answer {
			other := g.plan
			other.Title = "Something else"
			return w.puttingBack("two", other, g.run, 2, 1)
		}, writ.ReasonPlanDigest},
		"another playbook":        {func(w *world, g *issued) assignment.Answer { return w.puttingBack("one", g.plan, g.run, 2, 1) }, writ.ReasonPlanMismatch},
		"half of it":              {func(w *world, g *issued) assignment.Answer { return w.puttingBack("two", g.plan, g.run, 2) }, writ.ReasonForm},
		"the first step first":    {func(w *world, g *issued) assignment.Answer { return w.puttingBack("two", g.plan, g.run, 1, 2) }, writ.ReasonForm},
		"a step that it does not": {func(w *world, g *issued) assignment.Answer { return w.puttingBack("two", g.plan, g.run, 3, 2, 1) }, writ.ReasonForm},
		"a third party's change": {func(w *world, g *issued) assignment.Answer {
			w.target.things["b"] = thing{"uid-b", 9, "colleague's"}
			return w.puttingBack("two", g.plan, g.run, 2, 1)
		}, writ.ReasonUndoConflict},
		"what was forgotten": {func(w *world, g *issued) assignment.Answer {
			must(w.t, w.journal.Prune(w.t.Context(), time.Now().Add(9*24*time.Hour), 7*24*time.Hour))
			return w.puttingBack("two", g.plan, g.run, 2, 1)
		}, writ.ReasonForgotten},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.start()
				g := w.grant(w.planned("two"))
				if end := w.execute(g); end.State != writ.RunSucceeded {
					t.Fatalf("%+v", end)
				}
				before := w.target.values()
				a := c.ask(w, g)
				if a.Refused == nil || a.Refused.Code != c.want {
					t.Fatalf("answered %+v, want %s", a.Refused, c.want)
				}
				if all, _ := w.target.calls(); all != 2 || name != "a third party's change" && w.target.values() != before {
					t.Error("a refusal called the target")
				}
			})
		})
	}
}
