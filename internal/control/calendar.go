package control

import (
	"time"

	"github.com/writ-dev/writ/internal/policy"
)

// calendarFacts are what the change calendars say of the service now. A Set cannot fail, so a freeze is never missed because
// a calendar could not be read: one that does not load keeps the server from starting.
func (c *Control) calendarFacts(f *policy.Facts, now time.Time) {
	w := c.Calendars.At(f.Service, f.Env, now)
	if f.InWindow = w.Open; w.FrozenUntil != nil {
		f.ChangeFreezeUntil = new(w.FrozenUntil.Unix())
	}
	if !w.Calendars.IsZero() {
		f.Calendars = w.Calendars.String()
	}
}
