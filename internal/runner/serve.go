package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ledger"
)

const (
	pullFirst  = 250 * time.Millisecond // pause after the first failed pull
	pullRest   = 15 * time.Second
	drainLimit = 15 * time.Second // at the end: for identities to die (10 s on Kubernetes) and the last entries to leave
)

// Serve works until ctx ends. It first ends the leases and runs that an earlier process left. When ctx ends it takes
// no more work, brings runs in flight to safety at their next step boundary, and returns. It may be called once.
func (r *Runner) Serve(ctx context.Context) error {
	base := context.WithoutCancel(ctx)
	if t, err := r.loadTrust(base); err == nil {
		r.recall(base, t)
	} else {
		r.Log.Error("no work will be accepted until the trust file is good", "reason", string(writ.ReasonOf(err)), "error", err)
	}
	if err := r.resume(base); err != nil {
		return err
	}
	background, end := context.WithCancel(base)
	defer end()
	for _, loop := range []func(context.Context){r.reap, r.post, r.forget, r.listen, r.keepCell, r.reclaim} {
		r.done.Go(func() { loop(background) })
	}
	var work sync.WaitGroup
	r.pull(ctx, base, &work)
	close(r.stopping)
	work.Wait()
	r.settleDown(base)
	end()
	r.done.Wait()
	return nil
}

// settleDown gives the background some time to prove leases dead and deliver what waits.
func (r *Runner) settleDown(ctx context.Context) {
	deadline := r.Now().Add(drainLimit)
	for r.Now().Before(deadline) {
		alive, errA := r.Journal.Alive(ctx)
		owing, errO := r.Journal.Owing(ctx)
		unended, errU := r.Journal.Unended(ctx)
		if errors.Join(errA, errO, errU) != nil || len(alive)+len(owing)+len(unended) == 0 {
			return
		}
		r.wake()
		pause(ctx, reapEvery/4, nil)
	}
}

// pull takes work until ctx ends, MaxConcurrent assignments at a time.
func (r *Runner) pull(ctx, base context.Context, work *sync.WaitGroup) {
	var b backoff
	for {
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		claim := r.claim()
		if claim.Epoch == 0 { // it stands by, or nobody has answered yet
			<-r.slots
			pause(ctx, pullFirst, nil)
			continue
		}
		seen := r.seen()
		limited, cancel := context.WithTimeout(ctx, assignment.MaxWait+callLimit)
		a, err := r.Control.Next(limited, assignment.Ask{WaitSeconds: int(assignment.MaxWait / time.Second), Seen: seen.Size, Claim: claim})
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case writ.ReasonOf(err) == writ.ReasonFenced:
			r.lose(base, claim.Epoch)
			<-r.slots
			continue
		case err != nil:
			b = b.after(r.Now(), pullFirst, pullRest)
			r.Log.Warn("no work can be taken", "error", err, "again_in", b.delay)
			<-r.slots
			pause(ctx, b.delay, nil)
			continue
		}
		b = backoff{}
		if a == nil || !r.take(a.ID, true) {
			<-r.slots
			pause(ctx, pullFirst, nil) // a control plane that does not wait must not be asked without pause
			continue
		}
		work.Go(func() {
			defer func() {
				r.take(a.ID, false)
				<-r.slots
			}()
			r.handle(base, *a, seen)
		})
	}
}

// take marks an assignment as in hand, once, or lets it go.
func (r *Runner) take(id writ.AssignmentID, on bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !on {
		delete(r.inHand, id)
		return true
	}
	if r.inHand[id] {
		return false
	}
	r.inHand[id] = true
	return true
}

// handle does one assignment. Repeats are harmless: readings are repeated, plans and runs are looked up first.
func (r *Runner) handle(ctx context.Context, a assignment.Assignment, seen ledger.Head) {
	var out assignment.Answer
	var err error
	switch {
	case a.V != writ.FormatVersion:
		err = &writ.Refusal{Code: writ.ReasonForm, Detail: "the assignment's version is not known", Kind: writ.ErrInvalid}
	case a.Kind == assignment.KindObserve && a.Observe != nil:
		out.Observed, err = r.observe(ctx, *a.Observe)
	case a.Kind == assignment.KindPlan && a.Plan != nil:
		out.Planned, err = r.plan(ctx, *a.Plan)
	case a.Kind == assignment.KindReread && a.Reread != nil:
		out.Reread, err = r.reread(ctx, *a.Reread)
	case a.Kind == assignment.KindRun && a.Run != nil:
		r.run(ctx, a, seen)
		return
	default:
		err = &writ.Refusal{Code: writ.ReasonForm, Detail: "the assignment is of no known kind", Kind: writ.ErrInvalid}
	}
	out.Assignment = a.ID
	if err != nil {
		out = assignment.Answer{Assignment: a.ID, Refused: refused(err)}
	}
	r.reply(ctx, out)
}

// reply answers, a few times; after that the assignment is handed out again and done again.
func (r *Runner) reply(ctx context.Context, a assignment.Answer) {
	for try := range replyTries {
		err := r.answer(ctx, a)
		if err == nil {
			return
		}
		r.Log.Warn("answer not taken", "assignment", string(a.Assignment), "error", err)
		if !pause(ctx, pullFirst<<try, r.stopping) {
			return
		}
	}
}

const replyTries = 4

// refused turns an error into what the control plane is told. Only refusals have words for others.
func refused(err error) *assignment.Refused {
	if r, ok := errors.AsType[*writ.Refusal](err); ok {
		return &assignment.Refused{Code: r.Code, Detail: writ.Printable(r.Detail, maxDetail), Hint: writ.Printable(r.Hint, maxDetail)}
	}
	code := writ.ReasonUnavailable
	if errors.Is(err, writ.ErrInvalid) {
		code = writ.ReasonForm
	}
	return &assignment.Refused{Code: code, Detail: "the runner could not do this; its log says why"}
}
