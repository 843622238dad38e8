package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// A cell is what this process knows of its hold on the work of its runner. Guarded by the runner's mu.
type cell struct {
	instance string
	epoch    int64     // under which it holds the cell; 0 while it does not
	told     time.Time // when the last call was sent that the control plane took under epoch
	fenced   bool      // it lost the cell once: it stands by, also behind a copy of its own journal
	standing bool      // it stands by; said once
	lost     map[writ.RunID]bool
}

// claim is what every call carries.
func (r *Runner) claim() assignment.Claim {
	r.mu.Lock()
	defer r.mu.Unlock()
	return assignment.Claim{Instance: r.cell.instance, Epoch: r.cell.epoch}
}

// holding reports whether this process holds the cell, as far as it has heard.
func (r *Runner) holding() bool { return r.claim().Epoch != 0 }

// unsure reports whether this process has not heard yet whether it holds the cell.
func (r *Runner) unsure() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cell.epoch == 0 && !r.cell.fenced && !r.cell.standing
}

// sure asks whether this process holds the cell, unless it knows. Nothing is delivered before: without a claim it would
// count as the word of a process that is past, and what only the holder may say, as the end of a run, would be refused and
// void.
func (r *Runner) sure(ctx context.Context) error {
	if !r.unsure() {
		return nil
	}
	if err := r.beat(ctx); err != nil {
		return err
	}
	if r.unsure() {
		return fmt.Errorf("%w: whether this process works for its runner is not known yet", writ.ErrUnavailable)
	}
	return nil
}

// gone reports whether a run belongs to another process: it is left alone, but for this one's own leases.
func (r *Runner) gone(id writ.RunID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cell.lost[id]
}

// leave marks one run as another process's.
func (r *Runner) leave(id writ.RunID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cell.lost[id] = true
}

// leaveAll marks every run that has not ended as another process's.
func (r *Runner) leaveAll(ctx context.Context) error {
	runs, err := r.Journal.Unended(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		r.leave(run.ID)
	}
	return nil
}

// lose takes note that the cell is lost: no step is made and nothing is minted from here on. Its own leases end as
// ever; its runs belong to the process that holds the cell now.
func (r *Runner) lose(ctx context.Context, epoch int64) {
	r.mu.Lock()
	was := r.cell.epoch == epoch && epoch != 0
	if was {
		r.cell.epoch, r.cell.fenced = 0, true
	}
	r.mu.Unlock()
	if !was {
		return
	}
	r.Log.Error("another process works for this runner now; this one ends its leases, leaves its runs, and stands by", "epoch", epoch)
	if err := r.leaveAll(ctx); err != nil {
		r.Log.Error("journal", "error", err)
	}
}

// heard takes note that the control plane took a call, sent at this time, under epoch.
func (r *Runner) heard(epoch int64, sent time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cell.epoch == epoch && sent.After(r.cell.told) {
		r.cell.told = sent
	}
}

// holds checks, right before something is minted or called, that this process still holds its cell (invariant I13).
// What it was told holds for a while that is well below the time after which another may take over; a process that was
// paused for longer asks again. nil means that it does.
func (r *Runner) holds(ctx context.Context) *cause {
	r.mu.Lock()
	epoch, told := r.cell.epoch, r.cell.told
	r.mu.Unlock()
	switch {
	case epoch == 0:
		return &cause{writ.ReasonFenced, "this process does not hold its runner's cell"}
	case r.Now().Sub(told) < assignment.HoldsFor:
		return nil
	}
	if err := r.beat(ctx); err != nil {
		return &cause{reasonOr(err, writ.ReasonUnavailable), detail(err)}
	}
	if !r.holding() {
		return &cause{writ.ReasonFenced, "another process works for this runner now"}
	}
	return nil
}

// joinFirst is the first pause after a question for the cell that nobody answered; it doubles up to a heartbeat's. A
// runner that is started together with its control plane so works as soon as that does.
const joinFirst = 100 * time.Millisecond

// keepCell asks for the cell, and then says that it is there, until ctx ends.
func (r *Runner) keepCell(ctx context.Context) {
	var b backoff
	for {
		rest := assignment.BeatEvery
		if r.holding() || r.heardOfOther() {
			b = backoff{}
		} else { // nobody has answered yet
			b = b.after(r.Now(), joinFirst, assignment.BeatEvery)
			rest = b.delay
		}
		if !pause(ctx, rest, nil) {
			return
		}
		err := r.beat(ctx)
		if err != nil && writ.ReasonOf(err) != writ.ReasonFenced {
			r.Log.Warn("the control plane does not hear this runner", "error", err)
		}
	}
}

// beat is one heartbeat of the holder; a process that is none asks for the cell.
func (r *Runner) beat(ctx context.Context) error {
	select { // one at a time: two questions at once would fence each other
	case r.joining <- struct{}{}:
		defer func() { <-r.joining }()
	case <-ctx.Done():
		return ctx.Err()
	}
	claim := r.claim()
	if claim.Epoch == 0 {
		return r.enter(ctx)
	}
	j := assignment.Join{Claim: claim}
	debts, err := r.debts(ctx)
	if err != nil {
		return err
	}
	for _, l := range debts[:min(len(debts), assignment.MaxDebts)] {
		since := l.Revoking
		if since.IsZero() {
			since = l.Made
		}
		j.Debts = append(j.Debts, assignment.Debt{
			Lease: l.ID, Run: l.Run, Target: l.Target, Name: l.Name, Since: since, PowerGone: !l.PowerGone.IsZero(),
		})
	}
	sent := r.Now()
	j.Clock = sent
	out, err := r.askCell(ctx, j)
	switch {
	case writ.ReasonOf(err) == writ.ReasonFenced:
		r.lose(ctx, claim.Epoch)
		return err
	case err != nil:
		return err
	}
	r.heard(claim.Epoch, sent)
	return r.takeOver(ctx, out.Takeover)
}

func (r *Runner) askCell(ctx context.Context, j assignment.Join) (assignment.Joined, error) {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return r.Control.Join(limited, j)
}

// enter asks for the cell once. It returns nil also when this process is to stand by.
func (r *Runner) enter(ctx context.Context) error {
	r.mu.Lock()
	j := assignment.Join{Claim: assignment.Claim{Instance: r.cell.instance}, Fenced: r.cell.fenced}
	r.mu.Unlock()
	var err error
	if j.Held, err = r.Journal.Epoch(ctx); err != nil {
		return err
	}
	sent := r.Now()
	out, err := r.askCell(ctx, j)
	if err != nil {
		return err
	}
	if out.Restored {
		r.Log.Error("the journal is an older copy of itself; it takes a new name, and what it has open is left to be taken over")
		return r.renew(ctx)
	}
	if !out.Kept { // somebody else held the cell since: what this journal has open is taken over, or was
		if err := r.leaveAll(ctx); err != nil {
			return err
		}
	}
	if out.Epoch == 0 {
		r.mu.Lock()
		said := r.cell.standing
		r.cell.standing = true
		r.mu.Unlock()
		if !said {
			r.Log.Warn("another process works for this runner; this one stands by", "holder", writ.Printable(out.Holder, 64), "last_seen", out.Seen)
		}
		return nil
	}
	if err := r.Journal.SetEpoch(ctx, out.Epoch); err != nil {
		return err
	}
	if err := r.takeOver(ctx, out.Takeover); err != nil {
		return err
	}
	r.mu.Lock()
	r.cell.epoch, r.cell.told, r.cell.standing, r.cell.fenced = out.Epoch, sent, false, false
	r.mu.Unlock()
	r.Log.Info("this process works for its runner", "epoch", out.Epoch)
	return nil
}

// renew gives the journal a new name.
func (r *Runner) renew(ctx context.Context) error {
	name, err := ident.Nonce(r.Rand)
	if err != nil {
		return err
	}
	if err := r.Journal.SetInstance(ctx, name); err != nil {
		return err
	}
	r.mu.Lock()
	r.cell.instance = name
	r.mu.Unlock()
	return r.leaveAll(ctx)
}

// takeOver puts what another process of the cell left open into this journal: its leases end by their names, and once
// none has power the run ends, as uncertain: what it did to its object is not known here, and what would undo it stayed
// with the other journal (docs/adr/0003). Again and again is harmless.
func (r *Runner) takeOver(ctx context.Context, left []assignment.Taken) error {
	for _, t := range left {
		if err := r.takeOne(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (r *Runner) takeOne(ctx context.Context, t assignment.Taken) error {
	log := r.lastTrust().trust.Log.Origin
	if log == "" {
		return fmt.Errorf("%w: no trust file names the ledger yet", writ.ErrUnavailable)
	}
	now := r.Now()
	run := journal.Run{
		ID: t.Run, Assignment: writ.AssignmentID(t.Assignment), Grant: t.Grant, GrantLeaf: t.GrantLeaf, Plan: t.Plan, PlanDigest: t.PlanDigest,
		Incident: t.Incident, Log: log, State: writ.RunUncertain, Reason: writ.ReasonTakenOver, Applied: t.Applied, Undone: t.Undone,
		Unknown: t.Unknown, Started: now, Detail: "its process fell silent, and another took over; a person must look",
	}
	if t.Ended {
		run.Ended = now
	}
	var entries []journal.Entry
	for _, s := range t.Open {
		kind, body := writ.EntryStepEffect, any(writ.EffectBody{Run: t.Run, Step: s.Step, Effect: writ.Unknown, Reason: writ.ReasonTakenOver})
		if s.Undo {
			kind, body = writ.EntryUndoEffect, writ.UndoEffectBody{Run: t.Run, Step: s.Step, Effect: writ.Unknown, Reason: writ.ReasonTakenOver}
		}
		e, _, err := r.seal(log, kind, t.Incident, body, append(ref(relGrant, t.GrantLeaf), ref(relIntent, s.Leaf)...)...)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	var leases []journal.Lease
	for _, l := range t.Leases {
		if _, err := r.connector(l.Target); err != nil {
			return err
		}
		leases = append(leases, journal.Lease{
			ID: l.Lease, Run: t.Run, Target: l.Target, Name: l.Name, Entry: l.Leaf, Tier: l.Tier, Made: now, Begun: now, Expires: l.Expires,
		})
	}
	some, err := r.Journal.TakeOver(ctx, run, leases, entries...)
	if err != nil || !some {
		return err
	}
	r.mu.Lock()
	for _, l := range leases {
		r.orphans[l.ID] = true
	}
	r.mu.Unlock()
	r.Log.Error("a run was taken over from a process that fell silent", "run", string(t.Run), "leases", len(leases), "open_steps", len(t.Open))
	if len(leases) == 0 {
		return r.close(ctx, t.Run)
	}
	return nil
}

// abandon leaves a run of which this process knows that another one owns it. Nothing is undone, nothing is read: the
// object is the other's, and so is the record of the run's end.
func (x *execution) abandon(ctx context.Context) error {
	x.slog.Warn("run left to another process of this runner")
	err := x.r.Journal.Abandon(ctx, x.run.ID, writ.ReasonFenced, "another process works for this runner now and ends this run", x.r.Now())
	if errors.Is(err, writ.ErrConflict) {
		return nil // it was taken over again meanwhile, by this very journal under another name
	}
	return err
}

// owned reports whether this process may go on with a run after it has stopped going forward. A control plane that
// answers is asked; one that does not is no reason to leave things half done.
func (x *execution) owned(ctx context.Context) bool {
	if x.offline() { // nobody else knows of it
		return true
	}
	if why := x.r.holds(ctx); why != nil && why.Reason == writ.ReasonFenced && x.r.heardOfOther() {
		x.r.leave(x.run.ID)
	}
	return !x.r.gone(x.run.ID)
}

// heardOfOther reports whether this process knows that another holds the cell.
func (r *Runner) heardOfOther() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cell.epoch == 0 && (r.cell.fenced || r.cell.standing)
}
