package control

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/ident"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/store"
)

// notifyEvery is how often a channel looks for what is due.
const notifyEvery = time.Second

// Bounds of one look of one channel.
const (
	maxDue      = 200 // notices that are claimed or folded in one transaction
	maxAttempts = 4   // attempts at once: a channel that hangs holds four sockets
)

// Notify sends what is due until ctx ends, each channel by itself, so that one that hangs holds up no other. It logs what
// fails and goes on. Any number of replicas may run it: a notice is claimed in the transaction that all of them share.
func (c *Control) Notify(ctx context.Context) {
	if c.Notices == nil {
		return
	}
	var all sync.WaitGroup
	for name := range c.Notices.Channels {
		all.Go(func() {
			t := time.NewTicker(notifyEvery)
			defer t.Stop()
			for {
				if err := c.NotifyOnce(ctx, name); err != nil && ctx.Err() == nil {
					c.Log.Error("notices could not be sent", "channel", name, "error", err)
				}
				select {
				case <-t.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	all.Wait()
}

// A claimed notice is one attempt that this replica, and no other, makes now.
type claimed struct {
	id      string
	claim   string
	stop    notice.Stop
	address string // of the person; "" for the channel's own recipients
	lost    bool   // the person has no address on the channel any more
	message notice.Message
}

// NotifyOnce makes one attempt at each notice that is due on a channel, at most a few, and returns when all have ended and
// their results are durable. The claim is durable before the attempt and ends by itself: when this process dies in between,
// the notice is sent again, under the same key, by whichever replica is there.
func (c *Control) NotifyOnce(ctx context.Context, channel string) error {
	var mine []claimed
	due := false
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		rows, _, err := c.dueOn(tx, channel)
		due = len(rows) > 0
		return err
	})
	if err != nil || !due {
		return err
	}
	err = c.Store.Update(ctx, func(tx *store.Tx) (err error) {
		mine, err = c.claimNotices(tx, channel)
		return err
	})
	if err != nil {
		return err
	}
	// Committed: from here on the recipient may have got it.
	var all sync.WaitGroup
	failed := make([]error, len(mine))
	for i, m := range mine {
		all.Go(func() {
			r := notice.Result{Failure: writ.FailureNobody, Final: true}
			if !m.lost {
				limited, cancel := context.WithTimeout(ctx, notice.SendLimit)
				r = c.Notices.Channels[channel].Send(limited, m.address, m.message)
				cancel()
			}
			if r.Failure != "" && ctx.Err() != nil {
				return // we are stopping: the claim ends, and it is sent again
			}
			failed[i] = c.sent(context.WithoutCancel(ctx), m, r) // what happened is recorded, though we are stopping
		})
	}
	all.Wait()
	return errors.Join(failed...)
}

// dueOn returns what is due on a channel: what is queued, and what was claimed by a process that said nothing since.
func (c *Control) dueOn(tx *store.Tx, channel string) ([]store.Row, []noticeRow, error) {
	var rows []store.Row
	var docs []noticeRow
	for _, s := range []writ.NoticeState{writ.NoticeSending, writ.NoticeQueued} {
		some, of, err := find[noticeRow](tx, store.Notices, store.Filter{State: string(s), DueBefore: millis(c.now()) + 1})
		if err != nil {
			return nil, nil, err
		}
		for i, n := range some {
			if len(n.Stops) > 0 && n.Stops[n.Stop].Channel == channel && len(rows) < maxDue {
				rows, docs = append(rows, of[i]), append(docs, n)
			}
		}
	}
	return rows, docs, nil
}

// claimNotices takes what is due on a channel, up to maxAttempts, and folds what its recipient would get too many of.
func (c *Control) claimNotices(tx *store.Tx, channel string) ([]claimed, error) {
	rows, docs, err := c.dueOn(tx, channel)
	if err != nil {
		return nil, err
	}
	var mine []claimed
	for i := range rows {
		n, row := docs[i], rows[i]
		switch moot, err := c.moot(tx, n); {
		case err != nil:
			return nil, err
		case moot && writ.NoticeState(row.State) == writ.NoticeQueued:
			if err := c.moveNotice(tx, n, row, writ.NoticeMoot, c.now().Add(notice.Keep)); err != nil {
				return nil, err
			}
			continue
		}
		if n.Try >= notice.MaxTries { // each attempt ended with its process: whoever is next may have more luck
			if _, err := c.undelivered(tx, n, row, notice.Result{Failure: writ.FailureTimeout, Final: true}); err != nil {
				return nil, err
			}
			continue
		}
		if n.Try == 0 && n.Round == 0 {
			folded, err := c.fold(tx, &n, row)
			if err != nil {
				return nil, err
			}
			if folded {
				continue
			}
		}
		if len(mine) == maxAttempts {
			break
		}
		if n.Try == 0 {
			n.Since = c.now()
			if n.Round == 0 {
				if err := c.count(tx, n); err != nil {
					return nil, err
				}
			}
		}
		if n.Claim, err = ident.Nonce(c.Rand); err != nil {
			return nil, err
		}
		n.Try++
		if err := c.moveNotice(tx, n, row, writ.NoticeSending, c.now().Add(notice.ClaimFor)); err != nil {
			return nil, err
		}
		stop := n.Stops[n.Stop]
		m := claimed{id: row.ID, claim: n.Claim, stop: stop}
		if stop.To != (writ.Person{}) {
			m.address = c.Notices.Contacts[stop.To][channel]
			m.lost = m.address == ""
		}
		m.message = notice.Compose(fmt.Sprintf("%s.%d", row.ID, n.Stop), n.Facts, n.Count, n.Told > 0, c.Notices.URL)
		mine = append(mine, m)
	}
	return mine, nil
}

// moot reports whether all that a notice asks for has been answered.
func (c *Control) moot(tx *store.Tx, n noticeRow) (bool, error) {
	if len(n.Plans)+len(n.Changes) == 0 {
		return false, nil
	}
	for _, id := range n.Changes {
		row, err := tx.Get(store.PolicyChanges, string(id))
		if err != nil || writ.PolicyChangeState(row.State) == writ.PolicyWaiting {
			return false, err
		}
	}
	for _, id := range n.Plans {
		row, err := tx.Get(store.Plans, string(id))
		if err != nil || writ.PlanState(row.State) == writ.PlanWaiting {
			return false, err
		}
	}
	return true, nil
}

// moveNotice writes a notice back in its next state.
func (c *Control) moveNotice(tx *store.Tx, n noticeRow, row store.Row, next writ.NoticeState, due time.Time) error {
	was := row.State
	if err := writ.NoticeState(was).Move(next); err != nil {
		return err
	}
	row.State, row.Due = string(next), millis(due)
	return store.Save(tx, store.Notices, row, was, n)
}

// sent records how an attempt ended and what comes next. An attempt whose claim has ended, and was taken by another,
// changes nothing.
func (c *Control) sent(ctx context.Context, m claimed, r notice.Result) error {
	outcome := writ.OutcomeDelivered
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		outcome = ""
		n, row, err := store.Load[noticeRow](tx, store.Notices, m.id)
		if err != nil {
			return err
		}
		if writ.NoticeState(row.State) != writ.NoticeSending || n.Claim != m.claim {
			return nil
		}
		n.Claim = ""
		if err := c.heard(tx, m.stop.Channel, r); err != nil {
			return err
		}
		if r.Failure == "" {
			outcome = writ.OutcomeDelivered
			return c.delivered(tx, n, row)
		}
		outcome, err = c.undelivered(tx, n, row, r)
		return err
	})
	if err != nil {
		return err
	}
	if outcome != "" && c.Notices.Noticed != nil {
		c.Notices.Noticed(m.stop.Channel, outcome)
	}
	return nil
}

// delivered ends a notice, or begins the wait for an answer to it.
func (c *Control) delivered(tx *store.Tx, n noticeRow, row store.Row) error {
	if err := c.noticeEntry(tx, n, row, writ.OutcomeDelivered, notice.Result{}); err != nil {
		return err
	}
	n.Told++
	if n.last().Class() == writ.NoticeAsk && n.Stop+1 < len(n.Stops) {
		return c.moveNotice(tx, n, row, writ.NoticeAsked, c.now().Add(n.Stops[n.Stop].Wait))
	}
	return c.moveNotice(tx, n, row, writ.NoticeDelivered, c.now().Add(notice.Keep))
}

// undelivered says what follows a failed attempt: another one, the next recipient, another round, or the end.
func (c *Control) undelivered(tx *store.Tx, n noticeRow, row store.Row, r notice.Result) (writ.NoticeOutcome, error) {
	var chance [4]byte
	if _, err := io.ReadFull(c.Rand, chance[:]); err != nil {
		return "", err
	}
	again := c.now().Add(max(notice.Rest(n.Try, binary.BigEndian.Uint32(chance[:])), r.After))
	if !r.Final && n.Try < notice.MaxTries && again.Before(n.Since.Add(n.Stops[n.Stop].Wait)) {
		return writ.OutcomeRetry, c.moveNotice(tx, n, row, writ.NoticeQueued, again)
	}
	if err := c.noticeEntry(tx, n, row, writ.OutcomeFailed, r); err != nil {
		return "", err
	}
	n.Try = 0
	switch {
	case n.Stop+1 < len(n.Stops): // no delivery: the next person
		n.Stop++
		return writ.OutcomeFailed, c.moveNotice(tx, n, row, writ.NoticeQueued, c.now())
	case n.Told > 0: // somebody knows
		return writ.OutcomeFailed, c.moveNotice(tx, n, row, writ.NoticeDelivered, c.now().Add(notice.Keep))
	case n.Round+1 < notice.MaxRounds:
		n.Stop = 0
		n.Round++
		return writ.OutcomeFailed, c.moveNotice(tx, n, row, writ.NoticeQueued, c.now().Add(notice.RoundRest))
	}
	return writ.OutcomeUndelivered, c.untold(tx, n, row, r)
}

// untold ends a notice that nobody got, and says so where somebody may still look.
func (c *Control) untold(tx *store.Tx, n noticeRow, row store.Row, r notice.Result) error {
	if err := c.noticeEntry(tx, n, row, writ.OutcomeUndelivered, r); err != nil {
		return err
	}
	c.Log.Error("a notice reached nobody", "notice", row.ID, "event", n.last().Event, "events", n.Count, "incident", row.Incident)
	return c.moveNotice(tx, n, row, writ.NoticeUndelivered, c.now().Add(notice.Keep))
}

func (n noticeRow) last() notice.Fact { return n.Facts[len(n.Facts)-1] }

// noticeEntry records that somebody was told, or could not be: one entry for each recipient of each round, not for each
// attempt, so that a channel that is down costs the ledger a handful of entries for each notice.
func (c *Control) noticeEntry(tx *store.Tx, n noticeRow, row store.Row, o writ.NoticeOutcome, r notice.Result) error {
	b := writ.NoticeBody{Notice: writ.NoticeID(row.ID), Event: n.last().Event, Events: n.Count, Outcome: o, Failure: r.Failure, Status: r.Status, Attempts: n.Try, By: n.By}
	if n.Stop < len(n.Stops) && o != writ.OutcomeUndelivered {
		stop := n.Stops[n.Stop]
		b.Channel = stop.Channel
		if stop.To != (writ.Person{}) {
			b.To = &stop.To
		}
	}
	_, err := c.append(tx, writ.EntryNotice, writ.IncidentID(row.Incident), b)
	return err
}

// noticeSentence says it in words.
func noticeSentence(b writ.NoticeBody) string {
	who := b.Channel
	if b.To != nil {
		who = b.To.Sub + " by " + b.Channel
	}
	switch b.Outcome {
	case writ.OutcomeDelivered:
		return fmt.Sprintf("told %s of %s (%d events, attempt %d)", writ.Printable(who, 80), b.Event, b.Events, b.Attempts)
	case writ.OutcomeFailed:
		return fmt.Sprintf("could not tell %s of %s: %s after %d attempts", writ.Printable(who, 80), b.Event, b.Failure, b.Attempts)
	}
	return fmt.Sprintf("nobody could be told of %s: %s", b.Event, b.Failure)
}

// SweepNotices acts on the deadlines of notices: an ask that met with silence goes to the next person, one that was answered
// ends, what nobody can be told of is said aloud, and what is old is forgotten.
func (c *Control) SweepNotices(ctx context.Context) error {
	if c.Notices == nil {
		return nil
	}
	states := []writ.NoticeState{writ.NoticeAsked, writ.NoticeDelivered, writ.NoticeUndelivered, writ.NoticeFolded, writ.NoticeMoot}
	var work bool
	look := func(tx *store.Tx, do func(noticeRow, store.Row) error) error {
		due := millis(c.now()) + 1
		for _, s := range states {
			docs, rows, err := find[noticeRow](tx, store.Notices, store.Filter{State: string(s), DueBefore: due, Limit: maxDue})
			for i := 0; i < len(rows) && err == nil; i++ {
				err = do(docs[i], rows[i])
			}
			if err != nil {
				return err
			}
		}
		for _, s := range []writ.NoticeState{writ.NoticeQueued, writ.NoticeSending} { // whose channel is gone
			docs, rows, err := find[noticeRow](tx, store.Notices, store.Filter{State: string(s), DueBefore: due})
			for i := 0; i < len(rows) && err == nil; i++ {
				if !c.served(docs[i]) {
					err = do(docs[i], rows[i])
				}
			}
			if err != nil {
				return err
			}
		}
		old, err := tx.Find(store.Channels, store.Filter{DueBefore: due, Limit: maxDue})
		work = work || len(old) > 0
		return err
	}
	err := c.Store.View(ctx, func(tx *store.Tx) error {
		return look(tx, func(noticeRow, store.Row) error { work = true; return nil })
	})
	if err != nil || !work {
		return err
	}
	return c.Store.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(look(tx, func(n noticeRow, row store.Row) error { return c.overdueNotice(tx, n, row) }),
			forget(tx, store.Channels, store.Filter{DueBefore: millis(c.now()) + 1, Limit: maxDue}))
	})
}

// served reports whether the channel of a notice's next attempt is still configured.
func (c *Control) served(n noticeRow) bool {
	return len(n.Stops) > 0 && c.Notices.Channels[n.Stops[n.Stop].Channel] != nil
}

func (c *Control) overdueNotice(tx *store.Tx, n noticeRow, row store.Row) error {
	switch state := writ.NoticeState(row.State); {
	case state.Final():
		return tx.Delete(store.Notices, row.ID)
	case state == writ.NoticeAsked:
		moot, err := c.moot(tx, n)
		if err != nil {
			return err
		}
		if moot {
			return c.moveNotice(tx, n, row, writ.NoticeDelivered, c.now().Add(notice.Keep))
		}
		n.Stop++ // delivered saw to it that there is a next one
		n.Try = 0
		return c.moveNotice(tx, n, row, writ.NoticeQueued, c.now())
	}
	nobody := notice.Result{Failure: writ.FailureNobody, Final: true}
	if len(n.Stops) == 0 {
		return c.untold(tx, n, row, nobody)
	}
	if next := slices.IndexFunc(n.Stops[n.Stop:], func(s notice.Stop) bool { return c.Notices.Channels[s.Channel] != nil }); next > 0 {
		n.Stop, n.Try = n.Stop+next, 0
		if writ.NoticeState(row.State) == writ.NoticeSending {
			return c.moveNotice(tx, n, row, writ.NoticeQueued, c.now())
		}
		return store.Save(tx, store.Notices, row, row.State, n)
	}
	return c.untold(tx, n, row, nobody)
}
