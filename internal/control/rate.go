package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

const (
	// tokensPerMinute bounds the control-plane tokens of one agent: it needs one in ten minutes, and its processes one each.
	tokensPerMinute = 120
	tokenWindow     = time.Minute

	// rateMargin keeps a row a little longer than it counts: replicas' clocks differ.
	rateMargin = time.Minute

	rateGuesses = "failed enrolments" // one row: codes are for nobody in particular
	rateTokens  = "tokens of "        // and the digest of the agent
)

// A rateRow holds when something that is bounded in time was done, oldest first, in milliseconds. Its length is at most the
// bound, so it stays small.
type rateRow struct{ At []int64 }

// spend counts one more of what is bounded, in the caller's transaction, or returns how long to wait until it may be done
// again; then it has counted nothing. All replicas count in one row.
func spend(tx *store.Tx, id string, limit int, window time.Duration, now time.Time) (after time.Duration, err error) {
	d, row, err := store.Load[rateRow](tx, store.Rates, id)
	fresh := errors.Is(err, writ.ErrNotFound)
	if err != nil && !fresh {
		return 0, err
	}
	since := millis(now.Add(-window))
	d.At = slices.DeleteFunc(d.At, func(at int64) bool { return at <= since })
	if len(d.At) >= limit {
		return time.Duration(d.At[len(d.At)-limit]-since) * time.Millisecond, nil
	}
	d.At = append(d.At, millis(now))
	slices.Sort(d.At) // another replica's clock may be ahead
	due := millis(now.Add(window + rateMargin))
	if fresh {
		return 0, store.Create(tx, store.Rates, store.Row{ID: id, Due: due}, d)
	}
	row.Due = due
	return 0, store.Save(tx, store.Rates, row, row.State, d)
}

// mustWait reports how long to wait until what is bounded may be done again, without counting anything: 0 when it may be done now.
// It is asked before something is kept that a refusal would leave behind.
func mustWait(tx *store.Tx, id string, limit int, window time.Duration, now time.Time) (after time.Duration, err error) {
	d, _, err := store.Load[rateRow](tx, store.Rates, id)
	if errors.Is(err, writ.ErrNotFound) {
		return 0, nil
	}
	from := millis(now.Add(-window))
	d.At = slices.DeleteFunc(d.At, func(at int64) bool { return at <= from })
	if err != nil || len(d.At) < limit {
		return 0, err
	}
	return time.Duration(d.At[len(d.At)-limit]-from) * time.Millisecond, nil
}

// giveBack takes one off again: what was counted at that time turned out not to be of the kind that is bounded.
func giveBack(tx *store.Tx, id string, at time.Time) error {
	d, row, err := store.Load[rateRow](tx, store.Rates, id)
	if errors.Is(err, writ.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if i := slices.Index(d.At, millis(at)); i >= 0 {
		d.At = slices.Delete(d.At, i, i+1)
	}
	return store.Save(tx, store.Rates, row, row.State, d)
}

// tokensID is the row of an agent's control-plane tokens.
func tokensID(agent writ.Principal) string {
	return rateTokens + writ.DigestOf([]byte(agent.Iss+"\n"+agent.Sub)).String()
}

// NextToken counts one more control-plane token of an agent, for all replicas, or returns how long it has to wait. It is durable
// when it returns. On an error nothing is to be issued.
func (c *Control) NextToken(ctx context.Context, agent writ.Principal) (after time.Duration, err error) {
	id := tokensID(agent)
	err = c.Store.Update(ctx, func(tx *store.Tx) (err error) {
		after, err = spend(tx, id, tokensPerMinute, tokenWindow, c.now())
		return err
	})
	return after, err
}
