package control

import (
	"context"
	"time"

	"github.com/writ-dev/writ"
)

// MaxWait bounds every wait that a caller may ask for: agents never hold a connection longer than 20 s.
const MaxWait = 20 * time.Second

// await calls ready at once and after each commit, until it reports true or fails, the wait is over, or ctx ends. The
// end of the wait is not an error: the caller reports what is.
//
// It looks at every commit, and so is for those of whom there are few: runners. Callers wait with awaitIn.
func (c *Control) await(ctx context.Context, wait time.Duration, ready func() (bool, error)) error {
	timer := time.NewTimer(min(max(wait, 0), MaxWait))
	defer timer.Stop()
	for {
		changed := c.Store.Changed() // before looking, so that no commit is missed
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitIn is await for what happens in one incident.
func (c *Control) awaitIn(ctx context.Context, in writ.IncidentID, wait time.Duration, ready func() (bool, error)) error {
	if wait <= 0 {
		_, err := ready()
		return err
	}
	next, leave, err := c.watch.join(ctx, in)
	if err != nil {
		return err
	}
	defer leave()
	timer := time.NewTimer(min(wait, MaxWait))
	defer timer.Stop()
	for {
		changed := next()
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
