package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
	"github.com/writ-dev/writ/internal/runner/journal"
)

// callLimit bounds one call of the control plane that does not wait for work.
const callLimit = 10 * time.Second

// maxDelivery bounds the bytes of entries in one delivery; in base64 they stay below what the door takes.
const maxDelivery = 2 << 20

// A post is how one delivery ended: what the control plane said besides taking everything.
type post struct {
	refused *assignment.Refused // of the entry at seq; what came before it was taken
	seq     int64
}

// deliver sends what waits in a run's outbox, in order, and checks the receipts. events are written in the same
// transaction that records the last entry as delivered. An error means that some entries are still waiting.
func (r *Runner) deliver(ctx context.Context, run writ.RunID, events ...journal.Event) (post, error) {
	select {
	case r.wire <- struct{}{}:
		defer func() { <-r.wire }()
	case <-ctx.Done():
		return post{}, fmt.Errorf("%w: %w", writ.ErrUnavailable, ctx.Err())
	}
	t, err := r.loadTrust(ctx)
	if err != nil {
		if t = r.lastTrust(); t.file == nil {
			return post{}, err // without the log's key no receipt can be checked; an expired file still names it
		}
	}
	for {
		p, more, err := r.deliverSome(ctx, run, t, events)
		if err != nil || !more || p.refused != nil {
			return p, err
		}
	}
}

// deliverSome makes one call. Receipts are taken as long as they prove one head, so that no two heads are believed
// without proof that one extends the other; the rest is asked for again, from that head.
func (r *Runner) deliverSome(ctx context.Context, run writ.RunID, t trusted, events []journal.Event) (post, bool, error) {
	waiting, err := r.Journal.Waiting(ctx, run, assignment.MaxEntries)
	if err != nil {
		return post{}, false, err
	}
	if len(waiting) == 0 {
		if len(events) > 0 { // events rest on a receipt that is checked here, or they do not happen
			return post{}, false, writ.Refuse(writ.ReasonNotInLedger, "the entry is not on its way any more")
		}
		return post{}, false, nil
	}
	seen := r.seen()
	d, size := assignment.Delivery{Run: run, Seen: seen.Size}, 0
	owed := len(waiting)
	for i, e := range waiting {
		if size += len(e.Leaf); i > 0 && size > maxDelivery {
			waiting = waiting[:i]
			break
		}
		d.Entries = append(d.Entries, e.Leaf)
	}
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	got, err := r.Control.Deliver(limited, d)
	if err != nil {
		return post{}, false, err
	}
	var p post
	r.signs(ctx, run, got, t)
	if len(got.Receipts) > len(waiting) || (got.Refused == nil) != (len(got.Receipts) == len(waiting)) {
		return p, false, writ.Refuse(writ.ReasonReceipt, "the answer has not one receipt for each entry")
	}
	head, taken := seen, 0
	for i, receipt := range got.Receipts {
		next, err := ledger.CheckReceipt(receipt, waiting[i].Leaf, t.log, seen)
		if err != nil {
			return p, false, err
		}
		if i > 0 && !next.Equal(head) {
			break
		}
		head, taken = next, i+1
	}
	all := taken == owed
	if taken > 0 {
		after := events
		if !all {
			after = nil
		}
		if err := r.advance(ctx, run, waiting[taken-1].Seq, head, after); err != nil {
			return p, false, err
		}
	}
	if got.Refused != nil && taken == len(got.Receipts) {
		p.refused, p.seq = got.Refused, waiting[taken].Seq
		return p, false, nil
	}
	return p, !all || owed == assignment.MaxEntries, nil
}

// signs takes what every answer to a delivery carries: the feed and the sign to stop.
func (r *Runner) signs(ctx context.Context, run writ.RunID, got assignment.Delivered, t trusted) {
	if err := r.takeFeed(ctx, got.Feed, t); err != nil {
		r.Log.Warn("feed refused", "run", string(run), "reason", string(writ.ReasonOf(err)))
	}
	if got.Stop {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stops[run] = true
	}
}

// asked reports whether a person has asked the run to stop.
func (r *Runner) asked(run writ.RunID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stops[run]
}

// askSigns asks for feed and stop sign alone. Nothing depends on an answer.
func (r *Runner) askSigns(ctx context.Context, run writ.RunID) {
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	got, err := r.Control.Deliver(limited, assignment.Delivery{Run: run, Seen: r.seen().Size})
	if t := r.lastTrust(); err == nil && t.file != nil {
		r.signs(ctx, run, got, t)
	}
}

// advance makes durable what receipts have proved.
func (r *Runner) advance(ctx context.Context, run writ.RunID, seq int64, head ledger.Head, events []journal.Event) error {
	b, err := canon.Marshal(head)
	if err != nil {
		return err
	}
	if err := r.Journal.Delivered(ctx, run, seq, b, events...); err != nil {
		return err
	}
	r.setSeen(head)
	return nil
}

// final reports whether asking again cannot help: the control plane understood and said no.
func final(err error) bool {
	return errors.Is(err, writ.ErrInvalid) || errors.Is(err, writ.ErrNotFound)
}
