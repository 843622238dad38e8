package writ

import "encoding/json"

// The tier in force.
//
// Whatever is decided, asked, shown or counted by tier goes by the one in force. A tier of its own is right in these places
// only, and a review asks of any other why it is not the one in force:
//
//   - what a plan is made of: catalogue, playbook, steps, the plan's bytes and entry, its text and the comparison of two plans
//     (they are signed or digested before a decision is made, and the tier in force stands beside them);
//   - where a decision begins: the facts that policy raises, and a set that is tried on recorded facts;
//   - the class of a lease: the power that the plan's steps need, however carefully people were asked;
//   - a record of autonomy: the level that a playbook stands at is counted from its own tier;
//   - offline break-glass: no policy decides it, so that nothing raises it.

// InForce returns the tier in force of a plan whose own tier is own and that policy decided as of the tier decided: what
// tiers.yaml, the records and the incident's chain make of a plan, which is never below its own. Pages, server, runner and
// offline verifier ask people for what this tier demands. A tier that nobody decided or knows counts as T4.
func InForce(own, decided Tier) Tier {
	if !own.Valid() || !decided.Valid() || decided == T0 {
		return T4
	}
	return max(own, decided)
}

// InForce returns the plan's tier in force when policy decided it as of a tier. A step above the plan's own tier counts.
func (p Plan) InForce(decided Tier) Tier {
	t := InForce(p.Tier, decided)
	for _, s := range p.Steps {
		t = max(t, InForce(s.Tier, decided))
	}
	return t
}

// Tier returns the tier in force of a plan as its newest decision has it. Before a runner has made the plan it is T0;
// before a decision it is the plan's own.
func (s PlanStatus) Tier() Tier {
	switch {
	case s.Plan == nil:
		return T0
	case s.Decision == nil:
		return s.Plan.InForce(s.Plan.Tier)
	}
	return s.Plan.InForce(s.Decision.Tier)
}

// DecidedTier returns the tier that the rules saw, as the recorded facts say it; T0 when they do not.
func (b DecisionBody) DecidedTier() Tier {
	var f struct {
		Tier int `json:"tier"`
	}
	if err := json.Unmarshal(b.Facts, &f); err != nil || !Tier(f.Tier).Valid() {
		return T0
	}
	return Tier(f.Tier)
}
