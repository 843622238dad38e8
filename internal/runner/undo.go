package runner

import (
	"context"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// undoAll undoes what was applied, last first, and concludes. It stops at the first step that cannot be undone: what
// lies before it may depend on it, and a person must look.
func (x *execution) undoAll(ctx context.Context) error {
	applied, _, _ := x.count()
	if applied == 0 {
		state := writ.RunFailed
		switch x.why.Reason {
		case writ.ReasonWorldMoved, writ.ReasonGuard, writ.ReasonBudget:
			if x.steps[0].intent.IsZero() {
				state = writ.RunRefused // nothing was minted, nothing was asked of the ledger
			}
		}
		return x.conclude(ctx, state, x.why)
	}
	if x.plan.Undo == writ.UndoNone {
		return x.conclude(ctx, writ.RunUncertain, cause{x.why.Reason, "the playbook has no undo; a person must look"})
	}
	for i := len(x.steps) - 1; i >= 0; i-- {
		s := x.steps[i]
		if s.did == nil || s.did.Effect != writ.Applied {
			continue
		}
		if s.undid == nil {
			if !x.owned(ctx) {
				return x.abandon(ctx)
			}
			if err := x.undoStep(ctx, i); err != nil {
				return err
			}
		}
		if u := x.steps[i].undid; u.Effect != writ.Applied || !u.Restored {
			return x.conclude(ctx, writ.RunUncertain, cause{reasonOf(u.Reason, writ.ReasonUncertainOutcome), u.Detail})
		}
	}
	return x.conclude(ctx, writ.RunUndone, x.why)
}

// undoStep puts one pre-image back. The undo's intent is durable before the call; a call that was interrupted is made
// again, since an undo looks first and finds its own work done.
func (x *execution) undoStep(ctx context.Context, i int) error {
	lease, err := x.undoLease(ctx)
	if err != nil {
		return err
	}
	if x.steps[i].undo.IsZero() {
		if err := x.undoIntent(ctx, i); err != nil {
			return err
		}
	}
	if lease == nil {
		return x.recordUndo(ctx, i, connector.Undone{Effect: writ.NotApplied, Reason: writ.ReasonLeaseFailed, Detail: "no lease could be had to undo with"}, 0)
	}
	p, after, began := x.kept.Prepared[i], x.steps[i].did.After, x.r.Now()
	var b backoff
	for {
		u, ok := call(ctx, fault.TargetUndo, x.limit(i), func(ctx context.Context) connector.Undone { return lease.Undo(ctx, p, after) })
		if !ok {
			u = connector.Undone{Reason: writ.ReasonUncertainOutcome, Detail: "the undo did not come back"}
		}
		now := x.r.Now()
		if u.Effect == writ.NotApplied && u.Reason == writ.ReasonUnreachable && now.Before(began.Add(undoPatience)) {
			b = b.after(now, undoPause, undoRest)
			pause(ctx, b.delay, nil)
			continue
		}
		return x.recordUndo(ctx, i, u, since(began, now))
	}
}

func (x *execution) undoIntent(ctx context.Context, i int) error {
	refs := append(ref(relGrant, x.run.GrantLeaf), ref(relIntent, x.steps[i].intent)...)
	entry, hash, err := x.r.seal(x.log, writ.EntryUndoIntent, x.run.Incident, x.body(i), refs...)
	if err != nil {
		return err
	}
	e, err := x.event(eventUndo, i, hash)
	if err != nil {
		return err
	}
	if err := x.r.Journal.Append(ctx, x.run.ID, []journal.Event{e}, entry); err != nil {
		return err
	}
	return x.note(e)
}

func (x *execution) recordUndo(ctx context.Context, i int, u connector.Undone, ms int) error {
	v := undone{u.Effect, u.Restored, u.Left, u.Reason, writ.Printable(u.Detail, maxDetail)}
	if v.Reason == "" && (v.Effect != writ.Applied || !v.Restored) {
		v.Reason = writ.ReasonUncertainOutcome
	}
	entry, _, err := x.r.seal(x.log, writ.EntryUndoEffect, x.run.Incident, writ.UndoEffectBody{
		Run: x.run.ID, Step: x.plan.Steps[i].Key, Effect: v.Effect, Restored: v.Restored, Left: v.Left, Reason: v.Reason, Millis: ms,
	}, ref(relIntent, x.steps[i].undo)...)
	if err != nil {
		return err
	}
	e, err := x.event(eventUndone, i, v)
	if err != nil {
		return err
	}
	if err := x.r.Journal.Append(ctx, x.run.ID, []journal.Event{e}, entry); err != nil {
		return err
	}
	x.r.wake()
	return x.note(e)
}
