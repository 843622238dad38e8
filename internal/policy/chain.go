package policy

import (
	"fmt"
	"slices"

	"github.com/writ-dev/writ"
)

// chains is the part of tiers.yaml about what one incident may put together. Operations that are compatible do no more
// together than each does alone; of any other pair nobody has said so, and that is what people are asked about.
type chains struct {
	undeclared writ.Tier // what a pair that is declared nowhere is raised to
	compatible map[[2]string]bool
}

// Bounds of the declaration. A connector has some ten operations that write; a set of more than all of them declares
// nothing.
const (
	maxChainSets = 200
	maxChainSet  = 64
)

// maxChain bounds the operations of one incident's past, as the facts name them: more than a catalogue has are no facts.
const maxChain = 256

// ReachAll is the tier of a lineage of which not everything could be looked at.
const ReachAll = writ.T4

type chainsFile struct {
	Undeclared string     `yaml:"undeclared"`
	Compatible [][]string `yaml:"compatible"`
}

// parse takes the declaration; without one no pair is compatible, and each is raised to T2.
func (f *chainsFile) parse() (chains, error) {
	out := chains{undeclared: writ.T2, compatible: map[[2]string]bool{}}
	if f == nil {
		return out, nil
	}
	if f.Undeclared != "" {
		at, err := writ.ParseTier(f.Undeclared)
		if err != nil || at < writ.T2 {
			return out, fmt.Errorf("chains: undeclared is T2, T3 or T4: below that nobody would be asked")
		}
		out.undeclared = at
	}
	if len(f.Compatible) > maxChainSets {
		return out, fmt.Errorf("chains: more than %d sets", maxChainSets)
	}
	for i, set := range f.Compatible {
		if len(set) < 2 || len(set) > maxChainSet {
			return out, fmt.Errorf("chains: compatible[%d] names 2 to %d operations", i, maxChainSet)
		}
		for k, a := range set {
			if _, err := writ.ParseOperationName(a); err != nil {
				return out, fmt.Errorf("chains: compatible[%d]: %q is no operation, such as kubernetes/workload.restart", i, writ.Printable(a, 60))
			}
			for _, b := range set[:k] {
				if a == b {
					return out, fmt.Errorf("chains: compatible[%d]: %q stands twice", i, writ.Printable(a, 60))
				}
				out.compatible[pair(a, b)] = true
			}
		}
	}
	return out, nil
}

func pair(a, b string) [2]string {
	if b < a {
		a, b = b, a
	}
	return [2]string{a, b}
}

// declared reports whether two operations may follow one another in one incident. One with itself may: how often it runs
// is what attempts, cooldowns and budgets limit.
func (c chains) declared(a, b string) bool { return a == b || c.compatible[pair(a, b)] }

// A lift is one reason for a tier.
type lift struct {
	to  writ.Tier
	why string
}

// lifts are all reasons that put an ask into a tier, in one order whatever the order of their causes.
func (b *Bundle) lifts(f *Facts, playbook string, operations []string) []lift {
	out := b.tiers.lifts(playbook, f)
	if f.AutonomyTier > 0 {
		out = append(out, lift{writ.Tier(f.AutonomyTier), fmt.Sprintf("by its record on this service the playbook stands at T%d", f.AutonomyTier)})
	}
	if f.AutonomyLost {
		out = append(out, lift{writ.T2, "the agent's record is negative: it makes no change alone until a person restores it"})
	}
	if f.Reach > 0 {
		out = append(out, lift{writ.Tier(f.Reach), fmt.Sprintf("this incident can still reach T%d without a further person: %s", f.Reach, f.ReachBy)})
	}
	for _, before := range f.Chain {
		for _, now := range slices.Compact(slices.Sorted(slices.Values(operations))) {
			if !b.tiers.chains.declared(before, now) {
				out = append(out, lift{b.tiers.chains.undeclared, fmt.Sprintf("%s and %s in one incident are not declared compatible", before, now)})
			}
		}
	}
	return out
}

// raise applies tiers.yaml, the records and the incident's chain to checked facts. It only ever raises the tier, and raised
// facts raised again stay as they are.
func (b *Bundle) raise(f *Facts, playbook string, operations []string) {
	all := b.lifts(f, playbook, operations)
	at := writ.Tier(f.Tier)
	for _, l := range all {
		at = max(at, min(l.to, writ.T4))
	}
	f.TierBecause = nil
	for _, l := range all {
		if l.to == at && len(f.TierBecause) < maxBecause {
			f.TierBecause = append(f.TierBecause, writ.Printable(l.why, maxReason))
		}
	}
	f.Tier, f.TierProof = int(at), b.tiers.proof[at].Strength()
}

// maxBecause bounds the reasons that are told for one tier: each alone is enough.
const maxBecause = 4

// Raised returns the tier that counts for a request, and why it is above the request's own, as Decide would.
func (b *Bundle) Raised(q Request) (writ.Tier, []string) {
	f := q.Facts
	if b == nil || f.check() != nil {
		return writ.T4, nil
	}
	b.raise(&f, q.Playbook, q.Operations)
	return writ.Tier(f.Tier), f.TierBecause
}
