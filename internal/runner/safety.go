package runner

import (
	"context"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// turn makes durable that the run goes towards safety, and why. The first cause counts.
func (x *execution) turn(ctx context.Context, why cause) error {
	if x.why.Reason != "" {
		return nil
	}
	e, err := x.event(eventTurned, -1, why)
	if err != nil {
		return err
	}
	if err := x.r.Journal.Append(ctx, x.run.ID, []journal.Event{e}); err != nil {
		return err
	}
	return x.note(e)
}

// finish brings a run to its end from whatever its events say, in the process that began it as after a restart. It
// never makes a forward call: it takes the power away, finds out by reading what an interrupted call did, verifies if
// everything was applied, and undoes what was applied otherwise.
func (x *execution) finish(ctx context.Context) error {
	x.letGo(ctx)
	if !x.owned(ctx) {
		return x.abandon(ctx)
	}
	if err := x.closePromises(ctx); err != nil {
		return err
	}
	if err := x.settle(ctx); err != nil {
		return err
	}
	_, _, unknown := x.count()
	if unknown > 0 && !x.undoing() {
		return x.conclude(ctx, writ.RunUncertain, cause{writ.ReasonUncertainOutcome, "what a call did is not known; a person must look"})
	}
	if x.why.Reason == "" {
		if x.allApplied() {
			x.letGo(ctx) // what settled the last call is not needed to look
			holds, err := x.verify(ctx)
			if err != nil {
				return err
			}
			if holds {
				return x.conclude(ctx, writ.RunSucceeded, cause{})
			}
		}
		if err := x.turn(ctx, x.unhelpful()); err != nil {
			return err
		}
	}
	if !x.owned(ctx) {
		return x.abandon(ctx)
	}
	return x.undoAll(ctx)
}

// unhelpful is the cause of a run that has none: it ran to its end and did not help, or was cut short by a crash or an
// unknown outcome.
func (x *execution) unhelpful() cause {
	if !x.allApplied() {
		return cause{writ.ReasonStepFailed, "the run was interrupted before its last step"}
	}
	if why := x.halted(false); why != nil {
		return *why
	}
	return cause{writ.ReasonVerificationFailed, "the effect that the playbook demands was not seen in time"}
}

func (x *execution) allApplied() bool {
	applied, _, _ := x.count()
	return applied == len(x.steps)
}

func (x *execution) undoing() bool {
	for _, s := range x.steps {
		if !s.undo.IsZero() {
			return true
		}
	}
	return false
}

// closePromises gives intents that were never acknowledged, or without a lease could not be made, their outcome.
func (x *execution) closePromises(ctx context.Context) error {
	leases, err := x.r.Journal.Leases(ctx, x.run.ID)
	if err != nil {
		return err
	}
	begun := slices.ContainsFunc(leases, func(l journal.Lease) bool { return !l.Begun.IsZero() })
	for i, s := range x.steps {
		if s.intent.IsZero() || s.did != nil || s.acked && begun {
			continue
		}
		why := x.why
		if why.Reason == "" {
			why = cause{writ.ReasonUnavailable, "the run was interrupted before this call"}
		}
		if err := x.record(ctx, i, outcome{Effect: writ.NotApplied, Reason: why.Reason, Detail: why.Detail}, 0, false); err != nil {
			return err
		}
	}
	return nil
}

// settleTries is how often an unreadable target is read again before a person is asked.
const settleTries = 5

// settle finds out, by reading only, what the call whose outcome was lost did (invariant I15: it is never made again).
// The lease it reads under can undo and nothing else.
func (x *execution) settle(ctx context.Context) error {
	for i, s := range x.steps {
		if !s.acked || s.did != nil {
			continue
		}
		lease, err := x.undoLease(ctx)
		if err != nil {
			return err
		}
		out := connector.Outcome{Reason: writ.ReasonUncertainOutcome}
		for try := 0; lease != nil && try < settleTries; try++ {
			p := x.kept.Prepared[i]
			got, ok := call(ctx, fault.TargetSettle, x.limit(i), func(ctx context.Context) connector.Outcome { return lease.Settle(ctx, p) })
			if ok {
				out = got
			}
			if out.Effect != writ.Unknown {
				break
			}
			pause(ctx, undoPause, nil)
		}
		if out.Effect == writ.Unknown && out.Reason == "" {
			out.Reason = writ.ReasonUncertainOutcome
		}
		did := outcome{out.Effect, out.Status, out.Version, out.After, out.Sent, out.Reason, writ.Printable(out.Detail, maxDetail)}
		if err := x.record(ctx, i, did, 0, false); err != nil {
			return err
		}
		if out.Effect == writ.NotApplied {
			if err := x.turn(ctx, cause{reasonOf(out.Reason, writ.ReasonStepFailed), did.Detail}); err != nil {
				return err
			}
		}
	}
	return nil
}

func reasonOf(r, other writ.Reason) writ.Reason {
	if r == "" {
		return other
	}
	return r
}

// limit is the time limit of a step's calls.
func (x *execution) limit(i int) time.Duration {
	return time.Duration(x.plan.Steps[i].TimeoutSeconds) * time.Second
}

// How long a run tries to get at the target for an undo before a person is asked.
const (
	undoPatience = 2 * time.Minute
	undoPause    = time.Second
	undoRest     = 10 * time.Second
)

// undoLease returns the run's lease for undoing, minting it if there is none: a new name each time, journalled first.
// Its entry waits in the outbox like all entries on the way to safety. nil means that it cannot be had; an error, that
// the journal failed.
func (x *execution) undoLease(ctx context.Context) (connector.Lease, error) {
	for _, a := range x.active {
		if a.lease != nil {
			return a.lease, nil
		}
	}
	var steps []int
	for i, s := range x.steps {
		if s.acked && (s.did == nil || s.did.Effect == writ.Applied) {
			steps = append(steps, i)
		}
	}
	deadline, b := x.r.Now().Add(undoPatience), backoff{}
	for {
		l, entry, err := x.newLease(steps, true)
		if err != nil {
			return nil, err
		}
		l.Begun = l.Made
		if err := x.announce(ctx, l, nil, entry); err != nil {
			return nil, err
		}
		lease, err := x.mint(ctx, l)
		if err == nil {
			return lease, nil
		}
		x.slog.Warn("no lease to undo with yet", "lease", l.Name, "error", err)
		x.letGo(ctx)
		if !x.r.Now().Before(deadline) {
			return nil, nil
		}
		b = b.after(x.r.Now(), undoPause, undoRest)
		pause(ctx, b.delay, nil)
	}
}
