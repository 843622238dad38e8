package connectortest

import (
	"slices"
	"strings"
	"testing"

	"github.com/writ-dev/writ"
)

func (f Fixture) plan(t *testing.T) {
	c, _ := f.open(t)
	s := f.Fresh(t)
	t.Run("I14 a plan writes nothing", func(t *testing.T) {
		wrote, before := f.Writes(t), s.State(t)
		prepared(t, c, s)
		if n := f.Writes(t); n != wrote {
			t.Errorf("planning sent %d requests that were no reads", n-wrote)
		}
		wantState(t, s, before, "planning changed the object")
	})
	t.Run("I03 a plan is complete", func(t *testing.T) {
		p := prepared(t, c, s)
		if err := p.Check(); err != nil {
			t.Error(err)
		}
		step := p.Step
		op, ok := c.Catalogue().Operation(step.Operation)
		switch {
		case !ok || step.Key != s.Draft.Key || step.Operation != s.Draft.Operation || step.Tier != op.Tier || step.Inverse.Kind != op.Inverse:
			t.Errorf("the step is not that of the draft and the catalogue: %+v", step)
		case step.Object.UID == "" || step.Object.Version == "" || step.Call.Method == "" || step.Call.Path == "" || step.TimeoutSeconds < 1:
			t.Errorf("the step lacks the object's identity, the call or a time limit: %+v", step)
		case !slices.ContainsFunc(s.Draft.Scope, step.Object.Location.Within):
			t.Errorf("%s is not in the scope", step.Object.Location)
		case len(step.Diff) == 0 || len(step.Diff) > writ.MaxChanges || step.Blast.Objects != 1:
			t.Errorf("%d changes on %d objects", len(step.Diff), step.Blast.Objects)
		case step.Title == "" || step.Inverse.Title == "" || step.Title != writ.Printable(step.Title, 1000):
			t.Errorf("titles %q and %q", step.Title, step.Inverse.Title)
		case len(p.Preimage) == 0:
			t.Error("there is nothing to put back")
		}
		if !slices.IsSortedFunc(step.Diff, func(a, b writ.Change) int { return strings.Compare(a.Path, b.Path) }) {
			t.Errorf("the diff is not sorted: %+v", step.Diff)
		}
		for _, d := range step.Diff {
			if d.Before+d.After != writ.Printable(d.Before+d.After, 10_000) {
				t.Errorf("%s is not printable", d.Path)
			}
		}
	})
	t.Run("I03 salts are fresh", func(t *testing.T) {
		if a, b := prepared(t, c, s), prepared(t, c, s); a.Salt == b.Salt {
			t.Error("two plans share a salt")
		}
	})
	t.Run("I04 an object out of scope is refused", func(t *testing.T) {
		d := s.Draft
		for _, scope := range [][]writ.Location{{s.Elsewhere}, nil, {""}} {
			d.Scope = scope
			_, err := c.Plan(t.Context(), d)
			wantRefusal(t, err, writ.ReasonOutOfScope)
		}
	})
}
