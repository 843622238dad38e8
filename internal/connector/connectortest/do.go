package connectortest

import (
	"bytes"
	"testing"

	"github.com/writ-dev/writ"
)

func (f Fixture) do(t *testing.T) {
	c, _ := f.open(t)
	t.Run("I13 a call is made once and exactly", func(t *testing.T) {
		s := f.Fresh(t)
		before := s.State(t)
		p := prepared(t, c, s)
		l := mint(t, c, false, p)
		out := l.Do(t.Context(), p)
		wantOutcome(t, out, writ.Applied, "")
		switch {
		case len(p.Body) > 0 && !out.Sent.Equal(p.Step.Call.Body):
			t.Error("other bytes were sent than were planned")
		case len(out.After) == 0 || out.Version == "" || out.Version == p.Step.Object.Version || out.Status < 200 || out.Status > 299:
			t.Errorf("status %d, version %q, %d bytes after", out.Status, out.Version, len(out.After))
		}
		after := s.State(t)
		if after == before {
			t.Fatal("nothing has changed")
		}
		wantOutcome(t, l.Do(t.Context(), p), writ.NotApplied, writ.ReasonWorldMoved)
		wantState(t, s, after, "the second call changed the object")
	})
	t.Run("I14 an object that moved is left alone", func(t *testing.T) {
		s := f.Fresh(t)
		p := prepared(t, c, s)
		l := mint(t, c, false, p)
		s.Meddle(t)
		moved, wrote := s.State(t), f.Writes(t)
		wantOutcome(t, l.Do(t.Context(), p), writ.NotApplied, writ.ReasonWorldMoved)
		if n := f.Writes(t); n != wrote {
			t.Error("the call was sent, though the object was seen to have moved")
		}
		wantState(t, s, moved, "the call changed an object that had moved")
	})
	t.Run("I03 other bytes than the planned ones are not sent", func(t *testing.T) {
		s := f.Fresh(t)
		p := prepared(t, c, s)
		l := mint(t, c, false, p)
		before, wrote := s.State(t), f.Writes(t)
		altered := p
		altered.Body = append(bytes.Clone(p.Body), ' ')
		wantOutcome(t, l.Do(t.Context(), altered), writ.NotApplied, writ.ReasonCallAltered)
		altered = p
		altered.Preimage = append(bytes.Clone(p.Preimage), ' ')
		if u := l.Undo(t.Context(), altered, nil); u.Effect != writ.NotApplied || u.Reason != writ.ReasonCallAltered {
			t.Errorf("undo with another pre-image: %+v", u)
		}
		wantState(t, s, before, "altered bytes changed the object")
		if n := f.Writes(t); n != wrote {
			t.Errorf("%d requests were sent", n-wrote)
		}
	})
}
