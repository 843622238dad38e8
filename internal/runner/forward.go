package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/connector"
	"github.com/writ-dev/writ/internal/fault"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// ackPause is the time between two attempts.
const ackPause = 500 * time.Millisecond

// execute carries out a run whose grant has just been spent. Its outcome is in the journal when it returns, or the
// journal could not be written.
func (x *execution) execute(ctx context.Context) error {
	why, err := x.forward(ctx)
	if err != nil {
		return err
	}
	if why != nil {
		if err := x.turn(ctx, *why); err != nil {
			return err
		}
	}
	return x.finish(ctx)
}

// forward re-reads the world, mints the lease and makes the calls. It returns why it stopped short; nil when every
// call was made, or one has an outcome that is not known. An error means that the journal failed: nothing may follow
// but recovery.
func (x *execution) forward(ctx context.Context) (*cause, error) {
	r := x.r
	r.setLive(x.run.ID, true)
	defer func() {
		r.setLive(x.run.ID, false)
		r.wake()
	}()
	if why := x.halted(false); why != nil {
		return why, nil
	}
	if why := x.moved(ctx); why != nil {
		return why, nil
	}
	steps := make([]int, len(x.plan.Steps))
	for i := range steps {
		steps[i] = i
	}
	l, leaseEntry, err := x.newLease(steps, false)
	if err != nil {
		return nil, err
	}
	sealed, intent, err := x.intent(0)
	if err != nil {
		return nil, err
	}
	intent.Needs = l.Entry // without the lease the first step is not asked for either
	if err := x.announce(ctx, l, []journal.Event{sealed}, leaseEntry, intent); err != nil {
		return nil, err
	}
	if err := x.note(sealed); err != nil {
		return nil, err
	}
	if why, err := x.acknowledge(ctx, 0); why != nil || err != nil {
		return why, err
	}
	if why := x.holds(ctx); why != nil {
		return why, x.record(ctx, 0, outcome{Effect: writ.NotApplied, Reason: why.Reason, Detail: why.Detail}, 0, false)
	}
	if err := r.Journal.Minting(ctx, l.ID, r.Now()); err != nil {
		return nil, err
	}
	lease, err := x.mint(ctx, l)
	if err != nil {
		why := &cause{writ.ReasonLeaseFailed, detail(err)}
		return why, x.record(ctx, 0, outcome{Effect: writ.NotApplied, Reason: why.Reason, Detail: why.Detail}, 0, false)
	}
	for i := range x.plan.Steps {
		why, err := x.step(ctx, lease, i)
		if why != nil || err != nil {
			return why, err
		}
		if x.steps[i].did == nil {
			return nil, nil // unknown: finish settles it by reading
		}
	}
	return nil, nil
}

// step makes one call, whose intent has been acknowledged, and brings the next step's intent to the ledger together
// with the outcome.
func (x *execution) step(ctx context.Context, lease connector.Lease, i int) (*cause, error) {
	if why := x.holds(ctx); why != nil {
		return why, x.record(ctx, i, outcome{Effect: writ.NotApplied, Reason: why.Reason, Detail: why.Detail}, 0, false)
	}
	p, began := x.kept.Prepared[i], x.r.Now()
	limit := time.Duration(p.Step.TimeoutSeconds) * time.Second
	out, ok := call(ctx, fault.TargetDo, limit, func(ctx context.Context) connector.Outcome { return lease.Do(ctx, p) })
	ms := since(began, x.r.Now())
	if !ok || out.Effect == writ.Unknown {
		x.slog.Warn("the outcome of a call is not known", "step", p.Step.Key, "reason", out.Reason)
		return nil, nil
	}
	did := outcome{out.Effect, out.Status, out.Version, out.After, out.Sent, out.Reason, writ.Printable(out.Detail, maxDetail)}
	var why *cause
	switch body := p.Step.Call.Body; {
	case did.Effect != writ.Applied:
		if did.Reason == "" {
			did.Reason = writ.ReasonStepFailed
		}
		why = &cause{did.Reason, did.Detail}
	case !body.IsZero() && !body.Equal(did.Sent):
		did.Reason = writ.ReasonCallAltered
		why = &cause{did.Reason, "other bytes were sent than were approved"}
	default:
		why = x.halted(false)
	}
	next := why == nil && i+1 < len(x.plan.Steps)
	if err := x.record(ctx, i, did, ms, next); err != nil || why != nil || !next {
		return why, err
	}
	return x.acknowledge(ctx, i+1)
}

// record journals a step's outcome with its entry and, if next, the following step's intent, in one transaction.
func (x *execution) record(ctx context.Context, i int, did outcome, ms int, next bool) error {
	e, entry, err := x.effect(i, did, ms)
	if err != nil {
		return err
	}
	events, entries := []journal.Event{e}, []journal.Entry{entry}
	if next {
		sealed, intent, err := x.intent(i + 1)
		if err != nil {
			return err
		}
		events, entries = append(events, sealed), append(entries, intent)
	}
	if err := x.r.Journal.Append(ctx, x.run.ID, events, entries...); err != nil {
		return err
	}
	return x.noteAll(events...)
}

// intent makes the event and entry of a step that is about to be made.
func (x *execution) intent(i int) (journal.Event, journal.Entry, error) {
	entry, hash, err := x.r.seal(x.log, writ.EntryStepIntent, x.run.Incident, x.body(i), ref(relGrant, x.run.GrantLeaf)...)
	if err != nil {
		return journal.Event{}, journal.Entry{}, err
	}
	e, err := x.event(eventSealed, i, hash)
	return e, entry, err
}

// effect makes the event and entry of a step's outcome.
func (x *execution) effect(i int, did outcome, ms int) (journal.Event, journal.Entry, error) {
	refs := append(ref(relGrant, x.run.GrantLeaf), ref(relIntent, x.steps[i].intent)...)
	entry, _, err := x.r.seal(x.log, writ.EntryStepEffect, x.run.Incident, writ.EffectBody{
		Run: x.run.ID, Step: x.plan.Steps[i].Key, Effect: did.Effect, Status: did.Status, Version: did.Version, Sent: did.Sent,
		Reason: did.Reason, Millis: ms,
	}, refs...)
	if err != nil {
		return journal.Event{}, entry, err
	}
	entry.Needs = x.steps[i].intent
	e, err := x.event(eventOutcome, i, did)
	return e, entry, err
}

// acknowledge waits until the ledger has proved the intent of step i, within Limits.Wait. Only when it returns nil,
// nil may the call be made: the proof has been checked and is durable, nobody has asked the run to stop, and no freeze
// covers it. Otherwise the step was not made.
func (x *execution) acknowledge(ctx context.Context, i int) (*cause, error) {
	if x.offline() {
		return x.journalled(ctx, i)
	}
	r := x.r
	acked, err := x.event(eventAcked, i, nil)
	if err != nil {
		return nil, err
	}
	deadline := r.Now().Add(r.Limits.Wait)
	for {
		p, err := r.deliver(ctx, x.run.ID, acked)
		switch {
		case err == nil && p.refused != nil:
			if err := r.Journal.Void(ctx, x.run.ID, p.seq); err != nil {
				return nil, err
			}
			return &cause{p.refused.Code, writ.Printable(p.refused.Detail, maxDetail)}, nil
		case err == nil:
			if err := x.note(acked); err != nil {
				return nil, err
			}
			why := x.halted(true)
			if why == nil {
				return nil, nil
			}
			return why, x.record(ctx, i, outcome{Effect: writ.NotApplied, Reason: why.Reason, Detail: why.Detail}, 0, false)
		case errors.Is(err, journal.ErrDamaged):
			return nil, err
		case hopeless(err):
			return &cause{reasonOr(err, writ.ReasonReceipt), detail(err)}, nil
		case !r.Now().Before(deadline):
			return &cause{reasonOr(err, writ.ReasonUnavailable), detail(err)}, nil
		}
		if !pause(ctx, ackPause, r.stopping) {
			return &cause{writ.ReasonStopped, "the runner is stopping"}, nil
		}
	}
}

// hopeless reports whether the same delivery would end the same way. A receipt that was made for another head is worth
// asking for again.
func hopeless(err error) bool {
	return final(err) || errors.Is(err, writ.ErrDenied) && writ.ReasonOf(err) != writ.ReasonReceipt
}

// halted says why no further call may be made now, apart from what the ledger says. Before a call the feed must be
// fresh; between two steps it is not, since the delivery of the next intent brings one.
func (x *execution) halted(fresh bool) *cause {
	select {
	case <-x.r.stopping:
		return &cause{writ.ReasonStopped, "the runner is stopping"}
	default:
	}
	if !x.offline() && x.r.gone(x.run.ID) {
		return &cause{writ.ReasonFenced, "another process works for this runner now"}
	}
	if x.r.asked(x.run.ID) {
		return &cause{writ.ReasonStopped, "a person asked this run to stop"}
	}
	f := x.r.newestFeed()
	for _, err := range []error{f.frozen(&x.plan), f.revoked(x.run.Grant)} {
		if err != nil {
			return &cause{writ.ReasonOf(err), detail(err)}
		}
	}
	if err := x.r.Limits.fresh(f, x.tier, x.r.Now()); fresh && err != nil {
		return &cause{writ.ReasonOf(err), detail(err)}
	}
	return nil
}

// maxDetail bounds what a connector or the control plane can put into a run's sentence.
const maxDetail = 300

// detail is an error as one printable sentence. Refusals give theirs.
func detail(err error) string {
	if r, ok := errors.AsType[*writ.Refusal](err); ok {
		return writ.Printable(r.Detail, maxDetail)
	}
	return writ.Printable(err.Error(), maxDetail)
}

func reasonOr(err error, other writ.Reason) writ.Reason {
	if code := writ.ReasonOf(err); code != "" {
		return code
	}
	return other
}

// moved re-reads guards, objects and inventory: whatever differs from the plan ends the run before anything is minted
// (invariant I14), and so does what would now pass the floor that the plan relied on (invariant I09).
func (x *execution) moved(ctx context.Context) *cause {
	if err := x.r.observed(ctx, x.conn, x.plan.Observe, x.kept.Scope); err != nil {
		return &cause{reasonOr(err, writ.ReasonEvidenceMissing), detail(err)}
	}
	for _, g := range x.plan.Guards {
		if err := x.r.guard(ctx, x.conn, g, x.kept.Scope); err != nil {
			return &cause{reasonOr(err, writ.ReasonUnreachable), detail(err)}
		}
	}
	for i, s := range x.plan.Steps {
		now, err := x.replan(ctx, i)
		switch code := writ.ReasonOf(err); {
		case err == nil && now.Step.Object == s.Object:
			if err := plan.Grown(s, now.Step); err != nil {
				return &cause{reasonOr(err, writ.ReasonBudget), detail(err)}
			}
		case err == nil:
			return &cause{writ.ReasonWorldMoved, fmt.Sprintf("step %d: the object is not the one that was planned, or has changed since", i+1)}
		case code == writ.ReasonUnreachable || code == writ.ReasonForbidden || code == writ.ReasonBudget:
			return &cause{code, detail(err)}
		case code == "":
			return &cause{writ.ReasonUnreachable, detail(err)}
		default:
			return &cause{writ.ReasonWorldMoved, fmt.Sprintf("step %d cannot be planned any more: %s", i+1, detail(err))}
		}
	}
	return nil
}
