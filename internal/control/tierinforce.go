package control

import (
	"fmt"
	"strings"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/store"
)

// tier is the plan's tier in force, as the newest decision on it has it: what people are shown, asked for and held to. A plan
// that was not decided is put before nobody, and counts as T4.
func (p planRow) tier(plan writ.Plan) writ.Tier {
	if p.Decision == nil {
		return writ.T4
	}
	return plan.InForce(p.Decision.Tier)
}

// beyond ends a plan whose tier in force is above what was passed on to its agent, or above what its runner carries out, and
// reports whether it did: nobody is asked about what would not run. A plan that policy denies anyway is left to that.
func (c *Control) beyond(tx *store.Tx, p planRow, row store.Row, plan writ.Plan, d writ.Decision) (bool, error) {
	if d.Verdict == writ.Deny {
		return false, nil
	}
	tier := plan.InForce(d.Tier)
	why, err := coversTier(tx, p.Proposal.HandOff, tier)
	if err == nil && why == nil && tier > p.MaxTier {
		why = &assignment.Refused{
			Code: writ.ReasonOverCeiling, Detail: fmt.Sprintf("it counts as %s, and the ceiling of its runner ends at %s", tier, p.MaxTier),
			Hint: "nobody was asked further: ask for a smaller repair, or let the cell's owner raise max_tier of the ceiling",
		}
	}
	if err != nil || why == nil {
		return false, err
	}
	if len(d.TierBecause) > 0 && tier > plan.Tier {
		why.Detail += fmt.Sprintf("; its own tier is %s, and policy raised it: %s", plan.Tier, strings.Join(d.TierBecause, "; "))
	}
	return true, c.endPlan(tx, p, row, writ.PlanDenied, *why)
}

// voteOf is the one answer that a person has to a plan. When policy has put the plan into a higher tier since, who approved it
// before may approve it once more, as of that one: their first word does not count there.
func voteOf(id writ.PlanID, own, tier writ.Tier, v approval.Verified) string {
	if tier > own && v.Statement.Answer == writ.Approve {
		return fmt.Sprintf("%s %s", id, tier)
	}
	return string(id)
}
