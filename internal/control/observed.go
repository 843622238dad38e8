package control

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/policy/study"
	"github.com/writ-dev/writ/internal/store"
)

// onlyObserved ends the plan of a playbook that is observed only. Its decision is recorded already; nobody is asked, nothing is
// granted, and nothing is locked or reserved.
func (c *Control) onlyObserved(tx *store.Tx, p planRow, row store.Row, d writ.Decision) error {
	return c.endPlan(tx, p, row, writ.PlanObserved, assignment.Refused{
		Code: writ.ReasonObserved, Detail: "observed: " + wouldHave(d) + " Nothing was run, and nothing will be.",
		Hint: "this playbook is in observe mode: tell a person what should be done",
	})
}

// wouldHave says what a decision would have led to.
func wouldHave(d writ.Decision) string {
	switch d.Verdict {
	case writ.Allow:
		return "it would have been allowed."
	case writ.Requires:
		return "it would have asked for " + study.Needs(d.Requirements) + "."
	}
	return "it would have been denied (" + string(d.Reason) + "): " + because(d)
}
