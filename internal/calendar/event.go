package calendar

import (
	"fmt"
	"time"

	"github.com/writ-dev/writ"
)

// Forms of times and days in a Source.
const (
	formStart = "2006-01-02T15:04"
	formDay   = "2006-01-02"
)

// An event is an Entry, checked. Wall-clock times are kept as if they were UTC, so that days and hours add up.
type event struct {
	name   string
	zone   *time.Location
	start  time.Time // wall-clock, of the first occurrence
	length time.Duration
	rule   *rule // nil: once
	except map[int]bool
}

func newEvent(e Entry, zone *time.Location) (event, error) {
	out := event{name: e.Name, zone: zone, length: e.For, except: map[int]bool{}}
	var err error
	if out.start, err = time.Parse(formStart, e.Start); err != nil || out.start.Year() < 1970 {
		return out, fmt.Errorf("start %q must be a wall-clock time without a zone, such as 2026-01-05T09:00", writ.Printable(e.Start, 40))
	}
	if e.For < MinLength || e.For > MaxLength || e.For%time.Second != 0 {
		return out, fmt.Errorf("for must be %s to %s, such as 8h", MinLength, MaxLength)
	}
	if len(e.Except) > MaxExcept {
		return out, fmt.Errorf("except has more than %d days", MaxExcept)
	}
	for _, x := range e.Except {
		d, err := time.Parse(formDay, x)
		if err != nil {
			return out, fmt.Errorf("except %q must be a day, such as 2026-12-24", writ.Printable(x, 40))
		}
		out.except[dayOf(d)] = true
	}
	if e.Rule != "" {
		if out.rule, err = parseRule(e.Rule, out.start); err != nil {
			return out, err
		}
	}
	return out, nil
}

// at reports whether an occurrence contains t, and when the last one that does ends.
func (e event) at(t time.Time) (until time.Time, in bool) {
	wall := wallOf(t, e.zone)
	// An occurrence that contains t starts on one of these days; one more on each side for what zones shift.
	first, last := dayOf(wall.Add(-e.length))-1, dayOf(wall)+1
	for d := max(first, dayOf(e.start)); d <= last; d++ {
		begin, end, ok := e.on(d)
		if ok && !t.Before(begin) && t.Before(end) && end.After(until) {
			until, in = end, true
		}
	}
	return until, in
}

// on returns the occurrence that starts on day d, if there is one.
func (e event) on(d int) (begin, end time.Time, ok bool) {
	switch {
	case e.except[d] || d < dayOf(e.start):
		return begin, end, false
	case e.rule == nil && d != dayOf(e.start), e.rule != nil && !e.rule.has(d):
		return begin, end, false
	}
	wall := e.start.AddDate(0, 0, d-dayOf(e.start))
	begin = instant(wall, e.zone)
	if e.rule != nil && !e.rule.until.IsZero() && begin.After(e.rule.until) {
		return begin, end, false
	}
	return begin, instant(wall.Add(e.length), e.zone), true
}

const secondsOfDay = 24 * 60 * 60

// dayOf numbers the day of a wall-clock time.
func dayOf(wall time.Time) int {
	s := wall.Unix()
	if s < 0 {
		s -= secondsOfDay - 1 // towards the day before
	}
	return int(s / secondsOfDay)
}

// dateOf is the midnight at which day d begins, as a wall-clock time.
func dateOf(d int) time.Time { return time.Unix(int64(d)*secondsOfDay, 0).UTC() }

// wallOf is what a wall clock in the zone shows at t.
func wallOf(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return time.Unix(t.Unix()+int64(offset), 0).UTC()
}

// instant is when a wall clock in the zone shows wall: the first time when it does so twice, and by the offset before the
// gap when it never does (RFC 5545 section 3.3.5).
func instant(wall time.Time, zone *time.Location) time.Time {
	before := wall.Unix() - offsetAt(wall.Unix()-secondsOfDay, zone)
	after := wall.Unix() - offsetAt(wall.Unix()+secondsOfDay, zone)
	for _, s := range []int64{min(before, after), max(before, after)} {
		if s+offsetAt(s, zone) == wall.Unix() {
			return time.Unix(s, 0).UTC()
		}
	}
	return time.Unix(before, 0).UTC()
}

// offsetAt is the zone's offset from UTC in seconds at a time in seconds since the epoch.
func offsetAt(unix int64, zone *time.Location) int64 {
	_, offset := time.Unix(unix, 0).In(zone).Zone()
	return int64(offset)
}
