package policy

import (
	"maps"
	"slices"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/policy/cedarx"
)

// DecideLinear decides with every policy of the bundle, without the index, over all facts, and has the engine validate each
// request.
func DecideLinear(b *Bundle, q Request) writ.Decision {
	var all []*cedarx.Policy
	for _, id := range slices.Sorted(maps.Keys(b.rules)) {
		all = append(all, b.rules[id].policy)
	}
	return b.decide(q, manner{find: func(*shelf, cedarx.Entity) []*cedarx.Policy { return all }, record: true, strict: true})
}

// DecideBroken decides with a policy that makes the engine panic.
func DecideBroken(b *Bundle, q Request) writ.Decision {
	return b.decide(q, manner{find: func(*shelf, cedarx.Entity) []*cedarx.Policy { return []*cedarx.Policy{{ID: "limits/broken"}} }, record: true})
}

// Canonical is the form in which a decision records facts.
func Canonical(f Facts) (string, error) { b, err := f.canonical(); return string(b), err }

// ContextNames are the facts that rules can read.
func ContextNames() []string {
	var out []string
	for _, f := range contextFacts {
		out = append(out, string(f.name))
	}
	return out
}
