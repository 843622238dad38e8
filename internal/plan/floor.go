package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/writ-dev/writ"
)

// Downs joins what steps do to each workload on the conservative side, as Blast does: what they take away is added, and
// the smallest number of ready units and the highest floor count.
func Downs(steps []writ.Step) []writ.Units {
	by := map[writ.Location]writ.Units{}
	for _, s := range steps {
		for _, u := range s.Units {
			if o, ok := by[u.Workload]; ok {
				u.Ready, u.Floor = min(u.Ready, o.Ready), max(u.Floor, o.Floor)
				u.Down += o.Down
			}
			by[u.Workload] = u
		}
	}
	return slices.SortedFunc(maps.Values(by), func(a, b writ.Units) int { return cmp.Compare(a.Workload, b.Workload) })
}

// Floor refuses what would leave fewer units of a workload ready than must be, by the plan's own counts. taken is what
// others take away of a workload at the same time; nil for nothing. What takes nothing away passes whatever else is
// down: it is how a broken workload gets repaired.
func Floor(steps []writ.Step, taken func(writ.Location) int) error {
	for _, u := range Downs(steps) {
		others := 0
		if taken != nil {
			others = taken(u.Workload)
		}
		if u.Down == 0 || u.Ready-u.Down-others >= u.Floor {
			continue
		}
		r := &writ.Refusal{
			Code:   writ.ReasonBudget,
			Detail: fmt.Sprintf("%s has %d of %d units ready, and %d must be left; this would take %d away", u.Workload, u.Ready, u.Wanted, u.Floor, u.Down),
			Hint:   "read what keeps the other units from being ready, and repair that first",
		}
		if others > 0 {
			r.Detail += fmt.Sprintf(", and other runs %d", others)
			r.Hint = "propose it again when they have ended"
		}
		return r
	}
	return nil
}

// Grown refuses a step whose radius is now larger than the one that was approved and reserved, or that would now pass
// the floor that the plan relied on.
func Grown(planned, now writ.Step) error {
	if was, is := Blast([]writ.Step{planned}), Blast([]writ.Step{now}); is.Permille > was.Permille || is.Objects > was.Objects {
		return writ.Refuse(writ.ReasonBudget, fmt.Sprintf("it would now reach %d objects and %d permille of the service; %d and %d were approved",
			is.Objects, is.Permille, was.Objects, was.Permille))
	}
	if err := Floor([]writ.Step{now}, nil); err != nil {
		return err
	}
	for _, u := range now.Units {
		i := slices.IndexFunc(planned.Units, func(p writ.Units) bool { return p.Workload == u.Workload })
		switch {
		case u.Down == 0:
		case i < 0:
			return writ.Refuse(writ.ReasonBudget, fmt.Sprintf("it would now take units of %s away, which the plan does not say", u.Workload))
		case u.Down > planned.Units[i].Down:
			return writ.Refuse(writ.ReasonBudget, fmt.Sprintf("it would now take %d units of %s away at once; %d were approved", u.Down, u.Workload, planned.Units[i].Down))
		case u.Ready-u.Down < planned.Units[i].Floor:
			return writ.Refuse(writ.ReasonBudget, fmt.Sprintf("%s has %d units ready now, and %d must be left; this would take %d away", u.Workload, u.Ready, planned.Units[i].Floor, u.Down))
		}
	}
	return nil
}
