package control

import (
	"context"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/assignment"
)

// WatchCells looks once for runners that are silent.
func (c *Control) WatchCells(ctx context.Context) error { return c.watchCells(ctx) }

// CheckReading is what the control plane checks of a runner's new reading of a plan.
func CheckReading(c *Control, plan writ.Plan, got assignment.ReadAgain) error {
	_, err := c.readingOf(planRow{}, plan, assignment.Answer{Reread: &got})
	return err
}
