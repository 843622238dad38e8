package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/store"
)

// agentSeenEvery is how often it is written down that an agent came: people ask whether it is alive at all, and each writing
// is a commit.
const agentSeenEvery = time.Minute

// proposed counts a plan that an agent asked for, in the transaction that opens it.
func (c *Control) proposed(tx *store.Tx, by writ.Principal, leaf writ.Digest) error {
	return c.changeAgent(tx, by, "", leaf, func(r *writ.AgentRecord) { r.Proposals++ })
}

// turnedDown counts what an agent was refused, in the transaction that enters the refusal. An identity that nobody has
// registered has no record: it would make rows without end.
func (c *Control) turnedDown(tx *store.Tx, by writ.Principal, code writ.Reason, leaf writ.Digest) error {
	if _, ok, err := c.registered(tx, by); err != nil || !ok {
		return err
	}
	return c.changeAgent(tx, by, "", leaf, func(r *writ.AgentRecord) { r.Deny(code) })
}

// sawAgent writes down that an agent came. That it could not be written keeps nobody out.
func (c *Control) sawAgent(ctx context.Context, by writ.Principal) {
	now := c.now()
	c.mu.Lock()
	last, known := c.agents[by]
	due := !known || now.Sub(last) >= agentSeenEvery || now.Before(last)
	if due {
		c.agents[by] = now
	}
	c.mu.Unlock()
	if !due {
		return
	}
	err := c.Store.Update(ctx, func(tx *store.Tx) error {
		return c.changeAgent(tx, by, "", writ.Digest{}, func(r *writ.AgentRecord) { r.LastSeen = &now })
	})
	if err != nil && ctx.Err() == nil {
		c.Log.Warn("that an agent came could not be written down", "agent", by.Sub, "error", err)
	}
}

// budgets says how much of its limits an agent uses now. open are the places that are taken, of all agents.
func (c *Control) budgets(tx *store.Tx, by writ.Principal, open []slotRow) ([]writ.BudgetUse, error) {
	byService := map[string]int{}
	for _, s := range open {
		if s.Plan == "" || !s.By.Same(by) {
			continue
		}
		p, _, err := store.Load[planRow](tx, store.Plans, string(s.Plan))
		if err != nil {
			return nil, err
		}
		byService[p.Service]++
	}
	var out []writ.BudgetUse
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		out = append(out, writ.BudgetUse{What: "open plans for " + service, Used: byService[service], Limit: c.Limits.OpenPlansEach})
	}
	tries, _, err := store.Load[triesRow](tx, store.Nonces, triesID(by))
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return nil, err
	}
	tokens, _, err := store.Load[rateRow](tx, store.Rates, tokensID(by))
	if err != nil && !errors.Is(err, writ.ErrNotFound) {
		return nil, err
	}
	for _, b := range []struct {
		what   string
		at     []int64
		window time.Duration
		limit  int
	}{{"dry runs", tries.At, dryRunWindow, dryRuns}, {"tokens", tokens.At, tokenWindow, tokensPerMinute}} {
		if n := since(b.at, c.now().Add(-b.window)); n > 0 {
			out = append(out, writ.BudgetUse{What: fmt.Sprintf("%s within %s", b.what, b.window), Used: n, Limit: b.limit})
		}
	}
	return out, nil
}

// since counts the moments after from.
func since(all []int64, from time.Time) int {
	n := 0
	for _, at := range all {
		if at > millis(from) {
			n++
		}
	}
	return n
}
