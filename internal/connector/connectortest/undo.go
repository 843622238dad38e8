package connectortest

import (
	"testing"

	"github.com/writ-dev/writ"
)

func (f Fixture) undo(t *testing.T) {
	c, _ := f.open(t)
	t.Run("I16 an undo is exact, and again does nothing", func(t *testing.T) {
		s := f.Fresh(t)
		before := s.State(t)
		p := prepared(t, c, s)
		out := mint(t, c, false, p).Do(t.Context(), p)
		wantOutcome(t, out, writ.Applied, "")
		l := mint(t, c, true, p)
		for range 2 {
			if u := l.Undo(t.Context(), p, out.After); u.Effect != writ.Applied || !u.Restored || len(u.Left) > 0 || u.Reason != "" {
				t.Fatalf("undo: %+v", u)
			}
			wantState(t, s, before, "the undo is not exact")
		}
	})
	t.Run("I16 an undo never overwrites a third party", func(t *testing.T) {
		s := f.Fresh(t)
		p := prepared(t, c, s)
		out := mint(t, c, false, p).Do(t.Context(), p)
		wantOutcome(t, out, writ.Applied, "")
		s.Meddle(t)
		theirs := s.State(t)
		u := mint(t, c, true, p).Undo(t.Context(), p, out.After)
		if u.Effect != writ.NotApplied || u.Restored || u.Reason != writ.ReasonUndoConflict || u.Detail == "" {
			t.Errorf("undo over a third party's change: %+v", u)
		}
		wantState(t, s, theirs, "the undo overwrote a third party")
	})
	t.Run("I16 undoing what was not done changes nothing", func(t *testing.T) {
		s := f.Fresh(t)
		p := prepared(t, c, s)
		before := s.State(t)
		if u := mint(t, c, true, p).Undo(t.Context(), p, nil); u.Effect != writ.Applied || !u.Restored {
			t.Errorf("undo: %+v", u)
		}
		wantState(t, s, before, "the undo changed the object")
	})
}

func (f Fixture) wire(t *testing.T) {
	t.Run("I15 a cut wire gives Unknown, which reading settles", func(t *testing.T) {
		c, w := f.open(t)
		s := f.Fresh(t)
		before := s.State(t)
		p := prepared(t, c, s)
		l := mint(t, c, false, p)
		w.loseAnswers(func() bool { return s.State(t) != before })
		wantOutcome(t, l.Do(t.Context(), p), writ.Unknown, writ.ReasonUncertainOutcome)
		w.mend()
		after := s.State(t)
		if after == before {
			t.Fatal("the call had no effect, so this proves nothing")
		}
		out := l.Settle(t.Context(), p)
		wantOutcome(t, out, writ.Applied, "")
		wantState(t, s, after, "settling wrote")
		if u := mint(t, c, true, p).Undo(t.Context(), p, out.After); !u.Restored {
			t.Errorf("undo of a settled call: %+v", u)
		}
		wantState(t, s, before, "the undo is not exact")
	})
	t.Run("I15 what was never sent settles as not applied", func(t *testing.T) {
		c, _ := f.open(t)
		s := f.Fresh(t)
		p := prepared(t, c, s)
		if out := mint(t, c, false, p).Settle(t.Context(), p); out.Effect != writ.NotApplied {
			t.Errorf("settle: %+v", out)
		}
	})
	t.Run("I15 a third party in between settles as unknown", func(t *testing.T) {
		c, _ := f.open(t)
		s := f.Fresh(t)
		p := prepared(t, c, s)
		l := mint(t, c, false, p)
		s.Meddle(t)
		wantOutcome(t, l.Settle(t.Context(), p), writ.Unknown, writ.ReasonUncertainOutcome)
	})
	t.Run("I15 a target out of reach is not called", func(t *testing.T) {
		far, _ := f.open(t) // keeps its wire, to revoke with
		s := f.Fresh(t)
		p := prepared(t, far, s)
		c, w := f.open(t)
		r := ask(false, p)
		var handle []byte
		live, err := far.Lease(t.Context(), r, func(h []byte) error { handle = h; return nil })
		if err != nil {
			t.Fatal(err)
		}
		l, err := c.Reopen(r, handle)
		if err != nil {
			t.Fatal(err)
		}
		w.end()
		wantOutcome(t, l.Do(t.Context(), p), writ.NotApplied, writ.ReasonUnreachable)
		if out := l.Settle(t.Context(), p); out.Effect != writ.Unknown {
			t.Errorf("settle without a target: %+v", out)
		}
		if _, err := c.Plan(t.Context(), s.Draft); writ.ReasonOf(err) != writ.ReasonUnreachable {
			t.Errorf("plan without a target: %v", err)
		}
		if err := l.Revoke(t.Context()); err == nil {
			t.Error("a lease that could not be revoked counts as revoked")
		}
		if err := live.Revoke(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
