package grant_test

import (
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/grant"
)

// A grant names the tier in force: the one that policy made of the plan's own, and T4 when the decision says none.
func TestI12AGrantNamesTheTierInForce(t *testing.T) {
	for decided, want := range map[writ.Tier]writ.Tier{writ.T0: writ.T4, writ.T1: writ.T2, writ.T2: writ.T2, writ.T3: writ.T3, writ.T4: writ.T4, 9: writ.T4} {
		in := input(t)
		in.Decision.Tier = decided
		c := mint(t, in)
		if c.Writ.Tier != want {
			t.Errorf("decided as %d, the grant of a plan of %s says %s", decided, in.Plan.Tier, c.Writ.Tier)
		}
		must(t, grant.Match(c, in.Plan, in.PlanDigest))
	}
}
