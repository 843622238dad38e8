package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/fault"
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

// A parcel is one run that waits to be delivered. Its answer may be read once done is closed.
type parcel struct {
	run    writ.RunID
	events []journal.Event
	done   chan struct{}
	post   post
	err    error
}

func (p *parcel) end(with post, err error) {
	p.post, p.err = with, err
	close(p.done)
}

func (p *parcel) over() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// deliver sends what waits in a run's outbox, in order, and checks the receipts. events are written in the same
// transaction that records the last entry as delivered. An error means that some entries are still waiting.
//
// One delivery is on its way at a time, since each checked head must extend the one before. Runs that wait for it
// meanwhile travel together in the next one: whoever gets the wire delivers for all of them.
func (r *Runner) deliver(ctx context.Context, run writ.RunID, events ...journal.Event) (post, error) {
	mine := &parcel{run: run, events: events, done: make(chan struct{})}
	r.mu.Lock()
	r.parcels = append(r.parcels, mine)
	r.mu.Unlock()
	select {
	case <-mine.done:
	case r.wire <- struct{}{}:
		for !mine.over() {
			r.deliverAll(ctx)
		}
		<-r.wire
	case <-ctx.Done():
		if r.withdraw(mine) {
			return post{}, fmt.Errorf("%w: %w", writ.ErrUnavailable, ctx.Err())
		}
		<-mine.done
	}
	return mine.post, mine.err
}

// withdraw takes back a parcel that nobody has taken.
func (r *Runner) withdraw(p *parcel) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.parcels, p)
	if i < 0 {
		return false
	}
	r.parcels = slices.Delete(r.parcels, i, i+1)
	return true
}

// collect takes the parcels that travel next: the oldest of each run. The caller holds the wire.
func (r *Runner) collect() []*parcel {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out, rest []*parcel
	taken := map[writ.RunID]bool{}
	for _, p := range r.parcels {
		if taken[p.run] || len(out) == assignment.MaxRuns {
			rest = append(rest, p)
			continue
		}
		taken[p.run], out = true, append(out, p)
	}
	r.parcels = rest
	return out
}

// deliverAll delivers the parcels that wait, each to its end. The caller holds the wire.
func (r *Runner) deliverAll(ctx context.Context) {
	open := r.collect()
	t, err := r.loadTrust(ctx)
	if err != nil {
		if t = r.lastTrust(); t.file == nil { // without the log's key no receipt can be checked; an expired file still names it
			for _, p := range open {
				p.end(post{}, err)
			}
			return
		}
	}
	for len(open) > 0 {
		open = r.deliverSome(ctx, t, open)
	}
}

// A share is what one run sends in a delivery, and what it was answered.
type share struct {
	parcel  *parcel
	waiting []journal.Entry
	all     bool // nothing more waits
	answer  assignment.Delivered
	taken   int // entries whose receipts prove the head of this delivery
}

// pack reads what the parcels' runs have to send, as much as one delivery takes: the first as much as fits, the others
// as a whole, since a lease and the step that it is for travel together. What does not fit is left. A run that has
// nothing to send is done.
func (r *Runner) pack(ctx context.Context, open []*parcel) (shares []*share, left []*parcel) {
	room, bytes := assignment.MaxEntries, maxDelivery
	for _, p := range open {
		if room == 0 || bytes <= 0 {
			left = append(left, p)
			continue
		}
		waiting, err := r.Journal.Waiting(ctx, p.run, room+1)
		if err == nil && len(waiting) == 0 && len(p.events) > 0 { // events rest on a receipt that is checked here, or they do not happen
			err = writ.Refuse(writ.ReasonNotInLedger, "the entry is not on its way any more")
		}
		if err != nil || len(waiting) == 0 {
			p.end(post{}, err)
			continue
		}
		n, size := 0, 0
		for n < min(len(waiting), room) && (n == 0 && len(shares) == 0 || size+len(waiting[n].Leaf) <= bytes) {
			size += len(waiting[n].Leaf)
			n++
		}
		if n < len(waiting) && len(shares) > 0 {
			left = append(left, p)
			continue
		}
		shares = append(shares, &share{parcel: p, waiting: waiting[:n], all: n == len(waiting)})
		room, bytes = room-n, bytes-size
	}
	return shares, left
}

// deliverSome makes one call and returns the parcels that have entries left. Receipts are taken as long as they prove
// one head, so that no two heads are believed without proof that one extends the other; the rest is asked for again,
// from that head.
func (r *Runner) deliverSome(ctx context.Context, t trusted, open []*parcel) (left []*parcel) {
	shares, left := r.pack(ctx, open)
	if len(shares) == 0 {
		return left
	}
	seen := r.seen()
	err := r.ask(ctx, shares, t, seen)
	if err != nil && len(shares) > 1 && (final(err) || writ.ReasonOf(err) != "") {
		for _, s := range shares { // the fault of one run, which the others are not to suffer for
			left = append(left, r.deliverSome(ctx, t, []*parcel{s.parcel})...)
		}
		return left
	}
	head := seen
	var proved []journal.Proved
	for _, s := range shares {
		if err != nil {
			s.parcel.end(post{}, err)
			continue
		}
		if s.parcel.over() {
			continue
		}
		next, taken, wrong := s.check(t, seen)
		if wrong != nil {
			s.parcel.end(post{}, wrong)
			continue
		}
		if taken == 0 || len(proved) > 0 && !next.Equal(head) {
			continue
		}
		head, s.taken = next, taken
		p := journal.Proved{Run: s.parcel.run, Seq: s.waiting[taken-1].Seq}
		if s.all && taken == len(s.waiting) {
			p.Events = s.parcel.events
		}
		proved = append(proved, p)
	}
	if len(proved) > 0 {
		err = r.advance(ctx, head, proved)
	}
	for _, s := range shares {
		switch how, over := s.ended(); {
		case s.parcel.over():
		case err != nil:
			s.parcel.end(post{}, err)
		case over:
			s.parcel.end(how, nil)
		default:
			left = append(left, s.parcel)
		}
	}
	return left
}

// ask sends the shares and takes the answer apart: the feed and the signs to stop are taken at once.
func (r *Runner) ask(ctx context.Context, shares []*share, t trusted, seen ledger.Head) error {
	if err := r.sure(ctx); err != nil {
		return err
	}
	var parts []assignment.Delivery
	var err error
	for _, s := range shares {
		part := assignment.Delivery{Run: s.parcel.run, Seen: seen.Size}
		if part.Plan, err = r.offlinePlan(ctx, s.waiting[0]); err != nil {
			return err
		}
		for _, e := range s.waiting {
			part.Entries = append(part.Entries, e.Leaf)
		}
		parts = append(parts, part)
	}
	d := parts[0]
	d.Also, d.Claim = parts[1:], r.claim()
	limited, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	sent := r.Now()
	fault.Before(fault.LinkDeliver)
	got, err := r.Control.Deliver(limited, d)
	fault.After(fault.LinkDeliver)
	if err != nil {
		return err
	}
	if len(got.Also) != len(d.Also) {
		return writ.Refuse(writ.ReasonReceipt, "the answer has not one part for each run")
	}
	if got.Epoch == d.Claim.Epoch {
		r.heard(got.Epoch, sent)
	} else {
		r.lose(ctx, d.Claim.Epoch)
		for _, s := range shares { // what was taken all the same is of the past; nothing may go forward on it
			if len(s.parcel.events) > 0 {
				s.parcel.end(post{}, writ.Refuse(writ.ReasonFenced, "another process works for this runner now"))
			}
		}
	}
	for i, answer := range append([]assignment.Delivered{got}, got.Also...) {
		shares[i].answer = answer
		r.takeStop(shares[i].parcel.run, answer)
	}
	r.takeNews(ctx, got, t)
	return nil
}

// offlinePlan returns the plan of a run that was made while cut off, to go with the entry that tells of it: the control
// plane never saw it. Nil for any other entry.
func (r *Runner) offlinePlan(ctx context.Context, first journal.Entry) ([]byte, error) {
	e, err := ledger.Open(first.Leaf)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", journal.ErrDamaged, err)
	}
	b, ok := e.Body.(*writ.OfflineBody)
	if !ok {
		return nil, nil
	}
	kept, err := r.Journal.Plan(ctx, b.Plan)
	return kept.Bytes, err
}

// check checks the receipts of one run and returns the head that they prove, and how many prove it.
func (s *share) check(t trusted, seen ledger.Head) (ledger.Head, int, error) {
	n := len(s.answer.Receipts)
	if n > len(s.waiting) || (s.answer.Refused == nil) != (n == len(s.waiting)) {
		return seen, 0, writ.Refuse(writ.ReasonReceipt, "the answer has not one receipt for each entry")
	}
	leaves := make([][]byte, len(s.waiting))
	for i, e := range s.waiting {
		leaves[i] = e.Leaf
	}
	return ledger.CheckReceipts(s.answer.Receipts, leaves, t.log, seen)
}

// ended reports how the delivery of the run ended, if nothing is left to be asked for.
func (s *share) ended() (post, bool) {
	if s.answer.Refused != nil && s.taken == len(s.answer.Receipts) {
		return post{s.answer.Refused, s.waiting[s.taken].Seq}, true
	}
	return post{}, s.all && s.taken == len(s.waiting)
}

// takeNews takes the feed that every answer to a delivery carries.
func (r *Runner) takeNews(ctx context.Context, got assignment.Delivered, t trusted) {
	if err := r.takeFeed(ctx, got.Feed, t); err != nil {
		r.Log.Warn("feed refused", "reason", string(writ.ReasonOf(err)))
	}
}

// takeStop takes the sign to stop.
func (r *Runner) takeStop(run writ.RunID, got assignment.Delivered) {
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
	got, err := r.Control.Deliver(limited, assignment.Delivery{Run: run, Seen: r.seen().Size, Claim: r.claim()})
	if t := r.lastTrust(); err == nil && t.file != nil {
		r.takeStop(run, got)
		r.takeNews(ctx, got, t)
	}
}

// advance makes durable what receipts have proved.
func (r *Runner) advance(ctx context.Context, head ledger.Head, proved []journal.Proved) error {
	b, err := canon.Marshal(head)
	if err != nil {
		return err
	}
	if err := r.Journal.Delivered(ctx, b, proved...); err != nil {
		return err
	}
	r.setSeen(head)
	return nil
}

// final reports whether asking again cannot help: the control plane understood and said no.
func final(err error) bool {
	return errors.Is(err, writ.ErrInvalid) || errors.Is(err, writ.ErrNotFound)
}
