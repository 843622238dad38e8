package plan

import (
	"fmt"

	"github.com/writ-dev/writ"
)

// ReaderReverted is a reading that no connector has and every runner makes: whether the pre-image of a step that was put
// back stands again, field by field. It is the check of a plan that reverts.
const ReaderReverted writ.OperationName = "writ/step.reverted"

// The one fact and the one parameter of ReaderReverted.
const (
	FactReverted = "reverted"
	ParamStep    = "step" // number of the plan's own step, from 1
)

// revertedWithin is how long, in seconds, a pre-image may take to stand: controllers settle what they derive from it.
const revertedWithin = 10

// RevertTitle is the title of a plan that puts the run of another one back.
func RevertTitle(of writ.Plan) string { return writ.Printable("Undo: "+of.Title, maxRevertTitle) }

// maxRevertTitle bounds titles of undos of undos.
const maxRevertTitle = 300

// RevertChecks are the checks of a plan of so many steps that reverts: one for each. What the playbook verifies is that
// the repair helped, which its undo must not have to prove.
func RevertChecks(steps int) []writ.Condition {
	var out []writ.Condition
	for i := range steps {
		out = append(out, writ.Condition{
			Name: fmt.Sprintf("reverted-%d", i+1), Reader: ReaderReverted, With: writ.Parameters{ParamStep: writ.Int(int64(i + 1))},
			Fact: FactReverted, Op: writ.Equals, Value: writ.Bool(true), WithinSeconds: revertedWithin,
		})
	}
	return out
}
