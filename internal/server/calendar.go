package server

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones on a host that has none; the host's own come first

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/calendar"
	"github.com/writ-dev/writ/internal/catalogue"
	"github.com/writ-dev/writ/internal/config"
)

// loadCalendars checks the change calendars. One that names a service or an environment that is not there covers nothing,
// and its author would not notice: it is refused.
func loadCalendars(c config.Server, services catalogue.Catalogue) (calendar.Set, error) {
	var sources []calendar.Source
	for _, x := range c.Calendars {
		for _, e := range x.Environments {
			if !slices.Contains(catalogue.Environments, e) {
				return calendar.Set{}, fmt.Errorf("%w: calendar %s: environments are %s", writ.ErrInvalid, writ.Printable(x.Name, 60), strings.Join(catalogue.Environments, ", "))
			}
		}
		for _, s := range x.Services {
			if _, err := services.Find(s); err != nil {
				return calendar.Set{}, fmt.Errorf("calendar %s: %w", writ.Printable(x.Name, 60), err)
			}
		}
		sources = append(sources, x.Source())
	}
	return calendar.New(sources, time.LoadLocation)
}
