package runner

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

// Limits are how long a runner goes forward on what it last heard from the control plane. A zero member means its
// default, which is also the most that is allowed: an owner can only make them shorter.
type Limits struct {
	FeedAge   time.Duration // of the newest feed before a step of T2 and above in force, and while the tier is not known
	FeedAgeT1 time.Duration // the same for T1
	Wait      time.Duration // for the ledger to acknowledge a step's intent; then the run goes no further and is put back
}

// DefaultLimits let a frozen T2 stop within half a minute even behind a control plane that hides its freezes. A control
// plane that restarts is back within Wait, and a lease does not live much longer.
var DefaultLimits = Limits{FeedAge: 30 * time.Second, FeedAgeT1: 5 * time.Minute, Wait: 60 * time.Second}

// MinLimit is the least that a limit may be: a feed comes with every answer, and must survive a slow answer and clocks that
// differ a little.
const MinLimit = 2 * time.Second

// Check returns the limits with defaults filled in, or says which one is out of bounds.
func (l Limits) Check() (Limits, error) {
	for _, m := range []struct {
		name string
		now  *time.Duration
		most time.Duration
	}{
		{"feed_age", &l.FeedAge, DefaultLimits.FeedAge}, {"feed_age_t1", &l.FeedAgeT1, DefaultLimits.FeedAgeT1}, {"wait", &l.Wait, DefaultLimits.Wait},
	} {
		switch {
		case *m.now == 0:
			*m.now = m.most
		case *m.now < MinLimit || *m.now > m.most:
			return l, fmt.Errorf("%w: cut_off.%s is %s; it must be from %s to %s", writ.ErrInvalid, m.name, *m.now, MinLimit, m.most)
		}
	}
	return l, nil
}

// fresh checks that the feed is young enough for a plan of this tier. T0 is one that is not known.
func (l Limits) fresh(f feed, tier writ.Tier, now time.Time) error {
	limit := l.FeedAge
	if tier == writ.T1 {
		limit = l.FeedAgeT1
	}
	if !f.known || now.Sub(f.IssuedAt) > limit {
		return writ.Refuse(writ.ReasonFeedStale, fmt.Sprintf("the newest feed is older than %s", limit))
	}
	return nil
}
