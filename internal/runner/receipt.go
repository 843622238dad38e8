package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/receipt"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// authority is what a run's receipt will say of its grant; kept with the run from the commit point on.
func (j *judgement) authority() []byte {
	if j.claims == nil || !j.proved {
		return nil
	}
	b, err := json.Marshal(receipt.Authority{
		Grant: j.claims.ID, Entry: ledger.LeafHash(j.b.GrantLeaf), Decision: j.claims.Writ.Decision, Policy: j.claims.Writ.Policy, Approvals: j.claims.Writ.Approvals, Duties: j.claims.Writ.Duties,
	})
	if err != nil { // a grant that was believed has all of them
		return nil
	}
	return b
}

// receipt makes the receipt of a concluded run, and the link that it is in this journal's chain. The caller holds
// r.receipts until both are in the journal. A run whose plan another journal has gets none: what it did is not known here.
func (r *Runner) receipt(ctx context.Context, run journal.Run) (sealed []journal.Entry, link journal.Link, err error) {
	if len(run.Authority) == 0 {
		return nil, link, nil
	}
	x, err := r.load(ctx, run)
	if errors.Is(err, writ.ErrNotFound) {
		return nil, link, nil
	}
	if err != nil {
		return nil, link, err
	}
	last, err := r.Journal.Receipt(ctx)
	if err != nil {
		return nil, link, err
	}
	instance, err := r.Journal.Instance(ctx)
	if err != nil {
		return nil, link, err
	}
	out := receipt.Receipt{
		Runner: r.ID, Instance: instance, Seq: last.Seq + 1, Previous: last.Digest, Log: run.Log, Incident: run.Incident, Run: run.ID, Plan: run.Plan,
		Started: writ.Instant(run.Started), Ended: writ.Instant(r.Now()), State: run.State, Reason: run.Reason,
	}
	if err := json.Unmarshal(run.Authority, &out.Authority); err != nil {
		return nil, link, fmt.Errorf("%w: run %s: authority: %v", journal.ErrDamaged, run.ID, err)
	}
	var approved []writ.Commitment
	reversible := len(x.plan.Steps) > 0
	for i := range x.plan.Steps {
		s, err := x.receiptStep(i)
		if err != nil {
			return nil, link, err
		}
		out.Steps, approved = append(out.Steps, s), append(approved, x.plan.Steps[i].Call.Body)
		reversible = reversible && x.plan.Steps[i].Inverse.Kind != writ.InverseNone
	}
	out.Conclude(approved, reversible)
	envelope, err := receipt.Seal(receipt.New(run.PlanDigest, out), r.Author)
	if err != nil {
		return nil, link, err
	}
	e, _, err := r.seal(run.Log, writ.EntryReceipt, run.Incident, writ.ReceiptBody{Run: run.ID, Envelope: envelope}, ref(relGrant, run.GrantLeaf)...)
	return []journal.Entry{e}, journal.Link{Seq: out.Seq, Digest: writ.DigestOf(envelope)}, err
}

// receiptStep is what the run's events say of one step.
func (x *execution) receiptStep(i int) (receipt.Step, error) {
	p, s, kept := x.plan.Steps[i], x.steps[i], x.kept.Prepared[i]
	call, err := receipt.CallDigest(p.Call)
	if err != nil {
		return receipt.Step{}, err
	}
	out := receipt.Step{Step: p.Key, Operation: p.Operation, Object: p.Object.Location, Call: call, Before: p.Inverse.Preimage, Begun: s.acked, Outcome: writ.NotApplied}
	switch {
	case s.did != nil:
		out.Outcome, out.Reason, out.Sent = s.did.Effect, s.did.Reason, s.did.Sent
		if len(s.did.After) > 0 {
			out.After = writ.Commit(kept.Salt, receipt.BlobAfter, s.did.After)
		}
	case s.acked:
		out.Outcome = writ.Unknown
	}
	if !s.undo.IsZero() {
		out.Undone = &receipt.Undone{}
		if s.undid != nil {
			out.Undone.Outcome, out.Undone.Restored = s.undid.Effect, s.undid.Restored
		}
	}
	return out, nil
}
