package control

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/policy"
	"github.com/writ-dev/writ/internal/store"
)

// reachable refuses a policy set whose grants demand that a channel is told which nobody has configured: a duty that
// cannot be kept is none.
func (n *Notices) reachable(b *policy.Bundle) error {
	for _, channel := range b.Channels() {
		if n == nil || n.Channels[channel] == nil {
			return fmt.Errorf("%w: policy: @notify names the channel %q, which notify.channels of the server's configuration does not have", writ.ErrInvalid, writ.Printable(channel, 60))
		}
	}
	return nil
}

// afterRun does what the end of a run brings with it, in its transaction and after the entry of its end: the records count
// it, and the duties of its grant are kept.
func (c *Control) afterRun(tx *store.Tx, run runRow, end writ.Digest) error {
	if err := c.reckon(tx, run.Run, end); err != nil {
		return err
	}
	if run.Duties.IsZero() || run.Run.State == writ.RunRefused || run.Run.State == writ.RunExpired {
		return nil
	}
	p, _, err := store.Load[planRow](tx, store.Plans, string(run.Run.Plan))
	if err != nil {
		return err
	}
	for _, channel := range run.Duties.Notify {
		if err := c.tellEnd(tx, channel, run, p); err != nil {
			return err
		}
	}
	if run.Duties.ReviewWithin == 0 {
		return nil
	}
	return c.oweReview(tx, run, p, c.now().Add(time.Duration(run.Duties.ReviewWithin)*time.Second))
}

// tellEnd tells one channel's own recipients how a run ended, whatever the routes say.
func (c *Control) tellEnd(tx *store.Tx, channel string, run runRow, p planRow) error {
	if c.Notices == nil {
		c.Log.Error("a grant demands that a channel is told, and notices are not configured any more", "channel", channel, "run", string(run.Run.ID))
		return nil
	}
	because := ""
	if run.Run.Reason != "" {
		because = fmt.Sprintf(" (%s)", run.Run.Reason)
	}
	f, err := c.about(tx, p, notice.Fact{
		Event: writ.NoticeRunEnded, Plan: p.ID, Run: run.Run.ID, At: c.now(),
		Sentence: notice.Clean(fmt.Sprintf("%s, asked for by %s: %s%s.", notice.Name(run.Title), name(p.Proposal.By), run.Run.State, because), 300),
	})
	if err != nil {
		return err
	}
	n := noticeRow{Stops: []notice.Stop{{Channel: channel, Wait: notice.Untold}}, From: c.now()}
	n.add([]notice.Fact{f}, 1, nil)
	id, err := newID[writ.NoticeID](c, "ntc")
	if err != nil {
		return err
	}
	return store.Create(tx, store.Notices, store.Row{
		ID: string(id), Incident: string(f.Incident), State: string(writ.NoticeQueued), Key: "duty " + channel + " " + string(run.Run.ID), Due: millis(n.From),
	}, n)
}

// A reviewRow is the look back at one run. Key of the row is the team that owes it.
type reviewRow struct {
	Review writ.Review
	Note   writ.Commitment `json:",omitzero"`
	Leaf   writ.Digest     // of the entry by which it became due
	Owner  writ.Person     `json:",omitzero"` // who answers for the agent that asked
}

func (c *Control) oweReview(tx *store.Tx, run runRow, p planRow, due time.Time) error {
	e, err := c.append(tx, writ.EntryReviewDue, run.Run.Incident, writ.ReviewDueBody{Run: run.Run.ID, Plan: p.ID, Team: p.Owner, Due: due}, ref("grant", run.GrantLeaf)...)
	if err != nil {
		return err
	}
	a, _, err := c.registered(tx, p.Proposal.By)
	if err != nil {
		return err
	}
	return store.Create(tx, store.Reviews, store.Row{
		ID: string(run.Run.ID), Incident: string(run.Run.Incident), State: string(writ.ReviewOwed), Key: p.Owner, Due: millis(due),
	}, reviewRow{Leaf: e.hash, Owner: a.Owner, Review: writ.Review{
		Run: run.Run.ID, Title: run.Title, Plan: p.ID, Incident: run.Run.Incident, Service: p.Service, Team: p.Owner, RunState: run.Run.State, Asker: p.Proposal.By, Due: due,
	}})
}

// overdueReviews tells, once, of the reviews that were not made in time. They stay owed.
func (c *Control) overdueReviews(tx *store.Tx, due store.Filter) error {
	docs, rows, err := find[reviewRow](tx, store.Reviews, due)
	for i := 0; i < len(docs) && err == nil; i++ {
		d := docs[i]
		rows[i].Due = 0
		if err = store.Save(tx, store.Reviews, rows[i], rows[i].State, d); err != nil || c.Notices == nil {
			continue
		}
		var p planRow
		var f notice.Fact
		if p, _, err = store.Load[planRow](tx, store.Plans, string(d.Review.Plan)); err == nil {
			f, err = c.about(tx, p, notice.Fact{
				Event: writ.NoticeReviewOverdue, Plan: p.ID, Run: d.Review.Run,
				Sentence: fmt.Sprintf("%s: %s owed a look back at it until %s.", notice.Name(d.Review.Title), notice.Name(d.Review.Team), d.Review.Due.UTC().Format("2006-01-02 15:04Z")),
			})
		}
		if err == nil {
			err = c.tell(tx, f)
		}
	}
	return err
}

// reviewsGlance says which reviews are owed; nil when none is.
func (c *Control) reviewsGlance(tx *store.Tx) (*writ.ReviewGlance, error) {
	owed, _, err := find[reviewRow](tx, store.Reviews, store.Filter{State: string(writ.ReviewOwed), Limit: maxUnsettled})
	if err != nil || len(owed) == 0 {
		return nil, err
	}
	slices.SortFunc(owed, func(a, b reviewRow) int { return a.Review.Due.Compare(b.Review.Due) })
	out := &writ.ReviewGlance{}
	for _, r := range owed {
		out.Owed = append(out.Owed, r.Review.Run)
		if !c.now().Before(r.Review.Due) {
			out.Overdue++
		}
	}
	return out, nil
}
