package calendar_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/teambition/rrule-go"

	"github.com/writ-dev/writ/internal/calendar"
)

// The rules agree with another reader of RFC 5545, on random rules over four years.
func TestRulesMeanWhatAnotherReaderTakesThemFor(t *testing.T) {
	r := rand.New(rand.NewPCG(5545, 1))
	compared := 0
	for range 4000 {
		text := randomRule(r)
		start := time.Date(2024, 1, 1, 9, 30, 0, 0, time.UTC).AddDate(0, 0, r.IntN(800))
		end := start.AddDate(4, 0, 0)
		// Our rules begin with their first occurrence; the other reader finds it. Where it finds none, there is none.
		o, err := rrule.StrToROption(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		count := o.Count
		o.Dtstart, o.Until, o.Count = start, end, 0
		if o.Interval > 1 {
			o.Interval = 1 // the phase of an interval is that of the start we look for
		}
		first, err := rrule.NewRRule(*o)
		if err != nil {
			t.Fatal(err)
		}
		start = first.After(start, true)
		if start.IsZero() {
			continue
		}
		o, _ = rrule.StrToROption(text)
		o.Dtstart, o.Count = start, 0
		if count > 0 {
			o.Count = count
		} else {
			o.Until = end
		}
		theirs, err := rrule.NewRRule(*o)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := calendar.Days(text, start, end, 5000)
		if err != nil {
			if strings.Contains(err.Error(), "not reached") {
				continue
			}
			t.Fatalf("%s from %s: %v", text, start, err)
		}
		if got, want := fmt.Sprint(ours), fmt.Sprint(theirs.Between(start, end, true)); got != want {
			t.Fatalf("%s from %s:\nours   %s\ntheirs %s", text, start, got, want)
		}
		compared++
	}
	if compared < 3000 {
		t.Errorf("only %d rules were compared", compared)
	}
}

var days = []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}

func randomRule(r *rand.Rand) string {
	freq := []string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}[r.IntN(4)]
	out := []string{"FREQ=" + freq}
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if r.IntN(2) == 0 {
		add("INTERVAL=%d", 1+r.IntN(4))
	}
	if r.IntN(3) == 0 {
		add("COUNT=%d", 1+r.IntN(20))
	}
	if r.IntN(3) == 0 {
		add("WKST=%s", days[r.IntN(7)])
	}
	if r.IntN(3) == 0 {
		add("BYMONTH=%d,%d", 1+r.IntN(6), 7+r.IntN(6))
	}
	by := false
	if freq != "WEEKLY" && r.IntN(3) == 0 {
		by = true
		add("BYMONTHDAY=%d,%d", 1+r.IntN(31), -1-r.IntN(5))
	}
	if r.IntN(2) == 0 {
		by = true
		list := []string{days[r.IntN(3)], days[3+r.IntN(4)]}
		if (freq == "MONTHLY" || freq == "YEARLY") && r.IntN(2) == 0 && !strings.Contains(strings.Join(out, ";"), "BYMONTHDAY") {
			list[0], list[1] = fmt.Sprint(1+r.IntN(4))+list[0], fmt.Sprint(-1-r.IntN(3))+list[1]
		}
		add("BYDAY=%s", strings.Join(list, ","))
	}
	if by && freq == "MONTHLY" && r.IntN(3) == 0 {
		add("BYSETPOS=%d", []int{1, 2, -1}[r.IntN(3)])
	}
	return strings.Join(out, ";")
}

// The zones change at midnight, at 01:00 UTC, by half an hour, across the date line, and against the usual direction.
var zones = []string{"Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo", "Europe/Dublin", "Pacific/Apia", "UTC"}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	out, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Around each change of the clocks: what a wall clock shows at the instant is what was asked for, at the earliest instant
// at which it shows it; and where it never shows it, it is the offset before the gap that counts.
func TestInstantsAroundChangesOfTheClocks(t *testing.T) {
	skipped, twice := 0, 0
	for _, name := range zones {
		z := zone(t, name)
		for wall := time.Date(2011, 1, 1, 0, 5, 0, 0, time.UTC); wall.Year() < 2020; wall = wall.Add(30 * time.Minute) {
			got := calendar.Instant(wall, z)
			shown := func(at time.Time) bool {
				return at.In(z).Format("2006-01-02T15:04") == wall.Format("2006-01-02T15:04")
			}
			if shown(got) {
				for _, back := range []time.Duration{30 * time.Minute, time.Hour} {
					if shown(got.Add(-back)) {
						t.Fatalf("%s in %s: %s is the second time", wall, name, got)
					}
					if shown(got.Add(back)) {
						twice++
					}
				}
				continue
			}
			skipped++
			_, before := got.Add(-25 * time.Hour).In(z).Zone()
			if got.Unix() != wall.Unix()-int64(before) {
				t.Fatalf("%s in %s, which no clock showed: %s", wall, name, got)
			}
		}
	}
	if skipped == 0 || twice == 0 {
		t.Errorf("%d skipped, %d twice", skipped, twice)
	}
}

// Windows of eight hours at every hour of every day are open when, and only when, the wall clock is within them, on the days
// on which the clocks change too.
func TestAWindowFollowsTheWallClockOverChangesOfTheClocks(t *testing.T) {
	for _, name := range zones {
		z := zone(t, name)
		for hour := range 24 {
			s := set(t, calendar.Source{Name: "x", Services: []string{"shop"}, Zone: name, Windows: []calendar.Entry{
				{Name: "w", Start: fmt.Sprintf("2018-01-01T%02d:00", hour), For: 8 * time.Hour, Rule: "FREQ=DAILY"},
			}})
			for when := time.Date(2018, 10, 20, 0, 7, 0, 0, time.UTC); when.Month() < 12; when = when.Add(7 * time.Hour / 2) {
				begin, end := time.Time{}, time.Time{}
				for d := -2; d <= 2; d++ { // by hand: the day's begin and end as wall clocks
					y, m, day := when.In(z).AddDate(0, 0, d).Date()
					b := calendar.Instant(time.Date(y, m, day, hour, 0, 0, 0, time.UTC), z)
					e := calendar.Instant(time.Date(y, m, day, hour+8, 0, 0, 0, time.UTC), z)
					if !when.Before(b) && when.Before(e) {
						begin, end = b, e
					}
				}
				got := s.At("shop", "prod", when)
				if *got.Open != !begin.IsZero() || *got.Open && !got.ClosesAt.Equal(end) {
					t.Fatalf("%s, from %d h, %s: %+v, by hand %s to %s", name, hour, when.In(z), got, begin, end)
				}
			}
		}
	}
}

// Whatever somebody writes, it is refused or it answers.
func FuzzRule(f *testing.F) {
	for _, s := range []string{"FREQ=DAILY", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", "FREQ=YEARLY;BYMONTHDAY=29;BYMONTH=2;UNTIL=20400101T000000Z", "FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO,SU;WKST=SU", "="} {
		f.Add(s, "2024-02-29T00:30")
	}
	f.Fuzz(func(t *testing.T, rule, start string) {
		s, err := calendar.New([]calendar.Source{{Name: "x", Services: []string{"shop"}, Zone: "Europe/Berlin", Freezes: []calendar.Entry{
			{Name: "f", Start: start, For: time.Hour, Rule: rule},
		}}}, time.LoadLocation)
		if err != nil {
			return
		}
		begin, err := time.Parse("2006-01-02T15:04", start)
		if err != nil {
			t.Fatal(err)
		}
		berlin := zone(t, "Europe/Berlin")
		if got := s.At("shop", "prod", calendar.Instant(begin, berlin)); got.FrozenUntil == nil {
			if !strings.Contains(rule, "UNTIL") && rule != "" {
				t.Errorf("%q from %s does not hold at its start", rule, start)
			}
		}
		s.At("shop", "prod", begin.AddDate(50, 0, 0))
	})
}
