// Package calendar says when a service may be changed: windows in which changes are made, and freezes in which they are
// not, each once or by a recurrence rule of RFC 5545, in a time zone, with exceptions.
//
// Times are wall-clock times of the calendar's zone. One that a change to summer time skips counts by the offset before
// the gap, and one that happens twice counts the first time (RFC 5545 section 3.3.5). Lengths are nominal: a window of
// eight hours from 22:00 ends when the wall clock shows 06:00, whatever the night did.
//
// The package is pure: it is handed the time, and the function that finds zones. A Set does not change after New, is safe
// for concurrent use, and cannot fail once it is made: everything that could is refused by New.
package calendar

import (
	"fmt"
	"slices"
	"time"

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/canon"
)

// A Source is one calendar as people write it. At least one of Services and Environments is named: a calendar covers the
// services it names, and every service of the environments it names.
type Source struct {
	Name         string   `json:"name"`
	Services     []string `json:"services,omitempty"`
	Environments []string `json:"environments,omitempty"`
	Zone         string   `json:"zone"` // of the IANA database, such as Europe/Berlin
	Windows      []Entry  `json:"windows,omitempty"`
	Freezes      []Entry  `json:"freezes,omitempty"`
}

// An Entry is a window or a freeze.
type Entry struct {
	Name   string        `json:"name"`
	Start  string        `json:"start"` // of the first occurrence, wall-clock: 2026-01-05T09:00
	For    time.Duration `json:"for"`
	Rule   string        `json:"rule,omitempty"`   // RRULE value, such as FREQ=WEEKLY;BYDAY=MO,TU; empty for once
	Except []string      `json:"except,omitempty"` // days on which an occurrence would start and does not: 2026-12-24
}

// Bounds. Each is looked at in every decision, so all of them are small.
const (
	MaxCalendars = 100
	MaxEntries   = 50                   // windows and freezes of one calendar
	MaxExcept    = 400                  // days of one entry
	MaxLength    = 100 * 24 * time.Hour // a freeze over a quarter; a longer one is a decision about the service
	MinLength    = time.Minute          // below it a plan could not be decided in time
)

// A Set is all calendars. The zero Set has none.
type Set struct {
	calendars []schedule
	digest    writ.Digest
}

type schedule struct {
	Source
	windows []event
	freezes []event
}

// New checks calendars. zone finds a time zone, as time.LoadLocation does.
func New(sources []Source, zone func(name string) (*time.Location, error)) (Set, error) {
	var out Set
	if len(sources) == 0 {
		return out, nil
	}
	if len(sources) > MaxCalendars {
		return out, fmt.Errorf("%w: calendars: %d of them; at most %d are allowed", writ.ErrInvalid, len(sources), MaxCalendars)
	}
	seen := map[string]bool{}
	for i, s := range sources {
		if !writ.IsName(s.Name) || seen[s.Name] {
			return Set{}, fmt.Errorf("%w: calendars[%d].name must be a plain lower-case name of its own, such as office-hours", writ.ErrInvalid, i)
		}
		seen[s.Name] = true
		c, err := newSchedule(s, zone)
		if err != nil {
			return Set{}, fmt.Errorf("%w: calendar %s: %w", writ.ErrInvalid, s.Name, err)
		}
		out.calendars = append(out.calendars, c)
	}
	b, err := canon.Marshal(sources)
	if err != nil {
		return Set{}, err
	}
	out.digest = writ.DigestOf(b)
	return out, nil
}

func newSchedule(s Source, zone func(string) (*time.Location, error)) (schedule, error) {
	c := schedule{Source: s}
	switch {
	case len(s.Services) == 0 && len(s.Environments) == 0:
		return c, fmt.Errorf("services or environments must say what it covers")
	case len(s.Windows) == 0 && len(s.Freezes) == 0:
		return c, fmt.Errorf("it has no windows and no freezes")
	case len(s.Windows)+len(s.Freezes) > MaxEntries:
		return c, fmt.Errorf("more than %d windows and freezes", MaxEntries)
	case s.Zone == "" || s.Zone == "Local":
		return c, fmt.Errorf("zone must name a time zone, such as Europe/Berlin or UTC")
	}
	at, err := zone(s.Zone)
	if err != nil {
		return c, fmt.Errorf("zone %q is not a time zone, such as Europe/Berlin or UTC", writ.Printable(s.Zone, 60))
	}
	seen := map[string]bool{}
	for _, list := range []struct {
		from []Entry
		to   *[]event
	}{{s.Windows, &c.windows}, {s.Freezes, &c.freezes}} {
		for _, e := range list.from {
			if !writ.IsName(e.Name) || seen[e.Name] {
				return c, fmt.Errorf("each window and freeze needs a plain lower-case name of its own, not %q", writ.Printable(e.Name, 60))
			}
			seen[e.Name] = true
			got, err := newEvent(e, at)
			if err != nil {
				return c, fmt.Errorf("%s: %w", e.Name, err)
			}
			*list.to = append(*list.to, got)
		}
	}
	return c, nil
}

// Digest names the calendars by content. It is zero when there are none.
func (s Set) Digest() writ.Digest { return s.digest }

// Services are the services that calendars name, sorted.
func (s Set) Services() []string {
	var out []string
	for _, c := range s.calendars {
		out = append(out, c.Source.Services...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (c schedule) covers(service, environment string) bool {
	return slices.Contains(c.Source.Services, service) || slices.Contains(c.Environments, environment)
}

// At says what the calendars say of a service at t. With several calendars that declare windows, all of them must be
// open: one more calendar never allows more.
func (s Set) At(service, environment string, t time.Time) writ.ChangeWindow {
	var out writ.ChangeWindow
	for _, c := range s.calendars {
		if !c.covers(service, environment) {
			continue
		}
		out.Calendars = s.digest
		c.freeze(t, &out)
		c.window(t, &out)
	}
	slices.Sort(out.Names)
	return out
}

// freeze adds the freezes that are in force.
func (c schedule) freeze(t time.Time, out *writ.ChangeWindow) {
	for _, e := range c.freezes {
		until, in := e.at(t)
		if !in {
			continue
		}
		out.Names = append(out.Names, c.Name+"/"+e.name)
		if out.FrozenUntil == nil || until.After(*out.FrozenUntil) {
			out.FrozenUntil = &until
		}
	}
}

// window adds whether one of the windows is open.
func (c schedule) window(t time.Time, out *writ.ChangeWindow) {
	if len(c.windows) == 0 {
		return
	}
	var closes time.Time
	for _, e := range c.windows {
		until, in := e.at(t)
		if !in {
			continue
		}
		out.Names = append(out.Names, c.Name+"/"+e.name)
		if until.After(closes) {
			closes = until
		}
	}
	open := !closes.IsZero() && (out.Open == nil || *out.Open)
	switch {
	case !open:
		out.ClosesAt = nil
	case out.ClosesAt == nil || closes.Before(*out.ClosesAt):
		out.ClosesAt = &closes
	}
	out.Open = &open
}
