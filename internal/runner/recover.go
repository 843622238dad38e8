package runner

import (
	"context"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/fault"
)

// resume takes over what an earlier process left, from the journal alone: its leases lose their power, then each run
// that has not ended is brought to its end. It returns once every lease had its turn; the runs go on in the background.
func (r *Runner) resume(ctx context.Context) error {
	alive, err := r.Journal.Alive(ctx)
	if err != nil {
		return err
	}
	var turns sync.WaitGroup
	for _, l := range alive {
		if l.PowerGone.IsZero() {
			r.mu.Lock()
			r.orphans[l.ID] = true
			r.mu.Unlock()
		}
		turns.Go(func() { r.reapLease(ctx, l.ID, backoff{}) })
	}
	turns.Wait()
	// A control plane that answers says whether these runs are still this process's. One that does not is no reason to
	// leave them half done.
	if err := r.beat(ctx); err != nil {
		r.Log.Warn("the control plane does not answer; what was left open goes towards safety meanwhile", "error", err)
	}
	runs, err := r.Journal.Unended(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		r.done.Go(func() { r.carry(ctx, run.ID, nil) })
	}
	return nil
}

const (
	carryPause = time.Second
	carryRest  = time.Minute
)

// carry brings one run to its end. begin is its way forward, nil to take it up from the journal. Whatever fails on the
// way is the journal: the run's leases lose their power at once, without a record, and the rest is tried again.
func (r *Runner) carry(ctx context.Context, id writ.RunID, begin *execution) {
	var b backoff
	for {
		x, err := begin, error(nil)
		if x != nil {
			err = x.execute(ctx)
		} else {
			x, err = r.takeUp(ctx, id)
		}
		if err == nil {
			return
		}
		begin = nil
		r.Log.Error("run interrupted", "run", string(id), "error", err)
		if x != nil {
			x.drop(ctx)
		}
		b = b.after(r.Now(), carryPause, carryRest)
		if !pause(ctx, b.delay, r.stopping) {
			return // the next process takes it up
		}
	}
}

// takeUp finishes a run from the journal. The execution is returned for what it still holds when it failed.
func (r *Runner) takeUp(ctx context.Context, id writ.RunID) (*execution, error) {
	run, err := r.Journal.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	if run.State != writ.RunRunning {
		return nil, r.close(ctx, id)
	}
	x, err := r.load(ctx, run)
	if err != nil {
		return nil, err
	}
	return x, x.finish(ctx)
}

// drop takes the power of a run's leases away when the journal cannot be written. The reaper proves them dead later.
func (x *execution) drop(ctx context.Context) {
	for _, a := range x.active {
		if a.lease != nil {
			_, _ = try(ctx, fault.TargetRevoke, revokeLimit, func(ctx context.Context) (struct{}, error) { return struct{}{}, a.lease.Revoke(ctx) })
		}
		x.r.hold(a.id, false)
	}
	x.active = nil
}

// forget prunes the journal now and then.
func (r *Runner) forget(ctx context.Context) {
	for {
		if err := r.Journal.Prune(ctx, r.Now(), journalKeep); err != nil {
			r.Log.Error("journal", "error", err)
		}
		if !pause(ctx, pruneEvery, nil) {
			return
		}
	}
}

// journalKeep is how long the runner itself remembers what has ended; the ledger remembers for ever.
const (
	journalKeep = 7 * 24 * time.Hour
	pruneEvery  = time.Hour
)
