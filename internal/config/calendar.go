package config

import (
	"time"

	"github.com/writ-dev/writ/internal/calendar"
)

// A Calendar says when the services it covers may be changed, and when not.
type Calendar struct {
	Name         string          `yaml:"name"`
	Services     []string        `yaml:"services,omitempty"`     // covered by name
	Environments []string        `yaml:"environments,omitempty"` // covered whole
	Zone         string          `yaml:"zone"`                   // such as Europe/Berlin
	Windows      []CalendarEntry `yaml:"windows,omitempty"`      // changes are made in them only
	Freezes      []CalendarEntry `yaml:"freezes,omitempty"`      // no changes are made in them
}

// A CalendarEntry is one window or freeze.
type CalendarEntry struct {
	Name   string   `yaml:"name"`
	Start  string   `yaml:"start"`            // wall-clock, of the first occurrence: 2026-01-05T09:00
	For    Duration `yaml:"for"`              // by the wall clock
	Rule   string   `yaml:"rule,omitempty"`   // RFC 5545 RRULE value: FREQ=WEEKLY;BYDAY=MO,TU; empty for once
	Except []string `yaml:"except,omitempty"` // days on which an occurrence would start: 2026-12-24
}

// Source returns the calendar in the form that is checked.
func (c Calendar) Source() calendar.Source {
	return calendar.Source{
		Name: c.Name, Services: c.Services, Environments: c.Environments, Zone: c.Zone,
		Windows: entries(c.Windows), Freezes: entries(c.Freezes),
	}
}

func entries(list []CalendarEntry) []calendar.Entry {
	var out []calendar.Entry
	for _, e := range list {
		out = append(out, calendar.Entry{Name: e.Name, Start: e.Start, For: time.Duration(e.For), Rule: e.Rule, Except: e.Except})
	}
	return out
}
