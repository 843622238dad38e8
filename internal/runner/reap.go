package runner

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/runner/journal"
)

const (
	reapEvery  = time.Second
	reapRest   = 15 * time.Second // the longest pause between two turns at one lease; they never end before it is dead
	debtAfter  = 30 * time.Second // a lease not proven dead by then, counted from its first revocation, blocks its cell
	alarmEvery = time.Minute
)

// reap ends leases until ctx ends. It belongs to no run: it works from the journal alone, on every lease that no run
// holds, and gives up on none (invariant I06).
func (r *Runner) reap(ctx context.Context) {
	for {
		r.reapOnce(ctx)
		r.alarm(ctx)
		if !pause(ctx, reapEvery, nil) {
			return
		}
	}
}

// reapOnce takes one turn at each lease that is due.
func (r *Runner) reapOnce(ctx context.Context) {
	alive, err := r.Journal.Alive(ctx)
	if err != nil {
		r.Log.Error("journal", "error", err)
		return
	}
	for _, l := range alive {
		r.mu.Lock()
		busy, b := r.held[l.ID], r.retry[l.ID]
		r.mu.Unlock()
		if busy || r.Now().Before(b.next) {
			continue
		}
		r.reapLease(ctx, l.ID, b)
	}
}

func (r *Runner) reapLease(ctx context.Context, id writ.LeaseID, b backoff) {
	l, err := r.retire(ctx, id, nil)
	void := errors.Is(err, errVoid)
	if err != nil && !void {
		r.Log.Warn("lease not ended yet", "lease", l.Name, "run", string(l.Run), "error", err)
		b = b.after(r.Now(), reapEvery, reapRest)
	} else {
		b = backoff{next: r.Now().Add(reapEvery)}
	}
	r.mu.Lock()
	if l.Dead() || void {
		delete(r.retry, id)
	} else {
		r.retry[id] = b
	}
	if void || err == nil && !l.PowerGone.IsZero() {
		delete(r.orphans, id)
	}
	r.mu.Unlock()
	if err == nil && !l.PowerGone.IsZero() {
		r.wake()
	}
	if err == nil && !l.PowerGone.IsZero() && l.Run != "" {
		if err := r.close(ctx, l.Run); err != nil {
			r.Log.Error("run not ended", "run", string(l.Run), "error", err)
		}
	}
}

// debts returns the leases that block new runs: not proven dead long after their revocation began, or left behind by
// an earlier process and still with power.
func (r *Runner) debts(ctx context.Context) ([]journal.Lease, error) {
	alive, err := r.Journal.Alive(ctx)
	if err != nil {
		return nil, err
	}
	var out []journal.Lease
	for _, l := range alive {
		r.mu.Lock()
		orphan := r.orphans[l.ID]
		r.mu.Unlock()
		if orphan || !l.Revoking.IsZero() && r.Now().Sub(l.Revoking) >= debtAfter {
			out = append(out, l)
		}
	}
	return out, nil
}

// alarm logs each debt once a minute, as an error.
func (r *Runner) alarm(ctx context.Context) {
	debts, err := r.debts(ctx)
	if err != nil || len(debts) == 0 || r.Now().Sub(r.lastAlarm) < alarmEvery {
		return
	}
	r.lastAlarm = r.Now()
	for _, l := range debts {
		r.Log.Error("a lease cannot be proven dead; new runs are refused until it is", "lease", l.Name, "target", string(l.Target),
			"run", string(l.Run), "power_gone", !l.PowerGone.IsZero(), "since", l.Revoking)
	}
}
