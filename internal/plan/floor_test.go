package plan_test

import (
	"strings"
	"testing"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/plan"
)

const checkout = writ.Location("kubernetes://prod/shop/deployment/checkout")

func stepOf(permille int, units ...writ.Units) writ.Step {
	return writ.Step{Blast: writ.Blast{Objects: 1, Permille: permille}, Units: units}
}

func units(ready, down, floor int) writ.Units {
	return writ.Units{Workload: checkout, Wanted: 3, Ready: ready, Down: down, Floor: floor, By: writ.FloorBudget}
}

func TestI09NoPlanLeavesFewerUnitsThanItsFloor(t *testing.T) {
	others := func(n int) func(writ.Location) int { return func(writ.Location) int { return n } }
	for name, x := range map[string]struct {
		steps   []writ.Step
		taken   func(writ.Location) int
		refused bool
	}{
		"down to the floor":                 {[]writ.Step{stepOf(334, units(3, 1, 2))}, nil, false},
		"below the floor":                   {[]writ.Step{stepOf(334, units(2, 1, 2))}, nil, true},
		"nothing taken of a broken one":     {[]writ.Step{stepOf(0, units(0, 0, 2))}, nil, false},
		"two steps together":                {[]writ.Step{stepOf(334, units(3, 1, 2)), stepOf(334, units(3, 1, 2))}, nil, true},
		"the higher floor of two":           {[]writ.Step{stepOf(0, units(3, 1, 1)), stepOf(0, units(3, 0, 3))}, nil, true},
		"another run takes one already":     {[]writ.Step{stepOf(334, units(3, 1, 2))}, others(1), true},
		"another run, and room for both":    {[]writ.Step{stepOf(334, units(3, 1, 1))}, others(1), false},
		"the target does not tell of units": {[]writ.Step{stepOf(334)}, others(5), false},
	} {
		t.Run(name, func(t *testing.T) {
			err := plan.Floor(x.steps, x.taken)
			if (err != nil) != x.refused || err != nil && writ.ReasonOf(err) != writ.ReasonBudget {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestI09ARadiusThatHasGrownSinceIsRefused(t *testing.T) {
	planned := stepOf(334, units(3, 1, 2))
	elsewhere := units(3, 1, 2)
	elsewhere.Workload = "kubernetes://prod/shop/deployment/cart"
	for name, x := range map[string]struct {
		now writ.Step
		say string
	}{
		"as planned":                      {stepOf(334, units(3, 1, 2)), ""},
		"smaller than planned":            {stepOf(0, units(3, 0, 2)), ""},
		"another unit is down":            {stepOf(334, units(2, 1, 2)), "2 must be left"},
		"the floor has been lowered":      {stepOf(334, units(2, 1, 0)), "2 must be left"},
		"more at once":                    {stepOf(334, units(4, 2, 2)), "1 were approved"},
		"a larger share":                  {stepOf(500, units(3, 1, 2)), "334 were approved"},
		"a share that is not known":       {stepOf(-1, units(3, 1, 2)), "334 were approved"},
		"a workload that nobody spoke of": {stepOf(334, elsewhere), "which the plan does not say"},
	} {
		t.Run(name, func(t *testing.T) {
			err := plan.Grown(planned, x.now)
			switch {
			case x.say == "" && err != nil:
				t.Error(err)
			case x.say != "" && (writ.ReasonOf(err) != writ.ReasonBudget || !strings.Contains(err.Error(), x.say)):
				t.Errorf("%v", err)
			}
		})
	}
	if unmeasured := stepOf(-1); plan.Grown(unmeasured, unmeasured) != nil {
		t.Error("what was approved as the largest there is has not grown")
	}
}
