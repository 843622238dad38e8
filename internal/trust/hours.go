package trust

import (
	"slices"
	"time"
)

// Hours is a time of the week, in UTC, in which runs may begin: on each of Days, from From until To.
type Hours struct {
	Days []string `json:"days"` // mon, tue, wed, thu, fri, sat, sun
	From string   `json:"from"` // 07:30; the first minute
	To   string   `json:"to"`   // 19:00; the minute after the last one, later than From on the same day; 24:00 is midnight
}

// weekdays in the order of time.Weekday.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// maxHours bounds the list: a week has 168 hours.
const maxHours = 168

// AllowsTime checks that a run may begin now. A ceiling that names no hours allows all of them. Refusals say
// over_ceiling.
func (c Ceiling) AllowsTime(now time.Time) error {
	if len(c.Hours) == 0 {
		return nil
	}
	now = now.UTC()
	at, day := now.Hour()*60+now.Minute(), weekdays[now.Weekday()]
	for _, h := range c.Hours {
		from, to, ok := h.minutes()
		if ok && slices.Contains(h.Days, day) && from <= at && at < to {
			return nil
		}
	}
	return over("no run may begin on %s at %s UTC", day, now.Format("15:04"))
}

// minutes are From and To as minutes of the day; false when they, or the days, are not of the form.
func (h Hours) minutes() (from, to int, ok bool) {
	from, ok1 := minute(h.From)
	to, ok2 := minute(h.To)
	ok = ok1 && ok2 && from < to && len(h.Days) > 0
	for i, d := range h.Days {
		ok = ok && slices.Contains(weekdays, d) && !slices.Contains(h.Days[:i], d)
	}
	return from, to, ok
}

// minute reads a time of the day, exactly hh:mm.
func minute(s string) (int, bool) {
	if s == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", s)
	if err != nil || t.Format("15:04") != s {
		return 0, false
	}
	return t.Hour()*60 + t.Minute(), true
}
