package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/notice"
	"github.com/writ-dev/writ/internal/store"
)

// The rows of channels: one says how a channel does, and one for each recipient and class says what it got lately.
const (
	channelPrefix = "channel/"
	hourPrefix    = "hour/"
)

type (
	channelRow struct {
		Failures  int // attempts in a row
		Failure   writ.NoticeFailure
		Status    int
		Delivered *time.Time
		Failed    *time.Time
		Trial     *writ.NoticeTrial `json:",omitempty"`
	}
	hourRow struct{ At []time.Time } // at most notice.PerHour
)

// hour is the span over which a recipient's notices are counted.
const hour = time.Hour

// heard notes how a channel answered.
func (c *Control) heard(tx *store.Tx, channel string, r notice.Result) error {
	id := channelPrefix + channel
	doc, row, err := store.Load[channelRow](tx, store.Channels, id)
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return err
	}
	at := c.now()
	if r.Failure == "" {
		doc.Failures, doc.Delivered = 0, &at
	} else {
		doc.Failures, doc.Failed, doc.Failure, doc.Status = doc.Failures+1, &at, r.Failure, r.Status
	}
	if row.ID == "" {
		return store.Create(tx, store.Channels, store.Row{ID: id}, doc)
	}
	return store.Save(tx, store.Channels, row, row.State, doc)
}

// channels says how each channel does, by name.
func (c *Control) channels(tx *store.Tx) ([]writ.ChannelStatus, error) {
	if c.Notices == nil {
		return nil, nil
	}
	var out []writ.ChannelStatus
	for _, name := range slices.Sorted(maps.Keys(c.Notices.Channels)) {
		doc, _, err := store.Load[channelRow](tx, store.Channels, channelPrefix+name)
		if err != nil && !errors.Is(err, writ.ErrNotFound) {
			return nil, err
		}
		s := writ.ChannelStatus{Name: name, Kind: c.Notices.Channels[name].Kind(), Failing: doc.Failures > 0, Failures: doc.Failures, Delivered: doc.Delivered, Failed: doc.Failed}
		if s.Trial, err = trial(tx, doc.Trial); err != nil {
			return nil, err
		}
		if s.Failing {
			s.Failure, s.Status = doc.Failure, doc.Status
		}
		out = append(out, s)
	}
	return out, nil
}

// hourOf reads what the recipient of a notice got of its class within the hour.
func (c *Control) hourOf(tx *store.Tx, n noticeRow) (hourRow, store.Row, error) {
	id := fmt.Sprintf("%s%s %s", hourPrefix, n.last().Class(), n.Stops[n.Stop].Recipient())
	doc, row, err := store.Load[hourRow](tx, store.Channels, id)
	if errors.Is(err, writ.ErrNotFound) {
		return hourRow{}, store.Row{ID: id}, nil
	}
	doc.At = slices.DeleteFunc(doc.At, func(t time.Time) bool { return !t.After(c.now().Add(-hour)) })
	return doc, row, err
}

// count notes that the recipient of a notice gets one more.
func (c *Control) count(tx *store.Tx, n noticeRow) error {
	doc, row, err := c.hourOf(tx, n)
	if err != nil {
		return err
	}
	doc.At = append(doc.At, c.now())
	due := millis(c.now().Add(hour))
	if row.Seq == 0 {
		row.Due = due
		return store.Create(tx, store.Channels, row, doc)
	}
	row.Due = due
	return store.Save(tx, store.Channels, row, row.State, doc)
}

// fold keeps a recipient from getting more than notice.PerHour of one class (invariant I19): what is too much becomes one
// notice with a count, which waits until the oldest of the hour is an hour old. It reports whether n has not to be sent now.
func (c *Control) fold(tx *store.Tx, n *noticeRow, row store.Row) (bool, error) {
	doc, _, err := c.hourOf(tx, *n)
	if err != nil || len(doc.At) < notice.PerHour {
		return false, err
	}
	free := doc.At[0].Add(hour)
	if n.Over { // it is the one that waits
		row.Due = millis(free)
		return true, store.Save(tx, store.Notices, row, row.State, *n)
	}
	rest, err := canon.Marshal(n.Stops[n.Stop:])
	if err != nil {
		return false, err
	}
	key := "over " + string(n.last().Class()) + " " + writ.DigestOf(rest).String()
	all, rows, err := find[noticeRow](tx, store.Notices, store.Filter{Key: key, Newest: true, Limit: 1})
	if err != nil {
		return false, err
	}
	if len(rows) > 0 && writ.NoticeState(rows[0].State) == writ.NoticeQueued && all[0].Try+all[0].Round == 0 {
		all[0].add(n.Facts, n.Count, n.Plans)
		if err := store.Save(tx, store.Notices, rows[0], rows[0].State, all[0]); err != nil {
			return false, err
		}
		return true, c.moveNotice(tx, *n, row, writ.NoticeFolded, c.now().Add(notice.Keep))
	}
	n.Over, row.Key, row.Due, row.Incident = true, key, millis(free), ""
	return true, store.Save(tx, store.Notices, row, row.State, *n)
}
