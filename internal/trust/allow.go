package trust

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/approval"
	"github.com/writ-dev/writ/internal/plan"
)

// PinsPlaybook reports whether exactly this playbook, by content, may run here.
func (t Trust) PinsPlaybook(ref writ.PlaybookRef) bool {
	return slices.ContainsFunc(t.Playbooks, func(p writ.PlaybookRef) bool {
		return p.Name == ref.Name && p.Version == ref.Version && p.Digest.Equal(ref.Digest)
	})
}

// Question returns what approvals of a plan are counted for, on this runner's own roster. tier is the one that the plan was
// decided as of.
func (t Trust) Question(p writ.Plan, digest writ.Digest, tier writ.Tier, now time.Time) approval.Question {
	q := approval.Question{Plan: p, Tier: tier, Digest: digest, Policy: p.Policy, Roster: t.Approvers,
		Slots: t.Slots(p.Service), Owner: t.OwnerOf(p.Requester), Now: now}
	for _, by := range p.Lineage {
		q.Passed = append(q.Passed, t.OwnerOf(by))
	}
	return q
}

// Slots returns which group fills each slot for a service. An unknown service has none.
func (t Trust) Slots(service string) map[string]string {
	for _, s := range t.Services {
		if s.Name == service {
			return s.Slots
		}
	}
	return nil
}

// OwnerOf returns the human owner of an agent, or nobody.
func (t Trust) OwnerOf(by writ.Principal) writ.Person {
	for _, a := range t.AgentOwners {
		if by.Kind == writ.KindAgent && a.Iss == by.Iss && a.Sub == by.Sub {
			return a.Owner
		}
	}
	return writ.Person{}
}

// AllowsPlan checks a plan against the pins and the ceiling. tally is of the approvals that this runner has verified
// against Question, tier the one that the plan was decided as of; runsLastHour counts the runs that it has started in the last hour, the one at hand left out.
// Refusals say playbook_unpinned, over_ceiling, approval_quorum or approval_proof.
func (t Trust) AllowsPlan(p writ.Plan, decided writ.Tier, mode writ.HolderMode, tally approval.Tally, runsLastHour int) error {
	if !t.Pins(p.Playbook, p.Emergency, p.Reverts) {
		return writ.Refuse(writ.ReasonPlaybookUnpinned, fmt.Sprintf("%s@%d with this content is not pinned", writ.Printable(p.Playbook.Name, 80), p.Playbook.Version))
	}
	if err := t.within(p, decided, mode, tally, runsLastHour); err != nil {
		return err
	}
	tier := p.InForce(decided)
	c, least := t.bounds(p, tier)
	q, ok := c.Quorum[tier]
	if !ok {
		return over("it says nothing about %s", tier)
	}
	if tally.People < q.Approvals || tally.People < least {
		return writ.Refuse(writ.ReasonApprovalQuorum, fmt.Sprintf("%d of %d approvals", tally.People, q.Approvals))
	}
	if q.Approvals > 0 && tally.Proof.Strength() < max(1, q.Proof.Strength()) {
		return writ.Refuse(writ.ReasonApprovalProof, fmt.Sprintf("%s asks for proofs of level %s", tier, q.Proof))
	}
	return nil
}

func (t Trust) within(p writ.Plan, decided writ.Tier, mode writ.HolderMode, tally approval.Tally, runsLastHour int) error {
	tier := p.InForce(decided) // never the plan's own word alone
	c, _ := t.bounds(p, tier)
	blast := plan.Blast(p.Steps)
	objects, permille := max(blast.Objects, p.Blast.Objects), max(blast.Permille, p.Blast.Permille)
	switch {
	case p.Runner != t.Runner:
		return over("the plan is another runner's")
	case len(p.Steps) == 0:
		return over("the plan has no steps")
	case tier > c.MaxTier:
		return over("%s is above %s", tier, c.MaxTier)
	case mode != writ.ModeHandle && mode != writ.ModeKey:
		return over("the mode %q is not known", writ.Printable(string(mode), 20))
	case mode == writ.ModeHandle && tier > c.HandleMaxTier && tally.People == 0:
		return over("without approvals and a key of the agent's own, %s is above %s", tier, c.HandleMaxTier)
	case p.Blast.Objects < 0 || p.Blast.Permille < 0:
		return over("the plan does not know its radius")
	case objects > min(c.MaxObjects, p.Budget.MaxObjects):
		return over("%d objects; %d are allowed", objects, min(c.MaxObjects, p.Budget.MaxObjects))
	case permille > min(c.MaxPermille, p.Budget.MaxPermille):
		return over("%d permille of the service; %d are allowed", permille, min(c.MaxPermille, p.Budget.MaxPermille))
	case runsLastHour < 0 || runsLastHour >= c.RunsPerHour:
		return over("%d runs in the last hour; %d are allowed", runsLastHour, c.RunsPerHour)
	}
	for i, s := range p.Steps {
		if !slices.Contains(c.Operations, s.Operation) {
			return over("step %d: operation %s is not listed", i+1, writ.Printable(string(s.Operation), 80))
		}
		if !slices.ContainsFunc(c.Targets, s.Object.Location.Within) {
			return over("step %d: %s lies outside the targets", i+1, writ.Printable(string(s.Object.Location), 120))
		}
	}
	return nil
}

func over(format string, a ...any) error {
	return writ.Refuse(writ.ReasonOverCeiling, fmt.Sprintf(format, a...))
}
