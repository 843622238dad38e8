package study

import (
	"fmt"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy"
)

// OfPlan is the request that a plan's newest decision answered, with its facts. A plan that was never decided has none.
func OfPlan(p writ.PlanStatus) (policy.Request, error) {
	if p.Plan == nil || p.Decision == nil {
		return policy.Request{}, fmt.Errorf("%w: plan: it was never decided, so there are no facts", writ.ErrInvalid)
	}
	f, err := policy.ParseFacts(p.Decision.Facts)
	if err != nil {
		return policy.Request{}, fmt.Errorf("%w: plan: the facts of its decision are of another form", writ.ErrInvalid)
	}
	f.Tier = min(f.Tier, int(p.Plan.Tier)) // the set raises it by itself
	q := policy.Request{Playbook: p.Playbook.Name, Facts: f}
	for _, s := range p.Plan.Steps {
		q.Operations = append(q.Operations, string(s.Operation))
	}
	return q, nil
}
