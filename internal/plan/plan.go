// Package plan holds what can be said of a plan without its target: the blast radius and tier of its steps, where two
// copies of it differ, and its text for people. It is pure.
package plan

import "github.com/writ-dev/writ"

// Tier returns the tier of a plan: the highest of its playbook's and its steps'. An unknown tier counts as T4.
func Tier(playbook writ.Tier, steps []writ.Step) writ.Tier {
	t := known(playbook)
	for _, s := range steps {
		t = max(t, known(s.Tier))
	}
	return t
}

func known(t writ.Tier) writ.Tier {
	if !t.Valid() {
		return writ.T4
	}
	return t
}
