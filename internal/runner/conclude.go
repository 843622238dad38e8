package runner

import (
	"context"
	"errors"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// conclude makes the outcome durable, ends the leases and closes the run.
func (x *execution) conclude(ctx context.Context, state writ.RunState, why cause) error {
	x.run.State, x.run.Reason, x.run.Detail = state, why.Reason, why.Detail
	x.run.Applied, x.run.Undone, x.run.Unknown = x.count()
	if err := x.r.Journal.Conclude(ctx, x.run); err != nil {
		return err
	}
	x.slog.Info("run concluded", "state", string(state), "reason", string(why.Reason), "detail", writ.Printable(why.Detail, maxDetail))
	x.r.mu.Lock()
	delete(x.r.stops, x.run.ID)
	x.r.mu.Unlock()
	x.letGo(ctx)
	return x.r.close(ctx, x.run.ID)
}

// close puts the last entries of a concluded run, its receipt and its end, into the outbox, once none of its leases has power. The reaper calls it
// again after every lease that it ends, so that it happens at last.
func (r *Runner) close(ctx context.Context, id writ.RunID) error {
	run, err := r.Journal.Run(ctx, id)
	if err != nil || !run.Ended.IsZero() || run.State == writ.RunRunning {
		return err
	}
	leases, err := r.Journal.Leases(ctx, id)
	if err != nil {
		return err
	}
	for _, l := range leases {
		if l.PowerGone.IsZero() {
			return nil
		}
	}
	entry, _, err := r.seal(run.Log, writ.EntryRun, run.Incident, writ.RunBody{
		Run: id, Grant: run.Grant, Plan: run.Plan, PlanDigest: run.PlanDigest, State: run.State, Reason: run.Reason,
		Applied: run.Applied, Undone: run.Undone, Unknown: run.Unknown,
	}, ref(relGrant, run.GrantLeaf)...)
	if err != nil {
		return err
	}
	r.receipts.Lock()
	defer r.receipts.Unlock()
	last, link, err := r.receipt(ctx, run)
	if errors.Is(err, writ.ErrInvalid) { // the run must end all the same: it holds locks and people wait for it
		r.Log.Error("a run ends without a receipt", "run", string(id), "error", err)
		last, link, err = nil, journal.Link{}, nil
	}
	if err != nil {
		return err
	}
	err = r.Journal.End(ctx, id, r.Now(), link, append(last, entry)...)
	if errors.Is(err, writ.ErrConflict) { // reaper and run came at once; one of them has ended it
		return nil
	}
	r.wake()
	return err
}

// load puts a run together from the journal.
func (r *Runner) load(ctx context.Context, run journal.Run) (*execution, error) {
	kept, err := r.Journal.Plan(ctx, run.Plan)
	if err != nil {
		return nil, err
	}
	events, err := r.Journal.Events(ctx, run.ID)
	if err != nil {
		return nil, err
	}
	return r.newExecution(run, kept, events)
}

func (r *Runner) setLive(id writ.RunID, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.live[id] = true
	} else {
		delete(r.live, id)
	}
}
