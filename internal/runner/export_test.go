package runner

import (
	"context"

	"github.com/writ-dev/writ/internal/assignment"
)

// Judge judges the bundle that hand gives for a runner that has seen a head of that size, and spends its grant. Nothing is
// executed.
func (r *Runner) Judge(ctx context.Context, hand func(seen int64) assignment.Assignment) error {
	seen := r.seen()
	a := hand(seen.Size)
	return r.judge(ctx, &judgement{r: r, in: a, b: *a.Run, seen: seen})
}
