package plan

import (
	"bytes"
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// Compare checks that theirs is mine, byte for byte in canonical form. If it is not, it names the first part that
// differs with that part's own reason code (invariant I03), in this order: calls, objects, diffs, playbook,
// parameters, evidence, policy, window, budget, holder; plan_mismatch stands for everything else.
func Compare(mine, theirs writ.Plan) error {
	for i := range max(len(mine.Steps), len(theirs.Steps)) {
		if i >= len(mine.Steps) || i >= len(theirs.Steps) {
			return writ.Refuse(writ.ReasonCallAltered, fmt.Sprintf("the plan has %d steps, not %d", len(mine.Steps), len(theirs.Steps)))
		}
	}
	for _, part := range parts {
		for i := range mine.Steps {
			if part.ofStep == nil {
				break
			}
			if err := differ(part.code, fmt.Sprintf("%s of step %d", part.name, i+1), part.ofStep(mine.Steps[i]), part.ofStep(theirs.Steps[i])); err != nil {
				return err
			}
		}
		if part.ofPlan != nil {
			if err := differ(part.code, part.name, part.ofPlan(mine), part.ofPlan(theirs)); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts are compared in this order; the last one covers the whole plan, so that no part is left out.
var parts = []struct {
	code   writ.Reason
	name   string
	ofStep func(writ.Step) any
	ofPlan func(writ.Plan) any
}{
	{code: writ.ReasonCallAltered, name: "the call", ofStep: func(s writ.Step) any { return s.Call }},
	{code: writ.ReasonObjectAltered, name: "the object", ofStep: func(s writ.Step) any { return s.Object }},
	{code: writ.ReasonDiffAltered, name: "the diff", ofStep: func(s writ.Step) any { return append([]writ.Change{}, s.Diff...) }},
	{code: writ.ReasonPlaybookAltered, name: "the playbook", ofPlan: func(p writ.Plan) any { return p.Playbook }},
	{code: writ.ReasonParametersAltered, name: "a parameter",
		ofStep: func(s writ.Step) any { return with{s.With} },
		ofPlan: func(p writ.Plan) any { return with{p.Parameters} }},
	{code: writ.ReasonEvidenceAltered, name: "the evidence", ofPlan: func(p writ.Plan) any { return append([]writ.EvidenceRef{}, p.Evidence...) }},
	{code: writ.ReasonPolicyAltered, name: "the policy", ofPlan: func(p writ.Plan) any { return p.Policy }},
	{code: writ.ReasonWindowAltered, name: "the window", ofPlan: func(p writ.Plan) any { return p.Window }},
	{code: writ.ReasonBudgetAltered, name: "the budget", ofPlan: func(p writ.Plan) any { return p.Budget }},
	{code: writ.ReasonHolderAltered, name: "the holder's key", ofPlan: func(p writ.Plan) any { return p.Holder }},
	{code: writ.ReasonPlanMismatch, name: "a part without a code of its own", ofPlan: func(p writ.Plan) any { return p }},
}

type with struct {
	With writ.Parameters `json:"with,omitempty"`
}

func differ(code writ.Reason, name string, mine, theirs any) error {
	a, err := canon.Marshal(mine)
	if err != nil {
		return writ.Refuse(writ.ReasonPlanForm, name+" has no canonical form")
	}
	b, err := canon.Marshal(theirs)
	if err != nil {
		return writ.Refuse(writ.ReasonPlanForm, name+" has no canonical form")
	}
	if !bytes.Equal(a, b) {
		return writ.Refuse(code, name+" is not the one that this runner planned")
	}
	return nil
}
