package grant

import (
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
)

// Narrow checks what an exchange asks for against the plan that it names, and refuses whatever the grant of that plan is
// not. plan and plan_digest are demanded; actions, locations, playbook and limits, where they are given, must be the
// plan's own. An exchange never broadens: more than the plan's is not the plan. It does not get more than it asks for
// either: a grant is for a whole plan, so one for a part of it cannot be issued, and half of what was approved is another
// plan. Refusals say plan_mismatch, plan_digest, playbook_altered or budget_altered.
//
// digest must be the one of the bytes that p was parsed from.
func Narrow(asked writ.Authorization, p writ.Plan, digest writ.Digest) error {
	refuse := func(code writ.Reason, format string, a ...any) error {
		return &writ.Refusal{Code: code, Detail: "authorization_details: " + fmt.Sprintf(format, a...), Hint: "name plan and plan_digest, and leave the rest out"}
	}
	is := authorization(p, digest)
	switch {
	case asked.Type != is.Type:
		return refuse(writ.ReasonPlanMismatch, "type must be %s", is.Type)
	case asked.Plan != is.Plan:
		return refuse(writ.ReasonPlanMismatch, "plan is another one")
	case digest.IsZero() || !asked.PlanDigest.Equal(digest):
		return refuse(writ.ReasonPlanDigest, "plan_digest is not the plan's; it must be the one that was decided")
	case asked.Actions != nil && !sameSet(asked.Actions, is.Actions):
		return refuse(writ.ReasonPlanMismatch, "actions are not exactly the plan's")
	case asked.Locations != nil && !sameSet(asked.Locations, is.Locations):
		return refuse(writ.ReasonPlanMismatch, "locations are not exactly the plan's")
	case asked.Playbook != (writ.PlaybookRef{}) && (asked.Playbook.Name != is.Playbook.Name || asked.Playbook.Version != is.Playbook.Version ||
		!asked.Playbook.Digest.Equal(is.Playbook.Digest)):
		return refuse(writ.ReasonPlaybookAltered, "playbook is not the plan's")
	case asked.Limits != (writ.GrantLimits{}) && asked.Limits != is.Limits:
		return refuse(writ.ReasonBudgetAltered, "limits are not the plan's: max_objects %d, max_runs 1, max_permille %d", is.Limits.MaxObjects, is.Limits.MaxPermille)
	}
	return nil
}

// sameSet compares without regard to order. A value that stands twice is not the same as once.
func sameSet[T ~string](a, b []T) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
