package control

import (
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
	"github.com/writ-dev/writ/internal/plan"
	"github.com/writ-dev/writ/internal/playbook"
)

// ofRevert turns what a playbook says into what a plan that puts a run back must be: no guards, checks of its own, and at
// least the tier of the plan of that run.
func ofRevert(b playbook.Bound, of writ.Plan, steps int) playbook.Bound {
	b.Title, b.Observe, b.Guards, b.Verify, b.Tier = plan.RevertTitle(of), nil, nil, plan.RevertChecks(steps), max(b.Tier, of.Tier)
	b.Steps = make([]playbook.BoundStep, steps)
	return b
}

// fitsSteps checks that each step puts back the one that is its turn: the same operation on the same object. Its parameters
// are the connector's own.
func fitsSteps(made, of writ.Plan, asked assignment.Reverts) error {
	for i, s := range made.Steps {
		was := of.Steps[asked.Steps[i]-1]
		if s.Reverts != was.Key || s.Operation != was.Operation || s.Object.Location != was.Object.Location || s.Object.UID != was.Object.UID || s.Tier < was.Tier {
			return fmt.Errorf("%w: step %d of the plan does not put back step %d of run %s", writ.ErrInvalid, i+1, asked.Steps[i], asked.Run)
		}
	}
	return nil
}
