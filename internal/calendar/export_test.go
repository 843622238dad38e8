package calendar

import "time"

// Instant is when a wall clock in the zone shows wall.
func Instant(wall time.Time, zone *time.Location) time.Time { return instant(wall, zone) }

// Days are the days from start on, at most n of them, on which the rule has an occurrence before end.
func Days(rule string, start, end time.Time, n int) ([]time.Time, error) {
	r, err := parseRule(rule, start)
	if err != nil {
		return nil, err
	}
	var out []time.Time
	for d := dayOf(start); d <= dayOf(end) && len(out) < n; d++ {
		if r.has(d) {
			out = append(out, start.AddDate(0, 0, d-dayOf(start)))
		}
	}
	return out, nil
}
