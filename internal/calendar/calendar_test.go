package calendar_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests' zones do not depend on the machine

	"github.com/writ-dev/writ"
	"github.com/writ-dev/writ/internal/calendar"
)

func set(t *testing.T, sources ...calendar.Source) calendar.Set {
	t.Helper()
	s, err := calendar.New(sources, time.LoadLocation)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// office is open on weekdays from nine to five in Berlin, but on Christmas Eve, and frozen over Christmas every year.
func office() calendar.Source {
	return calendar.Source{
		Name: "office", Environments: []string{"prod"}, Zone: "Europe/Berlin",
		Windows: []calendar.Entry{{Name: "weekdays", Start: "2026-01-05T09:00", For: 8 * time.Hour, Rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", Except: []string{"2026-12-24"}}},
		Freezes: []calendar.Entry{{Name: "christmas", Start: "2026-12-20T00:00", For: 14 * 24 * time.Hour, Rule: "FREQ=YEARLY"}},
	}
}

func TestAWindowIsOpenFromItsStartToItsEndInItsZone(t *testing.T) {
	s := set(t, office())
	for when, want := range map[string]bool{
		"2026-02-02T07:59:59Z": false, "2026-02-02T08:00:00Z": true, "2026-02-02T15:59:59Z": true, "2026-02-02T16:00:00Z": false, // winter, UTC+1
		"2026-07-06T06:59:59Z": false, "2026-07-06T07:00:00Z": true, "2026-07-06T15:00:00Z": false, // summer, UTC+2
		"2026-02-01T09:00:00Z": false, // a Sunday
		"2025-02-03T09:00:00Z": false, // before its first occurrence
		"2026-12-24T10:00:00Z": false, // an exception
		"2026-12-23T10:00:00Z": true,
	} {
		got := s.At("shop", "prod", at(t, when))
		if got.Open == nil || *got.Open != want || (got.ClosesAt != nil) != want {
			t.Errorf("%s: %+v", when, got)
		}
	}
	got := s.At("shop", "prod", at(t, "2026-02-02T08:00:00Z"))
	if !got.ClosesAt.Equal(at(t, "2026-02-02T16:00:00Z")) || !slices.Equal(got.Names, []string{"office/weekdays"}) || got.Calendars.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestAFreezeHoldsUntilItsEndEveryYear(t *testing.T) {
	s := set(t, office())
	for when, until := range map[string]string{
		"2026-12-19T22:59:59Z": "", "2026-12-19T23:00:00Z": "2027-01-02T23:00:00Z", "2027-01-02T22:59:59Z": "2027-01-02T23:00:00Z",
		"2027-01-02T23:00:00Z": "", "2031-12-25T12:00:00Z": "2032-01-02T23:00:00Z",
	} {
		got := s.At("shop", "prod", at(t, when))
		if (got.FrozenUntil != nil) != (until != "") || until != "" && !got.FrozenUntil.Equal(at(t, until)) {
			t.Errorf("%s: %v", when, got.FrozenUntil)
		}
	}
}

func TestACalendarSpeaksOfWhatItNamesOnly(t *testing.T) {
	own := office()
	own.Name, own.Environments, own.Services = "own", nil, []string{"shop"}
	s := set(t, own)
	if got := s.At("search", "prod", at(t, "2026-12-25T12:00:00Z")); got.Open != nil || got.FrozenUntil != nil || !got.Calendars.IsZero() {
		t.Errorf("a service nobody named: %+v", got)
	}
	if got := s.At("shop", "dev", at(t, "2026-12-25T12:00:00Z")); got.FrozenUntil == nil {
		t.Error("the service that was named is not frozen")
	}
	if got := (calendar.Set{}).At("shop", "prod", at(t, "2026-12-25T12:00:00Z")); got.Open != nil || got.FrozenUntil != nil {
		t.Errorf("no calendars: %+v", got)
	}
}

func TestOneMoreCalendarNeverAllowsMore(t *testing.T) {
	night := calendar.Source{Name: "night", Services: []string{"shop"}, Zone: "UTC", Windows: []calendar.Entry{
		{Name: "night", Start: "2026-01-05T12:00", For: 16 * time.Hour, Rule: "FREQ=DAILY"},
	}}
	both, alone := set(t, office(), night), set(t, office())
	for when := at(t, "2026-02-02T00:00:00Z"); when.Before(at(t, "2026-02-09T00:00:00Z")); when = when.Add(20 * time.Minute) {
		b, a := both.At("shop", "prod", when), alone.At("shop", "prod", when)
		if *b.Open && !*a.Open {
			t.Fatalf("%s: open with one calendar more", when)
		}
		if *b.Open && b.ClosesAt.After(*a.ClosesAt) {
			t.Fatalf("%s: open for longer with one calendar more", when)
		}
	}
	if got := both.At("shop", "prod", at(t, "2026-02-02T13:00:00Z")); !*got.Open || !got.ClosesAt.Equal(at(t, "2026-02-02T16:00:00Z")) {
		t.Errorf("%+v", got)
	}
}

func TestTheDigestNamesTheCalendarsByContent(t *testing.T) {
	changed := office()
	changed.Windows[0].Except = nil
	if a, b := set(t, office()).Digest(), set(t, changed).Digest(); a == b || a.IsZero() || a != set(t, office()).Digest() {
		t.Errorf("%s and %s", a, b)
	}
	if !set(t).Digest().IsZero() {
		t.Error("no calendars have a digest")
	}
}

func TestWhatCouldBeReadTwoWaysIsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*calendar.Source)
		says   string
	}{
		"no name":                     {func(s *calendar.Source) { s.Name = "" }, "name"},
		"nothing covered":             {func(s *calendar.Source) { s.Environments = nil }, "services or environments"},
		"nothing said":                {func(s *calendar.Source) { s.Windows, s.Freezes = nil, nil }, "no windows"},
		"no zone":                     {func(s *calendar.Source) { s.Zone = "" }, "Europe/Berlin"},
		"this machine's zone":         {func(s *calendar.Source) { s.Zone = "Local" }, "Europe/Berlin"},
		"a zone that is none":         {func(s *calendar.Source) { s.Zone = "Europe/Atlantis" }, "Europe/Berlin"},
		"two entries of one name":     {func(s *calendar.Source) { s.Freezes[0].Name = "weekdays" }, "of its own"},
		"a start with a zone":         {func(s *calendar.Source) { s.Windows[0].Start = "2026-01-05T09:00Z" }, "2026-01-05T09:00"},
		"no length":                   {func(s *calendar.Source) { s.Windows[0].For = 0 }, "8h"},
		"a freeze without end":        {func(s *calendar.Source) { s.Freezes[0].For = 1000 * time.Hour * 24 }, "8h"},
		"an exception that is no day": {func(s *calendar.Source) { s.Windows[0].Except = []string{"24.12."} }, "2026-12-24"},
		"a start that is no first":    {func(s *calendar.Source) { s.Windows[0].Start = "2026-01-04T09:00" }, "first occurrence"},
		"a rule that never holds":     {func(s *calendar.Source) { s.Windows[0].Rule = "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" }, "first occurrence"},
		"a rule of hours":             {func(s *calendar.Source) { s.Windows[0].Rule = "FREQ=HOURLY" }, "DAILY"},
		"a part that is not known":    {func(s *calendar.Source) { s.Windows[0].Rule = "FREQ=DAILY;BYHOUR=9" }, "BYSETPOS"},
		"a part twice":                {func(s *calendar.Source) { s.Windows[0].Rule = "FREQ=DAILY;FREQ=WEEKLY" }, "twice"},
		"an end in local time":        {func(s *calendar.Source) { s.Windows[0].Rule = "FREQ=DAILY;UNTIL=20261231T000000" }, "20261231T235959Z"},
		"an end and a number":         {func(s *calendar.Source) { s.Windows[0].Rule = "FREQ=DAILY;COUNT=3;UNTIL=20261231T000000Z" }, "exclude"},
		"a numbered day of a week":    {func(s *calendar.Source) { s.Windows[0].Rule = "FREQ=WEEKLY;BYDAY=1MO" }, "MONTHLY"},
		"an empty rule part":          {func(s *calendar.Source) { s.Windows[0].Rule = "FREQ=DAILY;" }, "allowed"},
	} {
		s := office()
		row.change(&s)
		_, err := calendar.New([]calendar.Source{s}, time.LoadLocation)
		if !errors.Is(err, writ.ErrInvalid) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := calendar.New([]calendar.Source{office(), office()}, time.LoadLocation); !errors.Is(err, writ.ErrInvalid) {
		t.Errorf("two calendars of one name: %v", err)
	}
}
