package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/store"
	"github.com/writ-dev/writ/internal/token"
)

// runRetry is when a granted run that was handed out is handed out again: its runner may have died before it spent
// the grant. A runner that has spent it does not run it twice.
const runRetry = 15 * time.Second

// assign writes one piece of work for a runner.
func (c *Control) assign(tx *store.Tx, runner writ.RunnerID, in writ.IncidentID, a assignmentRow) error {
	return store.Create(tx, store.Assignments, store.Row{
		ID: string(a.ID), Incident: string(in), State: stateOpen, Key: string(runner), Due: millis(c.now()),
	}, a)
}

// close ends an assignment; it is idempotent, also when two answers come at once.
func (c *Control) close(tx *store.Tx, id writ.AssignmentID) error {
	row, err := tx.Get(store.Assignments, string(id))
	if err != nil || row.State == stateDone {
		return err
	}
	was := row.State
	row.State, row.Due = stateDone, 0
	return tx.Update(store.Assignments, row, was)
}

// Next hands the runner its next piece of work, or nil when none came within the wait.
func (c *Control) Next(ctx context.Context, runner writ.RunnerID, ask assignment.Ask) (*assignment.Assignment, error) {
	if err := c.saw(ctx, runner); err != nil {
		return nil, err
	}
	var out *assignment.Assignment
	err := c.await(ctx, time.Duration(ask.WaitSeconds)*time.Second, func() (bool, error) {
		doc, err := c.claim(ctx, runner, ask.Claim)
		if err != nil || doc == nil {
			return false, err
		}
		out, err = c.fill(ctx, *doc, ask.Seen)
		return out != nil, err
	})
	return out, err
}

// claim takes the oldest assignment that is due and makes it invisible for a while. Only the holder of the cell is given
// any.
func (c *Control) claim(ctx context.Context, runner writ.RunnerID, by assignment.Claim) (*assignmentRow, error) {
	due := store.Filter{Key: string(runner), State: stateOpen, DueBefore: millis(c.now()) + 1, Limit: 1}
	if err := c.Store.View(ctx, func(tx *store.Tx) error { return holds(tx, runner, by) }); err != nil {
		return nil, err
	}
	if any, err := c.Store.Look(ctx, store.Assignments, due); err != nil || len(any) == 0 {
		return nil, err
	}
	var doc *assignmentRow
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		doc = nil
		if err := holds(tx, runner, by); err != nil {
			return err
		}
		docs, rows, err := find[assignmentRow](tx, store.Assignments, due)
		if err != nil || len(rows) == 0 {
			return err
		}
		row := rows[0]
		doc = &docs[0]
		if !c.now().Before(doc.Expires) {
			err := c.close(tx, doc.ID)
			doc = nil
			return err
		}
		wait := map[assignment.Kind]time.Duration{
			assignment.KindObserve: observeRetry, assignment.KindPlan: planningRetry, assignment.KindRun: runRetry, assignment.KindReread: observeRetry,
		}[doc.Kind]
		row.Due = millis(c.now().Add(wait))
		return tx.Update(store.Assignments, row, stateOpen)
	})
	return doc, err
}

// fill turns a row into what travels.
func (c *Control) fill(ctx context.Context, doc assignmentRow, seen int64) (*assignment.Assignment, error) {
	feed, err := c.feed(ctx)
	if err != nil {
		return nil, err
	}
	a := &assignment.Assignment{V: writ.FormatVersion, ID: doc.ID, Kind: doc.Kind, Expires: doc.Expires, Observe: doc.Observe, Plan: doc.Plan, Reread: doc.Reread, Feed: feed}
	if doc.Kind != assignment.KindRun {
		return a, nil
	}
	b, err := c.bundle(ctx, doc.Run, doc.ID, seen)
	if errors.Is(err, writ.ErrConflict) { // the run has moved on
		return nil, c.Store.Update(ctx, func(tx *store.Tx) error { return c.close(tx, doc.ID) })
	}
	a.Run = b
	return a, err
}

// bundle puts together everything a runner needs to judge a granted plan.
func (c *Control) bundle(ctx context.Context, id writ.RunID, assigned writ.AssignmentID, seen int64) (*assignment.Bundle, error) {
	var g grantRow
	var p planRow
	var asked *writ.Signed
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		run, row, err := store.Load[runRow](tx, store.Runs, string(id))
		if err != nil {
			return err
		}
		if writ.RunState(row.State).Final() {
			return fmt.Errorf("%w: run %s has ended", writ.ErrConflict, id)
		}
		if g, _, err = store.Load[grantRow](tx, store.Grants, string(run.Run.Grant)); err != nil {
			return err
		}
		if g.Held && g.Assignment != assigned {
			return fmt.Errorf("%w: the grant was presented again, or its proof is void", writ.ErrConflict)
		}
		if p, _, err = store.Load[planRow](tx, store.Plans, string(g.Plan)); err != nil {
			return err
		}
		glass, _, err := c.glass(tx, p.Proposal.Emergency)
		if glass != nil {
			asked = &glass.Signed
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	proof := g.Proof // of the agent that holds the grant
	if !g.Held {
		plan, _, err := writ.ParsePlan(p.Bytes)
		if err != nil {
			return nil, err
		}
		key := c.dispatcher(plan.Holder)
		if key == nil {
			key = c.DispatchKey // the key was taken away after the grant: the runner refuses, and so the run has an end
		}
		if proof, err = token.Prove(key, token.Proof{Method: "POST", URL: c.PresentURL, AccessTokenHash: token.AccessTokenHash(g.Token)}, c.Now(), c.Rand); err != nil {
			return nil, err
		}
	}
	receipt, err := c.Store.Receipt(ctx, g.Index, seen)
	if err != nil {
		return nil, err
	}
	return &assignment.Bundle{Run: id, Grant: g.Token, Proof: proof, Plan: p.Bytes, Approvals: g.Approvals, GrantLeaf: g.Leaf, Receipt: receipt, Asked: asked}, nil
}

// AnswerAssignment takes a runner's answer. An answer to a closed assignment is accepted and changes nothing.
func (c *Control) AnswerAssignment(ctx context.Context, runner writ.RunnerID, ans assignment.Answer) error {
	var row store.Row
	var doc assignmentRow
	var held error
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		held = holds(tx, runner, ans.Claim)
		var err error
		doc, row, err = store.Load[assignmentRow](tx, store.Assignments, string(ans.Assignment))
		return err
	})
	if err == nil && row.Key != string(runner) {
		err = writ.ErrNotFound
	}
	if err != nil {
		return notFound(err, "assignment", string(ans.Assignment))
	}
	switch {
	case row.State == stateDone:
		return nil
	case held != nil:
		return held
	}
	switch doc.Kind {
	case assignment.KindObserve:
		return c.observed(ctx, runner, doc, ans)
	case assignment.KindPlan:
		return c.planned(ctx, runner, doc, ans)
	case assignment.KindReread:
		return c.readAnew(ctx, doc, ans)
	case assignment.KindRun:
		if !ans.Ended && ans.Refused == nil {
			return fmt.Errorf("%w: a run is answered with ended or refused", writ.ErrInvalid)
		}
		return c.Store.Update(ctx, func(tx *store.Tx) error {
			if ans.Refused != nil {
				if again, err := c.relapse(tx, doc.Run, doc.ID, ans.Refused.Code); again || err != nil {
					return err
				}
				if err := c.refusedRun(tx, doc.Run, *ans.Refused); err != nil {
					return err
				}
			}
			return c.close(tx, doc.ID)
		})
	}
	return fmt.Errorf("%w: assignment of kind %q", writ.ErrInvalid, doc.Kind)
}

// runnerEntry checks that a sealed entry was signed by the runner itself and speaks of this log.
func (c *Control) runnerEntry(runner writ.RunnerID, leaf []byte) (ledger.Entry, error) {
	e, err := ledger.VerifyAuthor(leaf, c.runnerKey(runner))
	if err != nil {
		return e, err
	}
	if e.Record.Log != c.Origin || !e.Record.Actor.Same(runner.Principal()) {
		return e, fmt.Errorf("%w: the entry is of another log or actor", writ.ErrInvalid)
	}
	return e, nil
}
