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

// feedSkew is how far the control plane's clock may run ahead of this machine's.
const feedSkew = 5 * time.Second

// feed is a verified feed; the zero feed is none.
type feed struct {
	assignment.Feed
	known bool
}

// takeFeed verifies a feed and remembers it, here and in the journal, if it is newer than what is known. Refusals say
// feed_stale when it is not a feed signed by a pinned author, or from the future, and feed_rollback when a later one, or
// one of the same epoch that freezes other things, has been seen. A feed that the journal cannot take is heeded all the
// same: a freeze must reach a runner whose disk is full.
func (r *Runner) takeFeed(ctx context.Context, signed []byte, t trusted) error {
	f, err := r.openFeed(signed, t)
	if err != nil {
		return err
	}
	if f.IssuedAt.After(r.Now().Add(feedSkew)) {
		return writ.Refuse(writ.ReasonFeedStale, "the feed is from the future")
	}
	switch seen, err := r.Journal.FeedEpoch(ctx); {
	case err != nil:
		return err
	case f.Epoch < seen:
		return writ.Refuse(writ.ReasonFeedRollback, fmt.Sprintf("%d was shown after %d", f.Epoch, seen))
	}
	if err := r.adopt(f); err != nil {
		return err
	}
	return r.Journal.KeepFeed(ctx, f.Epoch, signed)
}

// openFeed checks form and signature.
func (r *Runner) openFeed(signed []byte, t trusted) (feed, error) {
	bad := func(what string) (feed, error) { return feed{}, writ.Refuse(writ.ReasonFeedStale, what) }
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
	return f, nil
}

// adopt makes a feed the newest one if it is.
func (r *Runner) adopt(f feed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch now := r.feed; {
	case now.known && f.Epoch < now.Epoch:
		return writ.Refuse(writ.ReasonFeedRollback, fmt.Sprintf("%d was shown after %d", f.Epoch, now.Epoch))
	case now.known && f.Epoch == now.Epoch && !slices.Equal(f.Freezes, now.Freezes):
		return writ.Refuse(writ.ReasonFeedRollback, "two feeds of one epoch freeze different things")
	case !now.known || f.Epoch > now.Epoch || f.IssuedAt.After(now.IssuedAt):
		r.feed = f
	}
	return nil
}

// recall takes up the newest feed that an earlier process kept: a freeze is not forgotten by a restart, also when the
// control plane cannot be reached. It is as old as it is, so that nothing goes forward on it that needs a fresh one.
func (r *Runner) recall(ctx context.Context, t trusted) {
	signed, err := r.Journal.Feed(ctx)
	if err != nil || signed == nil {
		if err != nil {
			r.Log.Error("journal", "error", err)
		}
		return
	}
	f, err := r.openFeed(signed, t)
	if err == nil {
		err = r.adopt(f)
	}
	if err != nil { // its author is not pinned any more; the next feed has a higher epoch
		r.Log.Warn("the kept feed is not believed", "reason", string(writ.ReasonOf(err)))
	}
}

const (
	listenFirst = 250 * time.Millisecond // pause after a failed call, or one that was not held
	listenRest  = 5 * time.Second
)

// listen hears of freezes on a call of its own that the control plane holds until there is news, whatever else this
// runner is busy with. It goes on until ctx ends, also while runs in flight are brought to safety.
func (r *Runner) listen(ctx context.Context) {
	var b backoff
	for {
		err := r.listenOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		rest := listenFirst
		if err != nil {
			b = b.after(r.Now(), listenFirst, listenRest)
			rest = b.delay
			r.Log.Warn("no feed can be heard", "error", err, "again_in", rest)
		} else {
			b = backoff{}
		}
		if !pause(ctx, rest, nil) {
			return
		}
	}
}

// listenOnce asks once. News is followed by the next question at once.
func (r *Runner) listenOnce(ctx context.Context) error {
	t := r.lastTrust()
	if t.file == nil {
		var err error
		if t, err = r.loadTrust(ctx); err != nil {
			return err
		}
		r.recall(ctx, t)
	}
	for {
		ask := assignment.Listen{WaitSeconds: int(assignment.MaxWait / time.Second), Epoch: -1}
		if f := r.newestFeed(); f.known {
			ask.Epoch = f.Epoch
		}
		limited, cancel := context.WithTimeout(ctx, assignment.MaxWait+callLimit)
		told, err := r.Control.Feed(limited, ask)
		cancel()
		if err == nil {
			err = r.takeFeed(ctx, told.Feed, t)
		}
		if err != nil || r.newestFeed().Epoch == ask.Epoch {
			return err
		}
	}
}

// newestFeed returns the newest verified feed.
func (r *Runner) newestFeed() feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.feed
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
