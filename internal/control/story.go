package control

import (
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
)

// A deed is what the ledger tells about one step of a run.
type deed struct {
	step   writ.Step
	begun  bool
	effect writ.Effect // Unknown until its entry
	undo   *writ.UndoEffectBody
	undone bool // an undo was begun
}

// deeds folds a run's entries, step by step, and returns the leaf of its last one. It reads all of the incident's entries,
// and so is for what people do after a run, not for the way of a repair.
func (c *Control) deeds(tx *store.Tx, run writ.Run, plan writ.Plan) ([]deed, writ.Digest, error) {
	out := make([]deed, len(plan.Steps))
	at := func(key string) *deed {
		i := slices.IndexFunc(plan.Steps, func(s writ.Step) bool { return s.Key == key })
		if i < 0 {
			return new(deed)
		}
		return &out[i]
	}
	for i, s := range plan.Steps {
		out[i].step = s
	}
	var end writ.Digest
	indices, err := incidentIndices(tx, run.Incident)
	if err != nil {
		return nil, end, err
	}
	for _, i := range indices {
		leaf, err := tx.Leaf(i)
		if err != nil {
			return nil, end, err
		}
		e, err := ledger.Open(leaf)
		if err != nil {
			return nil, end, err
		}
		if runOf(e.Body) != run.ID {
			continue
		}
		switch b := e.Body.(type) {
		case *writ.StepBody:
			if e.Record.Kind == writ.EntryUndoIntent {
				at(b.Step).undone = true
			} else {
				at(b.Step).begun = true
			}
		case *writ.EffectBody:
			at(b.Step).effect = b.Effect
		case *writ.UndoEffectBody:
			at(b.Step).undo = b
		case *writ.RunBody:
			end = e.Hash
		}
	}
	return out, end, nil
}

// gone reports that it is certain that nothing of the step stands.
func (d deed) gone() bool {
	return !d.begun || d.effect == writ.NotApplied || d.undo != nil && d.undo.Restored
}

// doubtful reports that what stands of the step is not known: the call, or its undo, has no certain outcome.
func (d deed) doubtful() bool {
	switch {
	case d.gone():
		return false
	case d.effect == writ.Unknown:
		return true
	}
	return d.undone && (d.undo == nil || d.undo.Effect != writ.NotApplied)
}

// asked are the numbers, from 1, of the steps of an uncertain run that a person must settle: those in doubt. Where none is,
// the run ended uncertain because an undo was refused or there was none to make; then those that stand.
func asked(deeds []deed) []int {
	var doubtful, standing []int
	for i, d := range deeds {
		if d.doubtful() {
			doubtful = append(doubtful, i+1)
		} else if !d.gone() {
			standing = append(standing, i+1)
		}
	}
	if len(doubtful) > 0 {
		return doubtful
	}
	return standing
}

// settledAs returns a person's word on a step.
func settledAs(run writ.Run, key string) (writ.Settlement, bool) {
	i := slices.IndexFunc(run.Settled, func(s writ.Settlement) bool { return s.Step == key })
	if i < 0 {
		return writ.Settlement{}, false
	}
	return run.Settled[i], true
}

// unsettled are the numbers of the steps that nobody has settled yet.
func unsettled(run writ.Run, deeds []deed) []int {
	return slices.DeleteFunc(asked(deeds), func(n int) bool {
		_, ok := settledAs(run, deeds[n-1].step.Key)
		return ok
	})
}

// standing are the numbers of the steps that stand, the last first: what an undo puts back.
func standing(run writ.Run, deeds []deed) []int {
	var out []int
	for i, d := range slices.Backward(deeds) {
		s, ok := settledAs(run, d.step.Key)
		if ok && s.As == writ.Applied || !ok && !d.gone() {
			out = append(out, i+1)
		}
	}
	return out
}

// doubts says what a person must look at to settle an uncertain run.
func doubts(run writ.Run, deeds []deed) []writ.StepDoubt {
	var out []writ.StepDoubt
	for _, n := range unsettled(run, deeds) {
		d := deeds[n-1]
		s := d.step
		doubt := writ.StepDoubt{
			Number: n, Step: s.Key, Title: s.Title, Object: s.Object, Method: s.Call.Method, Path: s.Call.Path, Diff: s.Diff, Effect: d.effect,
			Look: fmt.Sprintf("Read %s. Where each field has the value after the arrow, the step is applied; where each has the one before it, it is not. "+
				"Before the call the object had the version %s.", s.Object.Location, s.Object.Version),
		}
		switch {
		case d.undo != nil:
			doubt.Undo = string(d.undo.Reason)
		case d.undone:
			doubt.Undo = "unknown"
		}
		out = append(out, doubt)
	}
	return out
}
