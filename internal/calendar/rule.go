package calendar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/writ-dev/writ"
)

// A rule is a recurrence rule of RFC 5545 section 3.3.10, of whole days. It answers for one day at a time, without
// going through the days before: it takes no longer in ten years than today, and there is no rule it searches for ever.
type rule struct {
	freq     string
	interval int
	until    time.Time // of an occurrence's begin, inclusive; zero for none
	last     int       // day of the last occurrence, from COUNT; 0 for none
	months   []int
	days     []int
	weekdays []weekday
	position []int // BYSETPOS
	week     time.Weekday
	start    time.Time
}

// A weekday is one of BYDAY: every one of its period when nth is 0.
type weekday struct {
	nth int
	day time.Weekday
}

const (
	daily   = "DAILY"
	weekly  = "WEEKLY"
	monthly = "MONTHLY"
	yearly  = "YEARLY"
)

var weekdays = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"} // by time.Weekday

const (
	maxRule     = 500 // characters
	maxInterval = 366
	maxCount    = 1000
	maxSpan     = 100 * 366 // days in which COUNT must be reached
	formUntil   = "20060102T150405Z"
)

const ruleParts = "FREQ, INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS and WKST"

// parseRule parses an RRULE value for occurrences from start on. start must be one of them.
func parseRule(s string, start time.Time) (*rule, error) {
	r := &rule{interval: 1, week: time.Monday, start: start}
	if len(s) > maxRule {
		return nil, fmt.Errorf("rule has more than %d characters", maxRule)
	}
	count := 0
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ";") {
		name, value, _ := strings.Cut(part, "=")
		if seen[name] {
			return nil, fmt.Errorf("rule has %s twice", writ.Printable(name, 20))
		}
		seen[name] = true
		var err error
		switch name {
		case "FREQ":
			r.freq = value
		case "INTERVAL":
			r.interval, err = number(value, 1, maxInterval)
		case "COUNT":
			count, err = number(value, 1, maxCount)
		case "UNTIL":
			if r.until, err = time.Parse(formUntil, value); err != nil {
				err = fmt.Errorf("it must be a time in UTC, such as 20261231T235959Z")
			}
		case "BYDAY":
			r.weekdays, err = parseWeekdays(value)
		case "BYMONTHDAY":
			r.days, err = numbers(value, 31)
		case "BYMONTH":
			if r.months, err = numbers(value, 12); err == nil && slices.Min(r.months) < 1 {
				err = fmt.Errorf("months are 1 to 12")
			}
		case "BYSETPOS":
			r.position, err = numbers(value, 31)
		case "WKST":
			i := slices.Index(weekdays, value)
			if i < 0 {
				err = fmt.Errorf("weekdays are %s", strings.Join(weekdays, ", "))
			}
			r.week = time.Weekday(i)
		default:
			return nil, fmt.Errorf("rule part %q is not supported; allowed: %s", writ.Printable(name, 20), ruleParts)
		}
		if err != nil {
			return nil, fmt.Errorf("rule: %s: %w", name, err)
		}
	}
	if count > 0 && !r.until.IsZero() {
		return nil, fmt.Errorf("rule: COUNT and UNTIL exclude each other")
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("rule: %w", err)
	}
	return r, r.count(count)
}

// check refuses what the frequency cannot have.
func (r *rule) check() error {
	nth := slices.ContainsFunc(r.weekdays, func(w weekday) bool { return w.nth != 0 })
	switch {
	case !slices.Contains([]string{daily, weekly, monthly, yearly}, r.freq):
		return fmt.Errorf("FREQ must be %s, %s, %s or %s", daily, weekly, monthly, yearly)
	case nth && r.freq != monthly && r.freq != yearly:
		return fmt.Errorf("BYDAY with a number is for %s and %s", monthly, yearly)
	case len(r.days) > 0 && r.freq == weekly:
		return fmt.Errorf("BYMONTHDAY is not for %s", weekly)
	case len(r.position) > 0 && r.freq != monthly:
		return fmt.Errorf("BYSETPOS is supported with %s", monthly) // readers differ on the first week of one that starts in its middle
	case len(r.position) > 0 && len(r.weekdays) == 0 && len(r.days) == 0:
		return fmt.Errorf("BYSETPOS needs BYDAY or BYMONTHDAY")
	case !r.has(dayOf(r.start)):
		return fmt.Errorf("start must be its first occurrence, and is none")
	}
	return nil
}

// count finds the day of the last occurrence.
func (r *rule) count(n int) error {
	if n == 0 {
		return nil
	}
	from := dayOf(r.start)
	for d := from; d < from+maxSpan; d++ {
		if r.has(d) {
			if n--; n == 0 {
				r.last = d
				return nil
			}
		}
	}
	return fmt.Errorf("rule: COUNT is not reached within a hundred years")
}

// has reports whether an occurrence starts on day d, as far as UNTIL does not forbid it.
func (r *rule) has(d int) bool {
	if d < dayOf(r.start) || r.last > 0 && d > r.last {
		return false
	}
	if !r.inPeriod(d) || !r.matches(d) {
		return false
	}
	return len(r.position) == 0 || r.placed(d)
}

// inPeriod applies INTERVAL.
func (r *rule) inPeriod(d int) bool {
	at, start := dateOf(d), r.start
	n := 0
	switch r.freq {
	case daily:
		n = d - dayOf(start)
	case weekly:
		n = (r.weekOf(d) - r.weekOf(dayOf(start))) / 7
	case monthly:
		n = (at.Year()-start.Year())*12 + int(at.Month()) - int(start.Month())
	case yearly:
		n = at.Year() - start.Year()
	}
	return n%r.interval == 0
}

// weekOf is the day on which the week of d begins.
func (r *rule) weekOf(d int) int {
	return d - (int(dateOf(d).Weekday())-int(r.week)+7)%7
}

// matches applies the BY parts but BYSETPOS, and what start stands for where they are missing.
func (r *rule) matches(d int) bool {
	at := dateOf(d)
	if len(r.months) > 0 && !slices.Contains(r.months, int(at.Month())) {
		return false
	}
	if len(r.days) > 0 && !slices.Contains(r.days, at.Day()) && !slices.Contains(r.days, at.Day()-daysIn(at)-1) {
		return false
	}
	if len(r.weekdays) > 0 {
		return slices.ContainsFunc(r.weekdays, func(w weekday) bool { return r.isNth(at, w) })
	}
	if len(r.days) > 0 {
		return true
	}
	switch r.freq {
	case weekly:
		return at.Weekday() == r.start.Weekday()
	case monthly:
		return at.Day() == r.start.Day()
	case yearly:
		return at.Day() == r.start.Day() && (len(r.months) > 0 || at.Month() == r.start.Month())
	}
	return true
}

// isNth reports whether a date is a weekday of BYDAY; numbers count in the month, or in the year for YEARLY without BYMONTH.
func (r *rule) isNth(at time.Time, w weekday) bool {
	if at.Weekday() != w.day {
		return false
	}
	place, size := at.Day(), daysIn(at)
	if r.freq == yearly && len(r.months) == 0 {
		place, size = at.YearDay(), time.Date(at.Year(), 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
	}
	switch {
	case w.nth > 0:
		return (place-1)/7+1 == w.nth
	case w.nth < 0:
		return (size-place)/7+1 == -w.nth
	}
	return true
}

// placed applies BYSETPOS in the month of d.
func (r *rule) placed(d int) bool {
	at := dateOf(d)
	first := d - at.Day() + 1
	before, all := 0, 0
	for x := first; x < first+daysIn(at); x++ {
		if r.matches(x) {
			all++
			if x < d {
				before++
			}
		}
	}
	return slices.Contains(r.position, before+1) || slices.Contains(r.position, before-all)
}

func daysIn(at time.Time) int {
	return time.Date(at.Year(), at.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func number(s string, low, high int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("it must be %d to %d", low, high)
	}
	return n, nil
}

// numbers reads a list of numbers from -high to high without 0.
func numbers(s string, high int) ([]int, error) {
	var out []int
	for x := range strings.SplitSeq(s, ",") {
		n, err := number(x, -high, high)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("numbers are 1 to %d, or -1 to -%d from the end", high, high)
		}
		out = append(out, n)
	}
	return out, nil
}

func parseWeekdays(s string) ([]weekday, error) {
	var out []weekday
	for x := range strings.SplitSeq(s, ",") {
		if len(x) < 2 {
			return nil, fmt.Errorf("weekdays are %s", strings.Join(weekdays, ", "))
		}
		i := slices.Index(weekdays, x[len(x)-2:])
		w := weekday{day: time.Weekday(i)}
		var err error
		if nth := x[:len(x)-2]; nth != "" {
			if w.nth, err = number(nth, -53, 53); w.nth == 0 {
				err = fmt.Errorf("no day")
			}
		}
		if i < 0 || err != nil {
			return nil, fmt.Errorf("weekdays are %s, with a number before them such as 1MO or -1FR", strings.Join(weekdays, ", "))
		}
		out = append(out, w)
	}
	return out, nil
}
