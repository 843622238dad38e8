package calendar

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// A Feed is an iCalendar object (RFC 5545) read as a roster: each event is a turn of whoever it names. The zero Feed names
// nobody at any time.
type Feed struct{ shifts []shift }

// A Shift is one occurrence of an event.
type Shift struct {
	Names []string // its attendees' addresses in lower case, without mailto:, or its summary where it has none
	From  time.Time
	Until time.Time
}

// A shift is an event of a feed, checked.
type shift struct {
	event
	uid    string
	names  []string
	moved  map[int64]bool // begins of occurrences that another component replaces
	single bool           // it replaces one
}

// Bounds of a feed. A team's year has some hundred events; a feed is looked at once a minute.
const (
	MaxFeed      = 4 << 20 // bytes
	maxShifts    = 5000
	maxFeedLine  = 8 << 10 // bytes of an unfolded line
	maxAttendees = 50
	MaxHorizon   = 31 * 24 * time.Hour // that Shifts looks over
)

// ParseFeed reads an iCalendar object. zone finds a time zone by its IANA name, as time.LoadLocation does; floating times
// and days are of the zone local, or of the feed's own X-WR-TIMEZONE. What it cannot read exactly, it refuses with the line: an event
// that is left out, or read differently than its author's calendar shows it, would put somebody else on call.
func ParseFeed(b []byte, local *time.Location, zone func(string) (*time.Location, error)) (Feed, error) {
	bad := func(line int, format string, args ...any) (Feed, error) {
		return Feed{}, fmt.Errorf("%w: calendar: line %d: %s", writ.ErrInvalid, line, fmt.Sprintf(format, args...))
	}
	lines, err := unfold(b)
	if err != nil {
		return Feed{}, err
	}
	p := parser{local: local, zone: zone}
	var stack []string
	var out Feed
	for _, l := range lines {
		switch l.name {
		case "BEGIN":
			stack = append(stack, strings.ToUpper(l.value))
			if len(stack) > 3 || len(stack) == 1 && stack[0] != "VCALENDAR" {
				return bad(l.at, "a calendar begins with BEGIN:VCALENDAR and has two levels below it")
			}
			if len(stack) == 2 && stack[1] == "VEVENT" {
				p.begin(l.at)
			}
			continue
		case "END":
			if len(stack) == 0 || stack[len(stack)-1] != strings.ToUpper(l.value) {
				return bad(l.at, "END:%s ends nothing", writ.Printable(l.value, 40))
			}
			if len(stack) == 2 && stack[1] == "VEVENT" {
				s, keep, err := p.end()
				if err != nil {
					return bad(p.at, "%v", err)
				}
				if keep {
					out.shifts = append(out.shifts, s)
				}
				if len(out.shifts) > maxShifts {
					return bad(l.at, "it has more than %d events", maxShifts)
				}
			}
			stack = stack[:len(stack)-1]
			continue
		}
		var err error
		switch {
		case len(stack) == 1 && l.name == "X-WR-TIMEZONE":
			p.local, err = p.find(l.value)
		case len(stack) == 2 && stack[1] == "VEVENT":
			err = p.property(l)
		case len(stack) == 0:
			err = fmt.Errorf("it stands outside of the calendar")
		}
		if err != nil {
			return bad(l.at, "%s: %v", writ.Printable(l.name, 40), err)
		}
	}
	if len(stack) > 0 || len(lines) == 0 {
		return bad(len(lines), "the calendar does not end: END:VCALENDAR is missing")
	}
	return out, out.replace()
}

// replace lets the components that replace one occurrence of an event do so (RECURRENCE-ID).
func (f *Feed) replace() error {
	masters := map[string]int{}
	for i, s := range f.shifts {
		if s.single {
			continue
		}
		if _, twice := masters[s.uid]; twice {
			return fmt.Errorf("%w: calendar: the event %q stands twice", writ.ErrInvalid, writ.Printable(s.uid, 80))
		}
		masters[s.uid] = i
	}
	for _, s := range f.shifts {
		if i, ok := masters[s.uid]; ok && s.single {
			for at := range s.moved {
				f.shifts[i].moved[at] = true
			}
		}
	}
	for i := range f.shifts {
		if f.shifts[i].single {
			f.shifts[i].moved = nil
		}
	}
	return nil
}

// Shifts are the occurrences that touch the time from from to until, which is at most MaxHorizon, sorted by their begin.
func (f Feed) Shifts(from, until time.Time) []Shift {
	if until.Sub(from) > MaxHorizon {
		until = from.Add(MaxHorizon)
	}
	var out []Shift
	for _, s := range f.shifts {
		if len(s.names) == 0 {
			continue // cancelled
		}
		first := dayOf(wallOf(from, s.zone).Add(-s.length)) - 1
		last := dayOf(wallOf(until, s.zone)) + 1
		if s.rule == nil { // once
			first, last = max(first, dayOf(s.start)), min(last, dayOf(s.start))
		}
		for d := max(first, dayOf(s.start)); d <= last; d++ {
			begin, end, ok := s.on(d)
			if !ok || s.moved[begin.Unix()] || !end.After(from) || begin.After(until) {
				continue
			}
			out = append(out, Shift{s.names, begin, end})
		}
	}
	slices.SortStableFunc(out, func(a, b Shift) int { return a.From.Compare(b.From) })
	return out
}
