package plan

import (
	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// wholeService is the share that nothing exceeds.
const wholeService = 1000

// Blast joins the radii of steps on the conservative side: all steps are taken to hit different objects and replicas,
// and to be down at the same time. So objects and replicas are added, shares are added up to 1000 permille, and one
// step beyond its service makes the whole plan so. A negative number in a step means that it was not computed: it
// counts as the largest there is.
func Blast(steps []writ.Step) writ.Blast {
	var b writ.Blast
	for _, s := range steps {
		b.Objects = add(b.Objects, s.Blast.Objects, canon.MaxInt)
		b.Replicas = add(b.Replicas, s.Blast.Replicas, canon.MaxInt)
		b.Permille = add(b.Permille, s.Blast.Permille, wholeService)
		b.Cluster = b.Cluster || s.Blast.Cluster
	}
	return b
}

func add(sum, n, limit int) int {
	if n < 0 || n > limit-sum {
		return limit
	}
	return sum + n
}
