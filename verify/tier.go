package verify

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
)

// This file holds grants to the tier in force of their plans: the one that their decisions recorded, which policy may have put
// above the plan's own. What it asks of people is asked again here, whatever the log says that it required.

// tierInForce returns the tier in force of a plan under the decision that its grant rests on; the plan's own where the bundle
// does not hold that decision.
func (s *chain) tierInForce(g *grant, p *plan) writ.Tier {
	if d := s.decisions[g.body.Decision]; d != nil {
		return writ.InForce(p.body.Tier, d.body.DecidedTier())
	}
	return max(p.body.Tier, g.body.Tier)
}

// tier checks what a grant says of its tier, and that the people it counts are as many, and gave their word, as the tier in
// force demands.
func (s *chain) tier(index int64, g *grant, p *plan) {
	g.tier = s.tierInForce(g, p)
	if said := max(g.body.Tier, p.body.Tier); said != g.tier {
		s.wrong(index, "tier_understated", "grant %s is given as of %s; its plan was decided as of %s", g.body.Grant, said, g.tier)
	}
	people := map[writ.Person]bool{}
	for _, d := range g.body.Approvals {
		v := p.approvals[d]
		if v == nil { // said already
			continue
		}
		people[v.Person] = true
		if as := v.Statement.SpeaksOf(p.body.Tier); as < g.tier {
			s.wrong(index, "approved_lower", "grant %s of %s counts the approval in entry %d, which was given to the plan as %s", g.body.Grant, g.tier, v.index, as)
		}
		if g.tier >= writ.T4 && (len(p.body.Objects) == 0 || v.Statement.Typed != approval.NameOf(p.body.Objects[0])) {
			s.wrong(index, "typed", "grant %s of %s counts the approval in entry %d, in which the object's name is not typed", g.body.Grant, g.tier, v.index)
		}
	}
	asked := s.proposals[p.body.Plan]
	least := approval.Least(g.tier, asked != nil && asked.body.BreakGlass != "")
	switch {
	case len(people) >= least:
	case len(g.body.Approvals) < least:
		s.wrong(index, "quorum", "grant %s of %s counts %d people; no policy lets it do with less than %d", g.body.Grant, g.tier, len(people), least)
	default:
		s.absent(index, "quorum", "grant %s of %s is shown to count %d people; no policy lets it do with less than %d", g.body.Grant, g.tier, len(people), least)
	}
}
