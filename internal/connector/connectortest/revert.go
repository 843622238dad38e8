package connectortest

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
)

func (f Fixture) revert(t *testing.T) {
	c, _ := f.open(t)
	t.Run("I16 a step is put back exactly, by a step that can be undone", func(t *testing.T) {
		s := f.Fresh(t)
		before := s.State(t)
		p, out := f.done(t, c, s)
		after := s.State(t)
		writes := f.Writes(t)
		back := f.reversal(t, c, s, p, out)
		if f.Writes(t) != writes {
			t.Error("planning to put a step back wrote")
		}
		wantState(t, s, after, "planning to put a step back changed the object")
		if back.Step.Object.Location != p.Step.Object.Location || back.Step.Object.UID != p.Step.Object.UID || back.Step.Operation != p.Step.Operation ||
			back.Step.Reverts != p.Step.Key || back.Step.Tier < p.Step.Tier || len(back.Step.Diff) == 0 || back.Step.Inverse.Kind == writ.InverseNone {
			t.Errorf("%+v", back.Step)
		}
		undone := mint(t, c, false, back).Do(t.Context(), back)
		wantOutcome(t, undone, writ.Applied, "")
		wantState(t, s, before, "the step was not put back exactly")
		_, err := c.Revert(t.Context(), backOf(s, p, out))
		wantRefusal(t, err, writ.ReasonNoChange)
		if u := mint(t, c, true, back).Undo(t.Context(), back, undone.After); !u.Restored {
			t.Errorf("undo of putting back: %+v", u)
		}
		wantState(t, s, after, "putting back was not undone exactly")
	})
	t.Run("I16 putting back can be put back", func(t *testing.T) {
		s := f.Fresh(t)
		p, out := f.done(t, c, s)
		after := s.State(t)
		back := f.reversal(t, c, s, p, out)
		undone := mint(t, c, false, back).Do(t.Context(), back)
		wantOutcome(t, undone, writ.Applied, "")
		again := f.reversal(t, c, s, back, undone)
		wantOutcome(t, mint(t, c, false, again).Do(t.Context(), again), writ.Applied, "")
		wantState(t, s, after, "what was put back was not put back exactly")
	})
	t.Run("I16 a third party's change is named and left alone", func(t *testing.T) {
		s := f.Fresh(t)
		p, out := f.done(t, c, s)
		s.Meddle(t)
		theirs := s.State(t)
		_, err := c.Revert(t.Context(), backOf(s, p, out))
		wantRefusal(t, err, writ.ReasonUndoConflict)
		wantState(t, s, theirs, "a refusal changed the object")
	})
	t.Run("I14 an object that moved since is not put back", func(t *testing.T) {
		s := f.Fresh(t)
		p, out := f.done(t, c, s)
		back := f.reversal(t, c, s, p, out)
		l := mint(t, c, false, back)
		s.Meddle(t)
		theirs := s.State(t)
		wantOutcome(t, l.Do(t.Context(), back), writ.NotApplied, writ.ReasonWorldMoved)
		wantState(t, s, theirs, "a third party was overwritten")
	})
	t.Run("I16 what was not done is not put back", func(t *testing.T) {
		s := f.Fresh(t)
		p := prepared(t, c, s)
		_, err := c.Revert(t.Context(), backOf(s, p, connector.Outcome{}))
		wantRefusal(t, err, writ.ReasonNoChange)
	})
	t.Run("I16 what nobody saw is compared with what was asked for", func(t *testing.T) {
		s := f.Fresh(t)
		before := s.State(t)
		p, _ := f.done(t, c, s)
		back := f.reversal(t, c, s, p, connector.Outcome{})
		wantOutcome(t, mint(t, c, false, back).Do(t.Context(), back), writ.Applied, "")
		wantState(t, s, before, "the step was not put back exactly")
	})
	t.Run("I03 only what was prepared is put back, and only within the scope", func(t *testing.T) {
		s := f.Fresh(t)
		p, out := f.done(t, c, s)
		r := backOf(s, p, out)
		r.Of.Preimage = append([]byte{' '}, p.Preimage...)
		_, err := c.Revert(t.Context(), r)
		wantRefusal(t, err, writ.ReasonCallAltered)
		r = backOf(s, p, out)
		r.Scope = []writ.Location{s.Elsewhere}
		_, err = c.Revert(t.Context(), r)
		wantRefusal(t, err, writ.ReasonOutOfScope)
	})
}

// done carries the subject's draft out.
func (f Fixture) done(t *testing.T, c connector.Connector, s Subject) (connector.Prepared, connector.Outcome) {
	t.Helper()
	p := prepared(t, c, s)
	out := mint(t, c, false, p).Do(t.Context(), p)
	wantOutcome(t, out, writ.Applied, "")
	return p, out
}

// backOf asks for a step to be put back.
func backOf(s Subject, of connector.Prepared, out connector.Outcome) connector.Reversal {
	return connector.Reversal{Key: of.Step.Key + ".back", Of: of, After: out.After, Scope: s.Draft.Scope}
}

func (f Fixture) reversal(t *testing.T, c connector.Connector, s Subject, of connector.Prepared, out connector.Outcome) connector.Prepared {
	t.Helper()
	p, err := c.Revert(t.Context(), backOf(s, of, out))
	if err != nil {
		t.Fatalf("put back %s: %v", of.Step.Key, err)
	}
	return p
}
