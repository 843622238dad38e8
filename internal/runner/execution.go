package runner

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// Kinds of a run's events. What a run knows is the fold of its events (note), in the process that wrote them as after
// a restart.
const (
	eventTurned  = "turned"  // it goes towards safety, and why
	eventSealed  = "sealed"  // a step's intent is in the outbox
	eventAcked   = "acked"   // the ledger proved the intent: the call may have been made from here on
	eventOutcome = "outcome" // what the call did
	eventUndo    = "undo"    // a step's undo may have been made from here on
	eventUndone  = "undone"  // what the undo did
)

// cause says why a run does not go forward. The zero cause is none.
type cause struct {
	Reason writ.Reason `json:"reason"`
	Detail string      `json:"detail,omitempty"`
}

// outcome is connector.Outcome as the journal keeps it.
type outcome struct {
	Effect  writ.Effect     `json:"effect"`
	Status  int             `json:"status,omitempty"`
	Version string          `json:"version,omitempty"`
	After   []byte          `json:"after,omitempty"`
	Sent    writ.Commitment `json:"sent,omitzero"`
	Reason  writ.Reason     `json:"reason,omitempty"`
	Detail  string          `json:"detail,omitempty"`
}

// undone is connector.Undone as the journal keeps it.
type undone struct {
	Effect   writ.Effect `json:"effect"`
	Restored bool        `json:"restored"`
	Left     []string    `json:"left,omitempty"`
	Reason   writ.Reason `json:"reason,omitempty"`
	Detail   string      `json:"detail,omitempty"`
}

// progress is what is known about one step.
type progress struct {
	intent writ.Digest // leaf of its intent; zero before there is one
	acked  bool
	did    *outcome
	undo   writ.Digest // leaf of its undo's intent
	undid  *undone
}

// execution is one run in hand. One goroutine owns it.
type execution struct {
	r     *Runner
	run   journal.Run
	plan  writ.Plan
	kept  journal.Plan
	conn  connector.Connector
	log   string // origin of the ledger
	slog  *slog.Logger
	steps []progress
	why   cause
	tier  writ.Tier // in force, as its grant says; T0 in a process that did not judge the grant itself

	active []active // leases that it holds back from the reaper
}

// newExecution puts a run together from the journal.
func (r *Runner) newExecution(run journal.Run, kept journal.Plan, events []journal.Event) (*execution, error) {
	p, _, err := writ.ParsePlan(kept.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", journal.ErrDamaged, err)
	}
	if len(kept.Prepared) != len(p.Steps) {
		return nil, fmt.Errorf("%w: plan %s has %d steps and %d prepared calls", journal.ErrDamaged, p.ID, len(p.Steps), len(kept.Prepared))
	}
	conn, err := r.connector(p.Target)
	if err != nil {
		return nil, err
	}
	x := &execution{
		r: r, run: run, plan: p, kept: kept, conn: conn, log: run.Log, slog: r.Log.With("run", string(run.ID), "plan", string(p.ID)),
		steps: make([]progress, len(p.Steps)),
	}
	for _, e := range events {
		if err := x.note(e); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// event makes one event; v must be of the kind's type, and step counts from 0, or is -1 for none.
func (x *execution) event(kind string, step int, v any) (journal.Event, error) {
	e := journal.Event{Kind: kind, Step: step + 1, At: x.r.Now()}
	if v == nil {
		return e, nil
	}
	var err error
	if e.Data, err = json.Marshal(v); err != nil {
		return e, fmt.Errorf("event %s: %w", kind, err)
	}
	return e, nil
}

// note takes one event that the journal holds.
func (x *execution) note(e journal.Event) error {
	damaged := func(err error) error {
		return fmt.Errorf("%w: run %s, event %d: %v", journal.ErrDamaged, x.run.ID, e.Seq, err)
	}
	if e.Kind == eventTurned {
		if err := json.Unmarshal(e.Data, &x.why); err != nil {
			return damaged(err)
		}
		return nil
	}
	if e.Step < 1 || e.Step > len(x.steps) {
		return damaged(fmt.Errorf("step %d of %d", e.Step, len(x.steps)))
	}
	s := &x.steps[e.Step-1]
	var err error
	switch e.Kind {
	case eventSealed:
		err = json.Unmarshal(e.Data, &s.intent)
	case eventAcked:
		s.acked = true
	case eventOutcome:
		s.did = new(outcome)
		err = json.Unmarshal(e.Data, s.did)
	case eventUndo:
		err = json.Unmarshal(e.Data, &s.undo)
	case eventUndone:
		s.undid = new(undone)
		err = json.Unmarshal(e.Data, s.undid)
	default:
		err = fmt.Errorf("kind %q", e.Kind)
	}
	if err != nil {
		return damaged(err)
	}
	return nil
}

// noteAll takes events that the journal holds.
func (x *execution) noteAll(events ...journal.Event) error {
	for _, e := range events {
		if err := x.note(e); err != nil {
			return err
		}
	}
	return nil
}

// count returns how many steps were applied, undone and left unknown.
func (x *execution) count() (applied, undone, unknown int) {
	for _, s := range x.steps {
		switch {
		case s.did == nil && s.acked, s.did != nil && s.did.Effect == writ.Unknown:
			unknown++
		case s.did != nil && s.did.Effect == writ.Applied:
			applied++
		}
		switch {
		case s.undid == nil && !s.undo.IsZero(), s.undid != nil && s.undid.Effect == writ.Unknown:
			unknown++
		case s.undid != nil && s.undid.Effect == writ.Applied && s.undid.Restored:
			undone++
		}
	}
	return applied, undone, unknown
}

// body is what intents say about a step.
func (x *execution) body(step int) writ.StepBody {
	s := x.plan.Steps[step]
	return writ.StepBody{
		Run: x.run.ID, Grant: x.run.Grant, Plan: x.plan.ID, PlanDigest: x.run.PlanDigest, Step: s.Key, Operation: s.Operation,
		Object: s.Object, Call: s.Call,
	}
}
