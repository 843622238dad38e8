package control

import (
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// tier is the plan's tier in force, as the newest decision on it has it: what people are shown, asked for and held to. A plan
// that was not decided is put before nobody, and counts as T4.
func (p planRow) tier(plan writ.Plan) writ.Tier {
	if p.Decision == nil {
		return writ.T4
	}
	return plan.InForce(p.Decision.Tier)
}

// voteOf is the one answer that a person has to a plan. When the plan has come to T4 since, who approved it before may
// approve it once more, as T4 demands: their first word does not count there.
func voteOf(id writ.PlanID, tier writ.Tier, v approval.Verified) string {
	if tier >= writ.T4 && v.Statement.Answer == writ.Approve {
		return fmt.Sprintf("%s %s", id, tier)
	}
	return string(id)
}
