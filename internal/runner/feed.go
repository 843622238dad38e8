package runner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/canon"
	"github.com/writ-dev/writ/internal/ledger"
)

// How old a feed may be before a forward step (docs/spec/runner.md): a frozen T2 stops within half a minute even
// behind a control plane that hides its freezes.
const (
	feedAge   = 30 * time.Second // T2 and above, and while the tier is not known
	feedAgeT1 = 5 * time.Minute
	feedSkew  = 5 * time.Second // how far the control plane's clock may run ahead
)

// feed is a verified feed; the zero feed is none.
type feed struct {
	assignment.Feed
	known bool
}

// takeFeed verifies a feed and remembers it if it is newer than what is known. Refusals say feed_stale when it is not
// a feed signed by a pinned author, or from the future, and feed_rollback when a later one has been seen.
func (r *Runner) takeFeed(ctx context.Context, signed []byte, t trusted) error {
	bad := func(what string) error { return writ.Refuse(writ.ReasonFeedStale, what) }
	env, err := ledger.OpenEnvelope(signed, assignment.FeedType)
	if err != nil {
		return bad("there is no signed feed")
	}
	if err := env.Verify(t.author); err != nil {
		return bad("the feed is not signed by a pinned author")
	}
	f := feed{known: true}
	if err := canon.Parse(env.Payload, &f.Feed); err != nil || f.V != writ.FormatVersion || f.Epoch < 0 {
		return bad("the feed is not of the closed form")
	}
	if f.IssuedAt.After(r.Now().Add(feedSkew)) {
		return bad("the feed is from the future")
	}
	if err := r.Journal.RaiseFeedEpoch(ctx, f.Epoch); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.feed.known || f.Epoch > r.feed.Epoch || f.Epoch == r.feed.Epoch && f.IssuedAt.After(r.feed.IssuedAt) {
		r.feed = f
	}
	return nil
}

// newestFeed returns the newest verified feed.
func (r *Runner) newestFeed() feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.feed
}

// fresh checks that the feed is young enough for a plan. A nil plan is one that this runner does not know.
func (f feed) fresh(p *writ.Plan, now time.Time) error {
	limit := feedAge
	if p != nil && p.Tier <= writ.T1 {
		limit = feedAgeT1
	}
	if !f.known || now.Sub(f.IssuedAt) > limit {
		return writ.Refuse(writ.ReasonFeedStale, fmt.Sprintf("the newest feed is older than %s", limit))
	}
	return nil
}

// frozen refuses a plan that a freeze covers. Any freeze covers a plan that this runner does not know.
func (f feed) frozen(p *writ.Plan) error {
	if p == nil && len(f.Freezes) > 0 || p != nil && f.Covers(*p) {
		return &writ.Refusal{Code: writ.ReasonFrozen, Detail: "a freeze covers this plan", Kind: writ.ErrFrozen}
	}
	return nil
}

// revoked refuses a grant that is void.
func (f feed) revoked(id writ.GrantID) error {
	if slices.Contains(f.Revoked, id) {
		return writ.Refuse(writ.ReasonRevoked, "the grant was revoked")
	}
	return nil
}
