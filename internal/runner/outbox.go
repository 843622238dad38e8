package runner

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/fault"
)

const (
	outboxEvery = time.Second      // between two rounds that nobody asked for
	outboxRest  = 15 * time.Second // the longest pause after failures
)

// wake asks the outbox for a round soon.
func (r *Runner) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// post delivers what waits until ctx ends: the entries of runs that move towards safety or have ended. The forward
// path of a run delivers its own.
func (r *Runner) post(ctx context.Context) {
	var b backoff
	for ctx.Err() == nil {
		delay := outboxEvery
		if !r.round(ctx) {
			b = b.after(r.Now(), outboxEvery, outboxRest)
			delay = b.delay
		} else {
			b = backoff{}
		}
		t := time.NewTimer(delay)
		select {
		case <-t.C:
		case <-r.kick:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// round delivers once for every run that owes entries; false when something was left.
func (r *Runner) round(ctx context.Context) bool {
	runs, err := r.Journal.Owing(ctx)
	if err != nil {
		r.Log.Error("journal", "error", err)
		return false
	}
	var waiting []writ.RunID
	r.mu.Lock()
	for _, run := range runs {
		if !r.live[run] {
			waiting = append(waiting, run)
		}
	}
	r.mu.Unlock()
	ok := true
	for some := range slices.Chunk(waiting, assignment.MaxRuns) { // together, so that they share deliveries
		errs := make([]error, len(some))
		var all sync.WaitGroup
		for i, run := range some {
			all.Go(func() { errs[i] = r.drain(ctx, run) })
		}
		all.Wait()
		down := false
		for i, err := range errs {
			if err != nil {
				ok = false
				r.Log.Warn("entries wait to be delivered", "run", some[i], "error", err)
				down = down || !final(err) && !errors.Is(err, writ.ErrDenied)
			}
		}
		if down {
			break // nobody answers: the others would wait for the same time limit
		}
	}
	return ok
}

// drain delivers everything of one run and then answers its assignment. Entries that the control plane refuses are
// void: it decides them anew, and they never happened.
func (r *Runner) drain(ctx context.Context, id writ.RunID) error {
	if id == "" { // of no run
		_, err := r.deliver(ctx, id)
		return err
	}
	for {
		p, err := r.deliver(ctx, id)
		if err != nil {
			run, e := r.Journal.Run(ctx, id)
			switch code := writ.ReasonOf(err); {
			case e != nil || run.Spent:
			case final(err):
				return r.dropRefusal(ctx, id)
			case code == writ.ReasonLedgerFork || code == writ.ReasonNotInLedger:
				// The ledger proves nothing any more; that the run was refused is said all the same.
				return errors.Join(err, r.answerRun(ctx, run.Assignment, id))
			}
			return err
		}
		if p.refused == nil {
			break
		}
		r.Log.Warn("entry refused", "run", id, "reason", p.refused.Code)
		if err := r.Journal.Void(ctx, id, p.seq); err != nil {
			return err
		}
	}
	run, err := r.Journal.Run(ctx, id)
	if err != nil || run.Ended.IsZero() {
		return err
	}
	if late, err := r.Journal.Waiting(ctx, id, 1); err != nil || len(late) > 0 {
		return err // it ended during the delivery: the next round brings the end, and then the answer
	}
	r.mu.Lock()
	delete(r.stops, id)
	r.mu.Unlock()
	return r.answerRun(ctx, run.Assignment, id)
}

// dropRefusal gives up the entries of a run that never started here and that the control plane does not know or does
// not take: the answer to the assignment says the same.
func (r *Runner) dropRefusal(ctx context.Context, id writ.RunID) error {
	waiting, err := r.Journal.Waiting(ctx, id, assignment.MaxEntries)
	if err != nil {
		return err
	}
	for _, e := range waiting {
		if err := r.Journal.Void(ctx, id, e.Seq); err != nil {
			return err
		}
	}
	run, err := r.Journal.Run(ctx, id)
	if err != nil {
		return err
	}
	return r.answerRun(ctx, run.Assignment, id)
}

// answerRun closes the assignment of a run whose last entry has been delivered.
func (r *Runner) answerRun(ctx context.Context, to writ.AssignmentID, id writ.RunID) error {
	run, err := r.Journal.Run(ctx, id)
	if err != nil {
		return err
	}
	if to == "" { // nobody assigned it: it was made while cut off
		return nil
	}
	a := assignment.Answer{Assignment: to, Ended: true}
	if !run.Spent {
		a = assignment.Answer{Assignment: to, Refused: &assignment.Refused{Code: run.Reason, Detail: run.Detail}}
	}
	return r.answer(ctx, a)
}

// answer sends an answer. A control plane that no longer knows the assignment needs none.
func (r *Runner) answer(ctx context.Context, a assignment.Answer) error {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	a.Claim = r.claim()
	fault.Before(fault.LinkAnswer)
	err := r.Control.Answer(limited, a)
	fault.After(fault.LinkAnswer)
	if err != nil && !final(err) {
		return err
	}
	return nil
}
