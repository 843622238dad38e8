package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/store"
)

// Trials of one person: each is a notice to somebody, and somebody who tries a channel out sends a handful.
const (
	trials      = 5
	trialWindow = 10 * time.Minute
)

// TestNotice queues a notice marked as a test for the caller: to their own contact on the channel where they have one, and to
// the channel's own recipients where it has no contacts. It is sent, tried again, and entered like any other. People only.
func (c *Control) TestNotice(ctx context.Context, by writ.Principal, channel string) (writ.NoticeTrial, error) {
	t, err := c.testNotice(ctx, by, channel)
	return t, c.deny(ctx, "notice test", by, "", err)
}

func (c *Control) testNotice(ctx context.Context, by writ.Principal, channel string) (out writ.NoticeTrial, err error) {
	if err := first(person(by), c.rostered(ctx, by)); err != nil {
		return out, err
	}
	if c.Notices == nil || c.Notices.Channels[channel] == nil {
		return out, c.unknownChannel(channel)
	}
	stop := notice.Stop{Channel: channel, Wait: notice.Untold}
	for who, on := range c.Notices.Contacts {
		if who.Principal().Same(by) && on[channel] != "" {
			stop.To = who
		}
	}
	if stop.To == (writ.Person{}) && c.Notices.Channels[channel].Kind() == kindMail {
		return out, &writ.Refusal{
			Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("you have no address on channel %s", channel),
			Hint: "add contact: to yourself under approvers in the server's configuration, or test another channel: " + c.channelNames(),
		}
	}
	id, err := newID[writ.NoticeID](c, "ntc")
	if err != nil {
		return out, err
	}
	now := c.now()
	out = writ.NoticeTrial{Notice: id, Channel: channel, By: by, State: writ.NoticeQueued, At: now}
	if stop.To != (writ.Person{}) {
		out.To = &stop.To
	}
	n := noticeRow{Stops: []notice.Stop{stop}, From: now, By: &by}
	n.add([]notice.Fact{{
		Event: writ.NoticeTest, Subject: "test", At: now,
		Sentence: notice.Clean(fmt.Sprintf("This is a test that %s asked for. Nothing happened, and nothing is to be done.", name(by)), 300),
	}}, 1, nil)
	return out, c.Store.Update(ctx, func(tx *store.Tx) error {
		after, err := spend(tx, "notice tests of "+personID(by), trials, trialWindow, now)
		if err != nil {
			return err
		}
		if after > 0 {
			return &writ.Refusal{Code: writ.ReasonStorm, Kind: writ.ErrBusy, After: after, Detail: fmt.Sprintf("you have asked for %d test notices within %s; that is the limit", trials, trialWindow), Hint: "what became of them stands on /health"}
		}
		if err := store.Create(tx, store.Notices, store.Row{ID: string(id), State: string(writ.NoticeQueued), Key: "test " + string(id), Due: millis(now)}, n); err != nil {
			return err
		}
		doc, row, err := store.Load[channelRow](tx, store.Channels, channelPrefix+channel)
		if err != nil && !errors.Is(err, writ.ErrNotFound) {
			return err
		}
		doc.Trial = &out
		if row.ID == "" {
			return store.Create(tx, store.Channels, store.Row{ID: channelPrefix + channel}, doc)
		}
		return store.Save(tx, store.Channels, row, row.State, doc)
	})
}

// kindMail is the kind of channel that reaches a person by name.
const kindMail = "mail"

func (c *Control) unknownChannel(channel string) error {
	hint := "name channels under notify in the server's configuration"
	if c.Notices != nil {
		hint = "channels: " + c.channelNames()
	}
	return &writ.Refusal{Code: writ.ReasonForm, Kind: writ.ErrInvalid, Detail: fmt.Sprintf("there is no channel %q", writ.Printable(channel, 60)), Hint: hint}
}

func (c *Control) channelNames() string {
	return strings.Join(slices.Sorted(maps.Keys(c.Notices.Channels)), ", ")
}

// trial says how far the newest test of a channel is; nothing once its notice is forgotten.
func trial(tx *store.Tx, t *writ.NoticeTrial) (*writ.NoticeTrial, error) {
	if t == nil {
		return nil, nil
	}
	row, err := tx.Get(store.Notices, string(t.Notice))
	if errors.Is(err, writ.ErrNotFound) {
		return nil, nil
	}
	now := *t
	now.State = writ.NoticeState(row.State)
	return &now, err
}
