package runner

import (
	"context"
	"errors"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// rateWindow is the hour of the ceiling's runs_per_hour.
const rateWindow = time.Hour

// run judges a bundle and, if it passes, executes it. A run that this runner has judged before is never judged or
// executed again: its end, if it has one, is told again.
func (r *Runner) run(ctx context.Context, a assignment.Assignment, seen ledger.Head) {
	switch known, err := r.Journal.Run(ctx, a.Run.Run); {
	case err == nil && known.Ended.IsZero():
		return // in hand
	case err == nil:
		if err := r.drain(ctx, known.ID); err == nil && a.ID != known.Assignment {
			_ = r.answerRun(ctx, a.ID, known.ID)
		}
		return
	case !errors.Is(err, writ.ErrNotFound):
		r.Log.Error("journal", "error", err)
		return
	}
	if !r.holding() {
		return // the process that holds the cell is handed it
	}
	j := &judgement{r: r, in: a, b: *a.Run, seen: seen}
	err := r.judge(ctx, j)
	var x *execution
	if err == nil {
		x, err = r.newExecution(j.record(), j.kept, nil)
		if err != nil { // spent: its end is reached from the journal
			r.Log.Error("run interrupted", "run", string(a.Run.Run), "error", err)
		} else {
			x.tier = j.plan.InForce(j.claims.Writ.Tier)
		}
		r.carry(ctx, a.Run.Run, x)
		return
	}
	refusal, ok := errors.AsType[*writ.Refusal](err)
	if !ok {
		r.Log.Error("a run could not be judged", "run", string(a.Run.Run), "error", err)
		return // handed out again
	}
	r.Log.Warn("run refused", "run", string(a.Run.Run), "check", j.at, "reason", string(refusal.Code))
	if j.held() && (refusal.Code == writ.ReasonProofExpired || refusal.Code == writ.ReasonPresentedTwice) {
		// The grant is not spent, and nothing is wrong with it: a new proof by its holder, and it is judged again. A proof
		// that was used before belongs to a judgement of this same grant that this process, or the one before it, did not end.
		r.reply(ctx, assignment.Answer{Assignment: a.ID, Refused: refused(refusal)})
		return
	}
	if err := r.refuse(ctx, j, refusal); err != nil {
		r.Log.Error("a refusal could not be recorded", "run", string(a.Run.Run), "error", err)
		if errors.Is(err, writ.ErrBusy) {
			r.reply(ctx, assignment.Answer{Assignment: a.ID, Refused: refused(refusal)})
		}
	}
}

// record is the run as the journal keeps it.
func (j *judgement) record() journal.Run {
	run := journal.Run{ID: j.b.Run, Assignment: j.in.ID, State: writ.RunRunning, Started: j.r.Now(), Log: j.trust.trust.Log.Origin, Incident: j.incident()}
	if j.plan != nil {
		run.Plan, run.PlanDigest = j.plan.ID, j.digest
	}
	if j.claims != nil {
		run.Grant, run.Plan, run.PlanDigest = j.claims.ID, j.claims.AuthorizationDetails[0].Plan, j.claims.AuthorizationDetails[0].PlanDigest
	}
	if j.proved {
		run.GrantLeaf, run.Authority = ledger.LeafHash(j.b.GrantLeaf), j.authority()
	}
	return run
}

// incident is the best that is known of which incident a bundle belongs to. Before the grant is believed it is only
// a label on the refusal.
func (j *judgement) incident() writ.IncidentID {
	switch {
	case j.claims != nil:
		return j.claims.Incident
	case j.own != nil:
		return j.own.Incident
	}
	if e, err := ledger.Open(j.b.GrantLeaf); err == nil {
		return e.Record.Task
	}
	if j.plan != nil {
		return j.plan.Incident
	}
	return ""
}

// refuse records that a run was refused before its grant was spent: as the run's end when its grant is proved, as the
// denial of a call otherwise. The entry and the answer follow from the outbox.
func (r *Runner) refuse(ctx context.Context, j *judgement, why *writ.Refusal) error {
	run := j.record()
	run.State, run.Reason, run.Detail, run.Ended = writ.RunRefused, why.Code, writ.Printable(why.Detail, maxDetail), r.Now()
	if run.Log == "" {
		run.Log = r.lastTrust().trust.Log.Origin
	}
	var entries []journal.Entry
	kind, body, refs := writ.EntryRun, any(writ.RunBody{
		Run: run.ID, Grant: run.Grant, Plan: run.Plan, PlanDigest: run.PlanDigest, State: run.State, Reason: run.Reason,
	}), ref(relGrant, run.GrantLeaf)
	if !j.proved {
		by := r.ID.Principal()
		if authors := r.lastTrust().trust.Control; len(authors) > 0 {
			by = authors[0].Principal // what is not proved was handed over by the control plane, whoever made the proof
		}
		kind, body = writ.EntryDeny, writ.DenyBody{What: "present", By: by, Reason: run.Reason, Plan: run.Plan}
	}
	if run.Log != "" { // a runner that never had a trust file knows no ledger
		e, _, err := r.seal(run.Log, kind, run.Incident, body, refs...)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	if err := r.Journal.Refuse(ctx, run, entries...); err != nil {
		return err
	}
	if len(entries) == 0 {
		return r.answerRun(ctx, run.Assignment, run.ID)
	}
	r.wake()
	return nil
}

// follow checks a receipt that came with work against the head that the work was asked for with. If no delivery moved
// the head meanwhile, the receipt's head is the newest one now. If one did, the receipt still proves a tree that
// extends what was seen then, and the next delivery's receipt binds the run's entries to what is seen now.
func (r *Runner) follow(ctx context.Context, receipt ledger.Receipt, leaf []byte, log ledger.Verifier, seen ledger.Head) error {
	head, err := ledger.CheckReceipt(receipt, leaf, log, seen)
	if err != nil {
		return err
	}
	select {
	case r.wire <- struct{}{}:
		defer func() { <-r.wire }()
	case <-ctx.Done():
		return ctx.Err()
	}
	now := r.seen()
	switch {
	case head.Size == now.Size && !head.Equal(now):
		return writ.Refuse(writ.ReasonLedgerFork, "two roots at one size")
	case now != seen || head == now:
		return nil
	}
	b, err := canon.Marshal(head)
	if err != nil {
		return err
	}
	if err := r.Journal.SetHead(ctx, b); err != nil {
		return err
	}
	r.setSeen(head)
	return nil
}

// isNot reports whether err is an error of another kind.
func isNot(err, kind error) bool { return err != nil && !errors.Is(err, kind) }
